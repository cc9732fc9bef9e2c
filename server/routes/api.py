"""The JSON interface: ask, search, documents."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel

from index.errors import IndexMissing
from server.answer import Answer, AnswerBegun, AnswerEvent, AnswerSentence, Citation
from server.chat import Chat
from server.conversation import clean_question, printable
from server.desk import ChatAtDesk, Desk
from server.problems import problem_of
from server.routes.schemas import (
    ChatRequest,
    ChatResponse,
    CitationModel,
    DocumentModel,
    DocumentResponse,
    DocumentsResponse,
    FeedbackRequest,
    HitModel,
    Problem,
    SearchResponse,
    SentenceModel,
    StatusModel,
)
from server.storage import Feedback, Storage

MAX_TOP_K = 100

_PROBLEM = {"model": Problem, "description": "What was wrong", "content": {"application/problem+json": {}}}
router = APIRouter(prefix="/api", responses={422: _PROBLEM, 503: _PROBLEM})


def chat_of(request: Request) -> Chat:
    """Return the chat of the running app. A request has one from its beginning to its end, whatever is published.

    Raises:
        IndexMissing: nothing has been published yet.
    """
    if request.app.state.chat is None:
        raise IndexMissing("There is no index yet; the staff can build one")
    if not hasattr(request.state, "chat"):
        way = "completions" if request.url.path.startswith("/v1/") else "api" if _is_api(request) else "page"
        request.state.chat = ChatAtDesk(request.app.state.chat, request.app.state.desk, way)
    chat: Chat = request.state.chat
    return chat


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/api/")


def request_id_of(request: Request) -> str:
    """Return the id that finds a request in the log."""
    return str(request.state.request_id)


@router.post(
    "/chat",
    response_model=ChatResponse,
    responses={200: {"content": {"text/event-stream": {}}}, 413: _PROBLEM},
)
def ask(request: Request, body: ChatRequest) -> Response:
    """Ask. The reply is JSON or, with `Accept: text/event-stream`, events."""
    clean_question(body.question)
    asked = body.question, [turn.turn() for turn in body.history], body.lang
    if "text/event-stream" in request.headers.get("accept", ""):
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        events = chat_of(request).answer_events(*asked)
        return EventSourceResponse(_events(request, events), headers=headers)
    reply = ChatResponse.of(chat_of(request).answer_question(*asked))
    return JSONResponse(reply.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


def _events(request: Request, events: Iterator[AnswerEvent]) -> Iterator[bytes]:
    """Yield `status`, each citation before the first sentence that needs it, and at the end the whole reply.

    The response has begun by then, so what goes wrong becomes an `error` event.
    """
    try:
        for event in events:
            match event:
                case AnswerBegun():
                    yield _event("status", StatusModel(status=event.status, lang=event.lang))
                case Citation():
                    yield _event("citation", CitationModel.of(event))
                case AnswerSentence():
                    yield _event("delta", SentenceModel.of(event))
                case Answer():
                    yield _event("done", ChatResponse.of(event))
    except Exception as error:
        yield _event("error", problem_in_stream(request, error))


def problem_in_stream(request: Request, error: Exception) -> Problem:
    """Return and count what ends a stream, which nobody else sees."""
    problem = problem_of(error, request_id_of(request))
    request.app.state.metrics.problems.labels(problem.code).inc()
    return problem


def _event(name: str, data: BaseModel) -> bytes:
    return format_sse_event(event=name, data_str=data.model_dump_json())


@router.post("/feedback", status_code=204, responses={503: _PROBLEM})
def feedback(request: Request, body: FeedbackRequest) -> Response:
    """Say whether an answer helped. What is said again of the same answer replaces what was said before."""
    keep_feedback(request, body)
    return Response(status_code=204)


def keep_feedback(request: Request, body: FeedbackRequest) -> None:
    """Keep feedback with its texts made printable and personal data in them masked.

    Raises:
        StorageError: see `Storage.keep_feedback`.
    """
    storage: Storage = request.app.state.storage
    desk: Desk = request.app.state.desk
    said = body.model_dump(include={"comment", "question"})
    texts = {name: desk.masked(printable(text)).text for name, text in said.items()}
    storage.keep_feedback(Feedback(body.answer_id, body.helpful, body.reason, **texts))
    desk.metrics.feedback.labels(str(body.helpful).lower()).inc()


@router.get("/search")
def search(
    request: Request,
    q: Annotated[str, Query(description="The question")],
    top_k: Annotated[int, Query(ge=1, le=MAX_TOP_K)] = 10,
) -> SearchResponse:
    """Return the passages that most likely answer, best first."""
    chat = chat_of(request)
    retrieval = chat.retriever.search(clean_question(q), top_k)
    return SearchResponse(hits=[HitModel.of(hit) for hit in retrieval.hits], index_version=chat.version)


@router.get("/documents")
def documents(request: Request) -> DocumentsResponse:
    """List the indexed documents."""
    chat = chat_of(request)
    found = [DocumentModel.of(summary) for summary in chat.index.corpus.documents()]
    return DocumentsResponse(documents=found, index_version=chat.version)


@router.get("/documents/{doc_id:path}", responses={404: _PROBLEM})
def document(request: Request, doc_id: str) -> DocumentResponse:
    """Return one document with the text that all offsets refer to."""
    chat = chat_of(request)
    found = chat.document(doc_id)
    return DocumentResponse(
        doc_id=found.doc_id,
        title=found.title,
        digest=found.digest,
        date=found.date,
        department=found.department,
        contact=found.contact,
        text=found.text,
        index_version=chat.version,
    )
