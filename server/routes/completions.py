"""The same chat for OpenAI-compatible clients."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any
from urllib.parse import urljoin

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.exceptions import HTTPException

from server.answer import (
    Answer,
    AnswerBegun,
    AnswerEvent,
    AnswerSentence,
    AnswerStatus,
    Citation,
    RelatedPassage,
    in_version,
)  # fmt: skip
from server.chat import Chat
from server.messages import message
from server.routes.api import chat_of, problem_in_stream
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
    chat, history = chat_of(request), body.history
    asked = len(body.question) + sum(len(turn.content) for turn in history)
    written = _Message(_own_address(request), chat.version)
    created = int(time.time())
    if body.stream:
        events = chat.answer_events(body.question, history)
        # What goes wrong before anything is sent has a status of its own.
        beginning = next(events)
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = _chunks(chain([beginning], events), written, created, asked if with_usage else None)
        return EventSourceResponse(_stream(request, chunks), headers=_HEADERS)
    answer = chat.answer_question(body.question, history)
    written.write(answer)
    reply = ChatResponse.of(answer)
    completion = Completion(
        id=_completion_id(reply.id),
        created=created,
        system_fingerprint=reply.index_version,
        choices=[Choice(message=AssistantMessage(content=written.content, annotations=written.annotations))],
        usage=_usage(asked, written),
        mundap=reply,
    )
    return JSONResponse(completion.model_dump(mode="json"), headers=_HEADERS)


def _own_address(request: Request) -> str:
    """Return where the client reached the server, or "" when what it calls that is no address."""
    host = request.headers.get("host", "")
    return f"{request.scope['scheme']}://{host}" if _HOST.fullmatch(host) else ""


# ----- the message ---------------------------------------------------------------------------------------------------


@dataclass
class _Message:
    """A message as it is written: sentences with their numbers, and at the end the list of what these stand for.

    Its links lead to the server at `address`, into the text of `version`.
    """

    address: str
    version: str
    content: str = ""
    annotations: list[AnnotationModel] = field(default_factory=list)

    def sentence(self, sentence: AnswerSentence, citations: Mapping[int, Citation]) -> str:
        """Write one sentence and return what was added to the content."""
        piece = f"{' ' if self.content else ''}{sentence.text} "
        for n in sentence.citations:
            start = len(self.content) + len(piece)
            piece += f"[{n}]"
            cited = UrlCitation(
                start_index=start, end_index=start + len(f"[{n}]"), url=self._link(citations[n]),
                title=citations[n].title,
            )  # fmt: skip
            self.annotations.append(AnnotationModel(type="url_citation", url_citation=cited))
        self.content += piece
        return piece

    def ending(self, answer: Answer) -> list[str]:
        """Write what comes after the sentences, or instead of them, and return that in pieces.

        The nearest passages, which a page shows below a reply that has no direct answer, are part of the message.
        """
        pieces = [] if answer.sentences else [answer.text]
        if answer.notice:
            pieces.append(f"\n\n{answer.notice.text}")
        if answer.masked:
            pieces.append(f"\n\n{message(answer.lang, 'chat.masked')}")
        sources = [f"- [{c.n}] {c.title}: {self._link(c)}" for c in answer.citations]
        near = [f"- {' '.join(r.text.split())} ({r.title}: {self._link(r)})" for r in answer.related]
        for heading, lines in (("chat.sources", sources), ("chat.related", near)):
            if lines:
                pieces.append("\n".join(["\n", message(answer.lang, heading), *lines]))
        self.content += "".join(pieces)
        return pieces

    def write(self, answer: Answer) -> None:
        """Write all of an answer."""
        citations = {citation.n: citation for citation in answer.citations}
        for sentence in answer.sentences:
            self.sentence(sentence, citations)
        self.ending(answer)

    def _link(self, place: Citation | RelatedPassage) -> str:
        return urljoin(self.address, in_version(place.url, self.version))


def _usage(asked: int, written: _Message) -> Usage:
    replied = len(written.content)
    return Usage(prompt_tokens=asked, completion_tokens=replied, total_tokens=asked + replied)


def _chunks(events: Iterable[AnswerEvent], written: _Message, created: int, asked: int | None) -> Iterator[Chunk]:
    """Yield the role, each piece as it comes, the annotations with the reason to finish and the usage.

    `asked` is the size of what was asked, None where no usage is wanted.
    """
    begun = AnswerBegun("", AnswerStatus.NOT_FOUND, "", "")
    citations: dict[int, Citation] = {}

    def chunk(choices: Sequence[ChunkChoice], **more: Any) -> Chunk:
        return Chunk(
            id=_completion_id(begun.id), object="chat.completion.chunk", created=created, model=MODEL,
            system_fingerprint=begun.index_version, choices=list(choices), **more,
        )  # fmt: skip

    def text(content: str, **more: Any) -> Chunk:
        return chunk([ChunkChoice(index=0, delta=Delta(content=content, **more), finish_reason=None)])

    for event in events:
        match event:
            case AnswerBegun():
                begun = event
                yield text("", role="assistant")
            case Citation():
                citations[event.n] = event
            case AnswerSentence():
                yield text(written.sentence(event, citations))
            case Answer():
                yield from map(text, written.ending(event))
                delta = Delta(annotations=written.annotations)
                last = ChunkChoice(index=0, delta=delta, finish_reason="stop")
                yield chunk([last], mundap=ChatResponse.of(event))
    if asked is not None:
        yield chunk([], usage=_usage(asked, written))


def _stream(request: Request, chunks: Iterator[Chunk]) -> Iterator[bytes]:
    """Yield each chunk as an event; what goes wrong ends them with an error, which OpenAI's clients raise."""
    try:
        for chunk in chunks:
            yield format_sse_event(data_str=chunk.model_dump_json(exclude_unset=True))
        yield format_sse_event(data_str="[DONE]")
    except Exception as error:
        response = error_response(problem_in_stream(request, error))
        yield format_sse_event(data_str=bytes(response.body).decode())


def _completion_id(answer_id: str) -> str:
    return f"chatcmpl-{answer_id}"


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
