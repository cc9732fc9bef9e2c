"""The same chat for OpenAI-compatible clients."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.exceptions import HTTPException

from server.answer import in_version
from server.chat import Chat
from server.messages import LANGUAGES, message
from server.routes.api import chat_of
from server.routes.completion_schemas import (
    MODEL,
    AnnotationModel,
    AssistantMessage,
    Choice,
    Chunk,
    ChunkChoice,
    Completion,
    CompletionRequest,
    Delta,
    ErrorModel,
    ErrorResponse,
    ModelList,
    ModelModel,
    UrlCitation,
    Usage,
)
from server.routes.schemas import ChatResponse, Problem

PREFIX = "/v1"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

router = APIRouter(prefix=PREFIX, responses={"4XX": {"model": ErrorResponse}, "5XX": {"model": ErrorResponse}})


@router.get("/models")
def models(request: Request) -> ModelList:
    """List the one model that there is."""
    return ModelList(data=[_model(chat_of(request))])


@router.get("/models/{model_id:path}")
def model(request: Request, model_id: str) -> ModelModel:
    """Return the one model that there is."""
    if model_id != MODEL:
        raise HTTPException(404, f"There is no model of that name; the only one is {MODEL}")
    return _model(chat_of(request))


def _model(chat: Chat) -> ModelModel:
    return ModelModel(created=int(datetime.fromisoformat(chat.index.manifest.created).timestamp()))


@router.post("/chat/completions", response_model=Completion, responses={200: {"content": {"text/event-stream": {}}}})
def complete(request: Request, body: CompletionRequest) -> Response:
    """Ask. The reply is JSON or, with `stream`, chunks."""
    history = body.history
    answer = chat_of(request).answer_question(body.question, history, _accepted_language(request))
    reply = ChatResponse.of(answer)
    written = _write(reply, _own_address(request))
    asked = len(body.question) + sum(len(turn.content) for turn in history)
    replied = len("".join(written.pieces))
    usage = Usage(prompt_tokens=asked, completion_tokens=replied, total_tokens=asked + replied)
    created = int(time.time())
    if body.stream:
        with_usage = body.stream_options and body.stream_options.include_usage
        chunks = _chunks(reply, written, created, usage if with_usage else None)
        return EventSourceResponse(_events(chunks), headers=_HEADERS)
    completion = Completion(
        id=_completion_id(reply),
        created=created,
        system_fingerprint=reply.index_version,
        choices=[Choice(message=AssistantMessage(content="".join(written.pieces), annotations=written.annotations))],
        usage=usage,
        mundap=reply,
    )
    return JSONResponse(completion.model_dump(mode="json"), headers=_HEADERS)


def _accepted_language(request: Request) -> str | None:
    """Return the first language of the interface that the client accepts, or None."""
    tags = request.headers.get("accept-language", "").split(",")
    languages = (tag.split(";")[0].strip().split("-")[0].lower() for tag in tags)
    return next((language for language in languages if language in LANGUAGES), None)


def _own_address(request: Request) -> str:
    """Return where the client reached the server, or "" when what it calls that is no address."""
    host = request.headers.get("host", "")
    return f"{request.scope['scheme']}://{host}" if _HOST.fullmatch(host) else ""


# ----- the message ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Written:
    """A message in the pieces that it is streamed in, and what its numbers in brackets stand for."""

    pieces: list[str]
    annotations: list[AnnotationModel]


def _write(reply: ChatResponse, address: str) -> _Written:
    """Write `reply` as one message: its sentences with their numbers, then the list of what they rest on.

    The nearest passages, which a page shows below a reply that has no direct answer, are part of the message.
    """

    def link(url: str) -> str:
        return urljoin(address, in_version(url, reply.index_version))

    citations = {citation.n: citation for citation in reply.citations}
    pieces: list[str] = []
    annotations: list[AnnotationModel] = []
    written = 0
    for sentence in reply.sentences:
        piece = f"{' ' if pieces else ''}{sentence.text} "
        for n in sentence.citations:
            start = written + len(piece)
            piece += f"[{n}]"
            cited = UrlCitation(
                start_index=start, end_index=written + len(piece), url=link(citations[n].url), title=citations[n].title,
            )  # fmt: skip
            annotations.append(AnnotationModel(type="url_citation", url_citation=cited))
        pieces.append(piece)
        written += len(piece)
    if not pieces:
        pieces.append(reply.answer)
    if reply.masked:
        pieces.append(f"\n\n{message(reply.lang, 'chat.masked')}")
    sources = [f"- [{c.n}] {c.title}: {link(c.url)}" for c in reply.citations]
    near = [f"- {' '.join(r.text.split())} ({r.title}: {link(r.url)})" for r in reply.related]
    for heading, lines in (("chat.sources", sources), ("chat.related", near)):
        if lines:
            pieces.append("\n".join(["\n", message(reply.lang, heading), *lines]))
    return _Written(pieces, annotations)


def _chunks(reply: ChatResponse, written: _Written, created: int, usage: Usage | None) -> Iterator[Chunk]:
    """Yield the role, each piece, the annotations with the reason to finish and, where it is wanted, the usage."""

    def chunk(choices: Sequence[ChunkChoice], **more: Any) -> Chunk:
        return Chunk(
            id=_completion_id(reply), object="chat.completion.chunk", created=created, model=MODEL,
            system_fingerprint=reply.index_version, choices=list(choices), **more,
        )  # fmt: skip

    yield chunk([ChunkChoice(index=0, delta=Delta(role="assistant", content=""), finish_reason=None)])
    for piece in written.pieces:
        yield chunk([ChunkChoice(index=0, delta=Delta(content=piece), finish_reason=None)])
    delta = Delta(annotations=written.annotations)
    yield chunk([ChunkChoice(index=0, delta=delta, finish_reason="stop")], mundap=reply)
    if usage:
        yield chunk([], usage=usage)


def _events(chunks: Iterator[Chunk]) -> Iterator[bytes]:
    for chunk in chunks:
        yield format_sse_event(data_str=chunk.model_dump_json(exclude_unset=True))
    yield format_sse_event(data_str="[DONE]")


def _completion_id(reply: ChatResponse) -> str:
    return f"chatcmpl-{reply.id}"


# ----- errors --------------------------------------------------------------------------------------------------------


def has_errors_of_its_own(request: Request) -> bool:
    """Whether clients of this interface alone come here, who read no other form of error."""
    return f"{request.url.path}/".startswith(f"{PREFIX}/")


def error_response(problem: Problem, headers: dict[str, str] | None = None, param: str | None = None) -> Response:
    """Return `problem` as OpenAI's clients read errors; what can't be processed is a bad request to them."""
    error = ErrorModel(
        message=problem.detail,
        type="server_error" if problem.status >= 500 else "invalid_request_error",
        param=param,
        code=problem.code,
    )
    status = 400 if problem.status == 422 else problem.status
    return JSONResponse(ErrorResponse(error=error).model_dump(), status, headers)


def invalid_request(problem: Problem, errors: Sequence[dict[str, Any]]) -> Response:
    """Return the first of the errors of a request that has another shape or wants what there isn't."""
    _, *place = errors[0]["loc"]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    code = errors[0].get("ctx", {}).get("code", problem.code)
    named = param if param and isinstance(place[0], str) else None
    detail = f"{named}: {errors[0]['msg']}" if named else problem.detail
    return error_response(problem.model_copy(update={"detail": detail, "code": code}), param=named)
