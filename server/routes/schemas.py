"""The wire types: what requests may hold and what responses do."""

from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from index.corpus import DocumentSummary
from index.retriever import Hit
from server.answer import Answer, AnswerSentence, Citation
from server.conversation import MAX_QUESTION_CHARACTERS, Turn

MAX_HISTORY_TURNS = 20
MAX_TURN_CHARACTERS = 8_000


class HistoryTurn(BaseModel):
    """One earlier message of the conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=MAX_TURN_CHARACTERS)]

    def turn(self) -> Turn:
        """Return it as the chat takes it."""
        return Turn(self.role, self.content)


class ChatRequest(BaseModel):
    """A question, with the conversation before it and the language that notices shall have (BCP 47)."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(description=f"1 to {MAX_QUESTION_CHARACTERS} characters")]
    history: Annotated[list[HistoryTurn], Field(max_length=MAX_HISTORY_TURNS)] = []
    lang: Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | None = None


class FeedbackRequest(BaseModel):
    """What an asker thinks of one answer; `question` is the one that was answered, if they agree to send it."""

    model_config = ConfigDict(extra="forbid")

    answer_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    helpful: bool
    reason: Literal["", "wrong", "irrelevant", "incomplete", "outdated", "other"] = ""
    comment: Annotated[str, Field(max_length=1_000)] = ""
    question: Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)] = ""


class StatusModel(BaseModel):
    """The first event of a streamed reply."""

    status: str
    lang: str


class SentenceModel(BaseModel):
    """One sentence of an answer with the numbers of its citations."""

    text: str
    citations: list[int]

    @classmethod
    def of(cls, sentence: AnswerSentence) -> "SentenceModel":
        """Return the wire form of `sentence`."""
        return cls(text=sentence.text, citations=list(sentence.citations))


class CitationModel(BaseModel):
    """Where a sentence stands: `quote` is the document's text from `start` to `end`, in code points.

    `date` (ISO 8601) and `department` are the document's, "" where it has none.
    """

    n: int
    doc_id: str
    title: str
    passage_id: str
    start: int
    end: int
    quote: str
    focus: tuple[int, int] | None
    date: str
    department: str
    url: str

    @classmethod
    def of(cls, c: Citation) -> "CitationModel":
        """Return the wire form of a citation."""
        return cls(
            n=c.n, doc_id=c.doc_id, title=c.title, passage_id=c.passage_id, start=c.start, end=c.end, quote=c.quote,
            focus=c.focus, date=c.date, department=c.department, url=c.url,
        )  # fmt: skip


class RelatedModel(BaseModel):
    """A passage near the question that was not found to answer it."""

    doc_id: str
    title: str
    passage_id: str
    start: int
    end: int
    text: str
    date: str
    department: str
    url: str


class NoticeModel(BaseModel):
    """What an asker should know about how an answer came about.

    `code` is stable: "not_written" (these are the documents' own sentences, though a language model should have written
    the answer) or "cut_off" (it stopped writing; what is here holds). `text` says it in the language of the reply.
    """

    code: str
    text: str


class ChatResponse(BaseModel):
    """One reply. `mode` is "generative" where a language model wrote the sentences, else "extractive"."""

    id: str
    status: Literal["answered", "related", "not_found", "smalltalk", "refused"]
    lang: str
    mode: Literal["extractive", "generative"]
    notice: NoticeModel | None
    answer: str
    sentences: list[SentenceModel]
    citations: list[CitationModel]
    related: list[RelatedModel]
    suggestions: list[str]
    confidence: float
    masked: Annotated[list[str], Field(description="Kinds of personal data in the question; it is kept without them")]
    index_version: str
    timings_ms: dict[str, float]

    @classmethod
    def of(cls, answer: Answer) -> "ChatResponse":
        """Return the wire form of `answer`."""
        return cls(
            id=answer.id,
            status=answer.status.value,
            lang=answer.lang,
            mode=answer.mode,
            notice=NoticeModel(code=answer.notice.code, text=answer.notice.text) if answer.notice else None,
            answer=answer.text,
            sentences=[SentenceModel.of(sentence) for sentence in answer.sentences],
            citations=[CitationModel.of(citation) for citation in answer.citations],
            related=[
                RelatedModel(
                    doc_id=r.doc_id, title=r.title, passage_id=r.passage_id, start=r.start, end=r.end, text=r.text,
                    date=r.date, department=r.department, url=r.url,
                )
                for r in answer.related
            ],
            suggestions=list(answer.suggestions),
            confidence=round(answer.confidence, 4),
            masked=list(answer.masked),
            index_version=answer.index_version,
            timings_ms=answer.timings_ms,
        )  # fmt: skip


class HitModel(BaseModel):
    """One ranked passage with the scores that ranked it."""

    doc_id: str
    passage_id: str
    title: str
    start: int
    end: int
    text: str
    score: float
    dense_score: float
    lexical_score: float

    @classmethod
    def of(cls, hit: Hit) -> "HitModel":
        """Return the wire form of `hit`."""
        passage = hit.passage
        return cls(
            doc_id=passage.doc_id, passage_id=passage.passage_id, title=passage.context[0], start=passage.start,
            end=passage.end, text=passage.text, score=round(hit.score, 6), dense_score=round(hit.dense_score, 6),
            lexical_score=round(hit.lexical_score, 6),
        )  # fmt: skip


class SearchResponse(BaseModel):
    """Ranked passages, best first."""

    hits: list[HitModel]
    index_version: str


class DocumentModel(BaseModel):
    """An indexed document."""

    doc_id: str
    title: str
    digest: str
    characters: int
    date: str
    department: str
    contact: str

    @classmethod
    def of(cls, summary: DocumentSummary) -> "DocumentModel":
        """Return the wire form of `summary`."""
        return cls(**asdict(summary))


class DocumentsResponse(BaseModel):
    """All indexed documents, by `doc_id`."""

    documents: list[DocumentModel]
    index_version: str


class DocumentResponse(BaseModel):
    """One indexed document with its text, which all offsets refer to."""

    doc_id: str
    title: str
    digest: str
    date: str
    department: str
    contact: str
    text: str
    index_version: str


class Problem(BaseModel):
    """An error (RFC 9457). `code` is stable; `request_id` finds it in the server's log."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str
