"""Questions to suggest: made from the documents when they are indexed, and kept where the chat itself answers them."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
TRIED_A_LANGUAGE = 16
KEPT_A_LANGUAGE = 8
DOCUMENTS_LOOKED_AT = 30
SURE = 0.6
_MAX_TOPIC_CHARACTERS = 60
_MAX_NAMES = 2
_DEFINITION = "definition"

_BRACKETS = re.compile(r"\s*[(\[（［<〈《【][^)\]）］>〉》】]*[)\]）］>〉》】]\s*")
_QUESTION_HEADING = re.compile(r"(?:(?:Q|질문|문)\s*\d*\s*[.:)]?\s*)?(\S.*[?？])")
_LATIN_NAME = re.compile(r"\b[A-Z][a-z]+(?: (?:of |and |for |the |on )*[A-Z][a-z]+)+\b|\b[A-Z]{3,}\b")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question to try of one document; see suggestions.toml.

    Its answer must match `holds`, and stand where `name` is spoken of; for a definition it must be the note of `word`.
    """

    question: str
    doc_id: str
    kind: str
    holds: re.Pattern[str] = re.compile("")
    name: str = ""
    word: str = ""


def suggest_questions(models: Models, index: PublishedIndex, progress: Progress) -> list[Suggestion]:
    """Return questions that `index` answers, by language, no two with the same sentence.

    Of many documents the newest are asked about, and at most `TRIED_A_LANGUAGE` questions are tried in each language.
    """
    chat = Chat(Retriever(index, models.embedder), models.reader)
    newest = sorted(index.corpus.documents(), key=lambda summary: summary.date, reverse=True)[:DOCUMENTS_LOOKED_AT]
    sources = [(chat.document(summary.doc_id), _explained_words(index, summary.doc_id)) for summary in newest]
    found: list[Suggestion] = []
    for done, lang in enumerate(LANGUAGES):
        progress("Suggesting", done, len(LANGUAGES))
        # One of each document in turn, so that none fills the list.
        found += _kept(chat, _in_turn([_candidates(*source, lang) for source in sources]), lang)
    progress("Suggesting", len(LANGUAGES), len(LANGUAGES))
    return found


def _kept(chat: Chat, candidates: Iterator[Candidate], lang: str) -> list[Suggestion]:
    found: list[Suggestion] = []
    known: set[tuple[str, str]] = set()
    tried = 0
    for candidate in candidates:
        if (candidate.doc_id, candidate.kind) in known:
            continue
        if tried == TRIED_A_LANGUAGE or len(found) == KEPT_A_LANGUAGE:
            break
        tried += 1
        suggestion = _answered(chat, candidate, lang)
        if suggestion and not any(_overlaps(suggestion, other) for other in found):
            found.append(suggestion)
            known.add((candidate.doc_id, candidate.kind))
    return found


def _answered(chat: Chat, candidate: Candidate, lang: str) -> Suggestion | None:
    question = candidate.question
    answer = chat.answer_question(question)
    if answer.status is not AnswerStatus.ANSWERED or answer.confidence < SURE:
        return None
    best = answer.ranked[0]
    passage = best.hit.passage
    if best.sentence.kind is BlockKind.HEADING or best.text in (passage.context[0], question):
        return None  # it says again what was asked
    if passage.doc_id != candidate.doc_id or not candidate.holds.search(best.text):
        return None
    # A note tells of its own word alone.
    spoken_of = best.sentence.about if best.sentence.kind is BlockKind.FOOTNOTE else passage.text
    if candidate.word not in best.sentence.about or candidate.name not in spoken_of:
        return None
    return Suggestion(question, lang, passage.doc_id, best.sentence.start, best.sentence.end, best.text)


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
                yield Candidate(asked[1][:MAX_QUESTION_CHARACTERS], document.doc_id, heading)
    yield from _in_turn([_about_topics(document, lang, is_own), _about_words(document, explained, lang)])


def _about_topics(document: Document, lang: str, is_own: bool) -> Iterator[Candidate]:
    title = " ".join(_BRACKETS.sub(" ", document.title).split())
    for topic in [title] if is_own else _names(document):
        for kind, template in _templates().items():
            holds = re.compile(template["holds"], re.IGNORECASE)
            if kind != _DEFINITION and len(topic) <= _MAX_TOPIC_CHARACTERS and holds.search(document.text):
                question = template[lang].format(topic=topic)
                yield Candidate(question, document.doc_id, kind, holds, "" if is_own else topic)


def _names(document: Document) -> list[str]:
    """Return the names in Latin letters in a document's title, those that it uses most first."""
    names = dict.fromkeys(_LATIN_NAME.findall(document.title))
    return sorted(names, key=document.text.count, reverse=True)[:_MAX_NAMES]


def _about_words(document: Document, words: list[str], lang: str) -> Iterator[Candidate]:
    for word in words:
        # Words with Korean letters are left to those who ask in Korean.
        if lang == "ko" or not HANGUL.search(word):
            question = _templates()[_DEFINITION][lang].format(topic=word)
            yield Candidate(question, document.doc_id, f"{_DEFINITION} {word}", word=word)


def _in_turn(lists: Sequence[Iterator[Candidate]]) -> Iterator[Candidate]:
    return (candidate for candidate in chain.from_iterable(zip_longest(*lists)) if candidate)


def _overlaps(one: Suggestion, other: Suggestion) -> bool:
    return one.doc_id == other.doc_id and one.start < other.end and other.start < one.end
