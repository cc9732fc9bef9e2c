"""Questions to suggest: made from the documents when they are indexed, and kept where the chat itself answers them."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path

from index.build import Progress
from index.documents import BlockKind, Document
from index.publication import PublishedIndex, Suggestion
from index.retriever import Retriever
from index.scripts import HANGUL
from server.answer import AnswerStatus
from server.chat import Chat, Models
from server.conversation import MAX_QUESTION_CHARACTERS, asker_language
from server.messages import LANGUAGES

# Each is answered once to find out whether it can be, which takes a third of a second.
TRIED_A_LANGUAGE = 8
DOCUMENTS_LOOKED_AT = 30
SURE = 0.6
_MAX_TOPIC_CHARACTERS = 60
_DEFINITION = "definition"

_BRACKETS = re.compile(r"\s*[(\[（［<〈《【][^)\]）］>〉》】]*[)\]）］>〉》】]\s*")
_QUESTION_HEADING = re.compile(r"(?:(?:Q|질문|문)\s*\d*\s*[.:)]?\s*)?(\S.*[?？])")
_LATIN_NAME = re.compile(r"\b[A-Z][a-z]+(?: (?:of |and |for |the |on )*[A-Z][a-z]+)+\b")

# What is asked, what its answer must match, and for a definition the word; see suggestions.toml.
Candidate = tuple[str, re.Pattern[str], str]


def suggest_questions(models: Models, index: PublishedIndex, progress: Progress) -> list[Suggestion]:
    """Return questions that `index` answers, by language, no two with the same sentence.

    Of many documents the newest are asked about, and at most `TRIED_A_LANGUAGE` questions are tried in each language.
    """
    chat = Chat(Retriever(index, models.embedder), models.reader)
    newest = sorted(index.corpus.documents(), key=lambda summary: summary.date, reverse=True)[:DOCUMENTS_LOOKED_AT]
    sources = [(chat.document(summary.doc_id), _explained_words(index, summary.doc_id)) for summary in newest]
    to_try = [
        (lang, candidate)
        for lang in LANGUAGES
        # One of each document in turn, so that none fills the list.
        for candidate in list(_in_turn([_candidates(*source, lang) for source in sources]))[:TRIED_A_LANGUAGE]
    ]
    found: list[Suggestion] = []
    for done, (lang, candidate) in enumerate(to_try, 1):
        suggestion = _answered(chat, candidate, lang)
        if suggestion and not any(_overlaps(suggestion, other) for other in found if other.lang == lang):
            found.append(suggestion)
        progress("Suggesting", done, len(to_try))
    return found


def _answered(chat: Chat, candidate: Candidate, lang: str) -> Suggestion | None:
    question, holds, word = candidate
    answer = chat.answer_question(question)
    if answer.status is not AnswerStatus.ANSWERED or answer.confidence < SURE:
        return None
    best = answer.ranked[0]
    document_title = best.hit.passage.context[0]
    if best.sentence.kind is BlockKind.HEADING or best.text in (document_title, question):
        return None  # it says again what was asked
    if not holds.search(best.text) or word not in best.sentence.about:
        return None
    return Suggestion(question, lang, best.hit.passage.doc_id, best.sentence.start, best.sentence.end)


@cache
def _templates() -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name("suggestions.toml").read_text(encoding="utf-8"))


def _explained_words(index: PublishedIndex, doc_id: str) -> list[str]:
    """Return the words of a document that have a note."""
    stored = index.corpus.passages(index.corpus.ordinals_of([doc_id]))
    notes = (sentence for one in stored for sentence in one.passage.sentences if sentence.kind is BlockKind.FOOTNOTE)
    return list(dict.fromkeys(note.about.split()[-1] for note in notes if note.about))


def _candidates(document: Document, explained: list[str], lang: str) -> Iterator[Candidate]:
    is_own = asker_language(document.text[:2_000]) == lang
    if is_own:
        for block in document.blocks:
            heading = document.text[block.start : block.end]
            if block.kind is BlockKind.HEADING and (asked := _QUESTION_HEADING.fullmatch(heading)):
                yield asked[1][:MAX_QUESTION_CHARACTERS], re.compile(""), ""
    yield from _in_turn([_about_topics(document, lang, is_own), _about_words(explained, lang)])


def _about_topics(document: Document, lang: str, is_own: bool) -> Iterator[Candidate]:
    title = " ".join(_BRACKETS.sub(" ", document.title).split())
    for topic in [title] if is_own else _LATIN_NAME.findall(document.title):
        for kind, template in _templates().items():
            holds = re.compile(template["holds"], re.IGNORECASE)
            if kind != _DEFINITION and len(topic) <= _MAX_TOPIC_CHARACTERS and holds.search(document.text):
                yield template[lang].format(topic=topic), holds, ""


def _about_words(words: list[str], lang: str) -> Iterator[Candidate]:
    for word in words:
        # Words with Korean letters are left to those who ask in Korean.
        if lang == "ko" or not HANGUL.search(word):
            yield _templates()[_DEFINITION][lang].format(topic=word), re.compile(""), word


def _in_turn(lists: Sequence[Iterator[Candidate]]) -> Iterator[Candidate]:
    return (candidate for candidate in chain.from_iterable(zip_longest(*lists)) if candidate)


def _overlaps(one: Suggestion, other: Suggestion) -> bool:
    return one.doc_id == other.doc_id and one.start < other.end and other.start < one.end
