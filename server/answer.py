"""What an answer is."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal
from urllib.parse import quote

from index.retriever import Retrieval
from server.answerers.evidence import Candidate


class AnswerStatus(StrEnum):
    """How a question ended. Only `ANSWERED` carries an answer out of the documents."""

    ANSWERED = "answered"
    RELATED = "related"
    NOT_FOUND = "not_found"
    SMALLTALK = "smalltalk"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a sentence stands: `quote == document.text[start:end]`. `focus` is a span of the quote, or None.

    `date` (ISO 8601) and `department` are those of the document, "" where it has none.
    """

    n: int
    doc_id: str
    title: str
    passage_id: str
    start: int
    end: int
    quote: str
    focus: tuple[int, int] | None = None
    date: str = ""
    department: str = ""

    @property
    def url(self) -> str:
        """The source page with exactly this quote highlighted."""
        return document_url(self.doc_id, self.start, self.end)


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """One sentence of an answer and the numbers of the citations that it rests on."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """What an asker should know about how an answer came about: a stable `code`, and the same in their language."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class RelatedPassage:
    """A passage that is near the question but was not found to answer it."""

    doc_id: str
    title: str
    passage_id: str
    start: int
    end: int
    text: str
    date: str
    department: str

    @property
    def url(self) -> str:
        """The source page with this passage highlighted."""
        return document_url(self.doc_id, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply. `text` is the whole of it with citation numbers; timings are in milliseconds.

    `mode` is "generative" where a language model wrote the sentences, else "extractive": they are the documents' own.
    `notice` says what went otherwise than it should. `masked` names the kinds of personal data in the question, which
    were masked before it was kept. `retrieval` and `ranked` keep what the answer was chosen from, best first; they stay
    on the server.
    """

    id: str
    status: AnswerStatus
    lang: str
    text: str
    index_version: str
    sentences: tuple[AnswerSentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    related: tuple[RelatedPassage, ...] = ()
    suggestions: tuple[str, ...] = ()
    confidence: float = 0.0
    mode: Literal["extractive", "generative"] = "extractive"
    notice: Notice | None = None
    masked: tuple[str, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    retrieval: Retrieval | None = field(default=None, repr=False)
    ranked: tuple[Candidate, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class AnswerBegun:
    """The first event of an answer: how it will end is known, and its sentences are still to come."""

    id: str
    status: AnswerStatus
    lang: str
    index_version: str


# In this order: the beginning, each citation before the first sentence that needs it, the answer as a whole.
AnswerEvent = AnswerBegun | Citation | AnswerSentence | Answer


def document_url(doc_id: str, start: int, end: int) -> str:
    """Return the address of a source page with one span highlighted."""
    return f"/documents/{quote(doc_id, safe='/')}?start={start}&end={end}"


def in_version(url: str, version: str) -> str:
    """Return the address of a span in the text of one version of the index, whatever is published later."""
    return f"{url}&version={version}"
