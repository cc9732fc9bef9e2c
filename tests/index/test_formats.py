"""The seed document in every format: the same sentences, the same table, the same answers."""

import re
from functools import cache
from itertools import accumulate

import pytest

from eval.datasets import load_gold
from index.build import build_index
from index.chunking import Chunking, split_into_passages
from index.documents import BlockKind
from index.loaders import LOADERS, SourceFile, load_document
from index.publication import Publication
from server.chat import Models, create_chat
from server.settings import Settings
from tests.conftest import REPO
from tests.formats import TABLE_WRITERS, TITLE, WRITERS

QUESTIONS = 30
FORMATS = [suffix for suffix in WRITERS if suffix != ".txt"]


@pytest.fixture(scope="session")
def seed_files():
    return {suffix: write() for suffix, write in {**WRITERS, **TABLE_WRITERS}.items()}


@pytest.fixture(scope="session")
def seeds(seed_files):
    return {suffix: load_document(SourceFile(f"seed{suffix}", data)) for suffix, data in seed_files.items()}


def sentences(document):
    return [p.quote(sentence) for p in split_into_passages(document, Chunking()) for sentence in p.sentences]


def rows(document):
    return [document.text[b.start : b.end] for b in document.blocks if b.kind is BlockKind.TABLE_ROW]


def squeezed(suffix, text):
    """Where a line of a page ends, nobody can always tell whether a word does."""
    return re.sub(r"\s", "", text) if suffix == ".pdf" else text


def test_every_format_has_a_file_of_its_own_here():
    assert {*WRITERS, *TABLE_WRITERS} == LOADERS.keys() - {".text", ".markdown", ".htm", ".tsv"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_each_format_gives_the_same_sentences_title_and_table(suffix, seeds):
    document, text = seeds[suffix], seeds[".txt"]
    assert squeezed(suffix, document.title) == squeezed(suffix, TITLE)
    assert [squeezed(suffix, one) for one in sentences(document)] == [squeezed(suffix, one) for one in sentences(text)]
    assert rows(document) == rows(text)
    assert (document.date, document.department) == (text.date, text.department)
    assert document.contact == text.contact
    assert [block.kind for block in document.blocks if block.kind is BlockKind.FOOTNOTE] == [BlockKind.FOOTNOTE]


def test_a_printed_page_of_36_full_lines_has_at_most_two_spaces_wrong(seeds):
    def spaces(document):
        words = "\n".join(sentences(document)).split()
        return set(accumulate(map(len, words)))

    assert len(spaces(seeds[".txt"]) ^ spaces(seeds[".pdf"])) <= 2


@pytest.mark.parametrize("suffix", TABLE_WRITERS)
def test_a_workbook_and_a_csv_file_give_the_same_table(suffix, seeds):
    assert rows(seeds[suffix]) == rows(seeds[".txt"])


@pytest.mark.parametrize("suffix", [*FORMATS, *TABLE_WRITERS])
def test_what_each_block_is_and_where_it_is_said_once(suffix, seeds):
    document = seeds[suffix]
    assert [block.start for block in document.blocks] == sorted(block.start for block in document.blocks)
    assert all(document.text[block.start : block.end].strip() for block in document.blocks)
    places = {
        ".md": "",
        ".html": "",
        ".pdf": "p. 2",
        ".xlsx": "연락처, row 3",
        ".csv": "row 3",
    }
    assert document.blocks[rows_end(document)].place == places.get(suffix, "table 1, row 3")


def rows_end(document):
    return max(at for at, block in enumerate(document.blocks) if block.kind is BlockKind.TABLE_ROW)


@pytest.fixture(scope="session")
def answers(embedder, reader, tmp_path_factory, seed_files, seeds):
    """Of each format alone in the index: question → the kind of reply, and what it cites."""
    questions = [q for q in load_gold().questions if q.language == "ko" and q.expect == "answered" and not q.history]
    # Every so many of all, so that all kinds of questions are among them.
    asked = questions[:: len(questions) // QUESTIONS][:QUESTIONS]

    # Files that are the same when they are loaded are the same in the index, so that each kind is asked once.
    @cache
    def ask_about(suffix, text, *blocks):
        data_dir = tmp_path_factory.mktemp("formats")
        source = data_dir / "source"
        source.mkdir()
        (source / f"seed{suffix}").write_bytes(seed_files[suffix])
        build_index(source, Publication(data_dir), embedder)
        (data_dir / "models").symlink_to(REPO / "var" / "models")
        settings = Settings(_env_file=None, data_dir=data_dir, source_dir=source)
        chat = create_chat(settings, Models(embedder, reader))
        replies = {q.text: chat.answer_question(q.text) for q in asked}
        return {q: (reply.status, [citation.quote for citation in reply.citations]) for q, reply in replies.items()}

    def ask(suffix):
        twin = next(one for one in seeds if is_as(seeds[one]) == is_as(seeds[suffix]))
        return ask_about(twin, *is_as(seeds[twin]))

    return ask


def is_as(document):
    """Return all of a document that is indexed."""
    blocks = tuple((block.kind, block.start, block.end, block.level, block.is_header) for block in document.blocks)
    return f"{document.title}\n{document.text}", *blocks


@pytest.mark.parametrize("suffix", FORMATS)
def test_each_format_gives_the_same_answers_to_thirty_questions(suffix, answers):
    wanted, found = (
        {q: (status, [squeezed(suffix, quote) for quote in quotes]) for q, (status, quotes) in answers(one).items()}
        for one in (".txt", suffix)
    )
    assert len(wanted) == QUESTIONS
    assert {q: (status, quotes[:1]) for q, (status, quotes) in found.items()} == {
        q: (status, quotes[:1]) for q, (status, quotes) in wanted.items()
    }
    # A title that is marked as one starts a passage of its own, so that a second sentence may weigh more or less.
    has_marked_title = suffix in (".md", ".html", ".docx", ".pdf")
    assert sum(found[q] != wanted[q] for q in wanted) <= has_marked_title
