"""The web application: the chat, its routes, the headers of every response, and what each error becomes."""

import logging
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from importlib import metadata
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from index.errors import EngineUnavailable, MundapError, PublishedIndexError, Refused
from index.publication import Publication, PublishedIndex
from index.retriever import Retriever
from index.seclusion import seclude_process
from server.builds import Builds
from server.chat import Chat, Models, load_models
from server.desk import Desk
from server.follower import Follower
from server.framing import frame_ancestors
from server.limits import Admission, RateLimiter, open_counts, parse_rates
from server.listening import Drain
from server.messages import message
from server.metrics import Metrics
from server.problems import make_problem, problem_of
from server.question_log import QuestionLog
from server.routes import admin, api, completions, health, pages, widget
from server.routes.api import request_id_of
from server.routes.gate import Gate
from server.routes.schemas import Problem
from server.settings import Settings
from server.sign_in import SignIn
from server.storage import Storage
from server.traces import EndSpan, Traces
from server.widget import LoaderArchive, load_loader

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for status, text in {
        400: "Not readable",
        408: "Too slow",
        413: "Too large",
        429: "Too many requests",
        503: "Not now",
    }.items()
}
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
_log = logging.getLogger("mundap")
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    f"frame-src 'self'; {frame_ancestors(())}; form-action 'self'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def create_app(settings: Settings | None = None, chat: Chat | Models | None = None) -> FastAPI:
    """Return the application. `chat` is opened at start-up where it isn't given.

    With an admin token the app also starts before anything is published, with the models alone: the staff make the
    first index. Where the published version can't be used it starts with the newest one that can. When another version
    is published in the data folder than it answers from, a chat on that one takes its place.

    Raises (at start-up):
        PublishedIndexError, ModelError: see `create_chat`.
    """
    # Here too, as each worker is a process of its own.
    seclude_process()
    settings = settings or Settings()
    token = settings.admin_token.get_secret_value()
    metrics = Metrics()
    counts = open_counts(settings.rate_limit_storage.get_secret_value())
    limiter = RateLimiter(
        parse_rates(settings.rate_limit), counts, on_failure=metrics.failures.labels("rate_limit_storage").inc
    )
    admission = Admission(settings.concurrency, settings.queue, metrics.queued)
    drain = Drain(settings.drain_seconds)
    traces = Traces(settings.traces_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.settings = settings
        app.state.publication = publication = settings.publication()
        first = chat or _chat_to_begin_with(settings, publication, bool(token))
        app.state.chat = None
        app.state.storage = Storage(settings.database, metrics.failures.labels("storage").inc)
        app.state.builds = Builds(settings.data_dir)
        app.state.sign_in = SignIn(token)
        app.state.admission, app.state.drain, app.state.metrics = admission, drain, metrics
        log = QuestionLog(
            app.state.storage, settings.retention_days, settings.keep_questions, metrics.lost_questions.inc
        )
        app.state.question_log, app.state.desk = log, Desk(metrics, log.note, traces)
        app.state.loaders = LoaderArchive(settings.data_dir)
        app.state.loaders.keep(load_loader())

        def take(chat: Chat) -> None:
            app.state.chat = chat
            manifest = chat.index.manifest
            metrics.serves(manifest.version, datetime.fromisoformat(manifest.created).timestamp())
            # It was opened whole just now. Of several workers not each is asked whether it is.
            metrics.ready.set(1)

        if not isinstance(first, Models):
            take(first)
        app.state.follower = follower = Follower(publication, first, take, metrics.index_behind.set)
        # A chat that was made from another folder is served as it is.
        follows = isinstance(first, Models) or publication.kept_manifest(first.version) is not None
        if follows:
            follower.start()
        _begin_with_signals(drain)
        log.start()
        metrics.workers.set(1)
        yield
        if follows:
            follower.stop()
        await run_in_threadpool(app.state.builds.close)
        await run_in_threadpool(log.stop)
        app.state.storage.close()
        await limiter.close()
        await run_in_threadpool(traces.close)

    app = FastAPI(
        title="Mundap", version=metadata.version("mundap"), lifespan=lifespan, docs_url=None, redoc_url=None,
        # To the host that a client names, which need not be ours.
        redirect_slashes=False,
    )  # fmt: skip
    # Without a token there is nothing for the staff, not even a route that says no.
    for_staff = (admin.page_router, admin.router) if token else ()
    for router in (api.router, completions.router, health.router, pages.router, widget.router, *for_staff):
        # Clients of OpenAI's interface read errors of another shape, which it describes itself.
        app.include_router(router, responses={} if router is completions.router else _REFUSALS)
    app.mount("/static", _FreshFiles(directory=pages.WEB / "static"), name="static")
    app.add_exception_handler(MundapError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_middleware(GZipMiddleware)
    app.add_middleware(
        Gate, limiter=limiter, admission=admission, drain=drain, budget_seconds=settings.time_budget_seconds
    )
    app.add_middleware(_Edge, metrics=metrics, traces=traces, frame_origins=settings.frame_origins)
    if settings.trusted_proxies:
        app.add_middleware(_TrustedProxies, trusted_hosts=settings.trusted_proxies.split())
    return app


def _chat_to_begin_with(settings: Settings, publication: Publication, has_staff: bool) -> Chat | Models:
    """Return a chat on the published version, or on the newest that is whole where that one can't be used.

    A worker that takes the place of another must come up whatever has become of the published version meanwhile: its
    parent would end with it. Where no version can be used it is the models alone, until one can.

    Raises:
        PublishedIndexError: nothing has been published, and there are no staff to do it.
        ModelError: a model can't be loaded.
    """
    is_begun = publication.is_begun
    if not is_begun and not has_staff:
        publication.current_version()  # which says what to do
    models = load_models(settings)
    if not is_begun:
        return models
    index: PublishedIndex | None
    try:
        index = publication.open(models.embedder)
    except PublishedIndexError:  # which the follower tells, as soon as it looks
        index = publication.open_newest(models.embedder)
    return Chat(Retriever(index, models.embedder), models.reader, models.writer) if index else models


def _begin_with_signals(drain: Drain) -> None:
    """Let `drain` begin when the process is asked to end, before the handler that is there already does its part."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def handle(number: int, frame: FrameType | None, before: Any = before) -> None:
            drain.begin()
            if callable(before):
                before(number, frame)

        signal.signal(number, handle)


class _FreshFiles(StaticFiles):
    """Static files that a browser asks for anew, by their ETag: an old script would not fit the page of an update."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        """Return a file with leave to keep it, but not to use it unasked."""
        response = super().file_response(*given, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


class _TrustedProxies(ProxyHeadersMiddleware):
    """Believes proxies who their clients are, and which traces the requests belong to."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Here, as behind this nobody knows any more who the proxy was.
        if scope["type"] == "http" and scope["client"] and scope["client"][0] in self.trusted_hosts:
            scope.setdefault("state", {})["traceparent"] = Headers(scope=scope).get("traceparent", "")
        await super().__call__(scope, receive, send)


class _Edge:
    """Gives each request an id, puts `HEADERS` on its response, notes it, and answers where the app failed."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces, frame_origins: tuple[str, ...] = ()) -> None:
        self.app = app
        self.metrics = metrics
        self.traces = traces
        policy = CONTENT_SECURITY_POLICY.replace(frame_ancestors(()), frame_ancestors(frame_origins))
        self.headers_in_frames = HEADERS | {"Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # Whatever can be got can be asked for its headers; the server leaves the body out by itself.
            scope = dict(scope, method="GET")
        request_id = uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0
        began = time.perf_counter()

        async def send_with_headers(outgoing: Message) -> None:
            nonlocal status
            if outgoing["type"] == "http.response.start":
                status = outgoing["status"]
                headers = self.headers_in_frames if _is_for_frames(scope["path"]) else HEADERS
                extra = headers | {"X-Request-Id": request_id}
                if _is_for_staff(scope["path"]):
                    extra["Cache-Control"] = "no-store"
                if scope.get("scheme") == "https":
                    extra["Strict-Transport-Security"] = "max-age=31536000"
                # The loader says that every site may embed it, and the pages for frames are for other sites.
                is_said = any(name == b"cross-origin-resource-policy" for name, _ in outgoing["headers"])
                if not is_said and not _is_for_frames(scope["path"]):
                    extra["Cross-Origin-Resource-Policy"] = "same-origin"
                outgoing["headers"] += [(name.lower().encode(), value.encode()) for name, value in extra.items()]
            await send(outgoing)

        with (
            bound_contextvars(request_id=request_id),
            self.traces.request(scope["state"].get("traceparent", ""), request_id) as end_span,
        ):
            try:
                await self.app(scope, receive, send_with_headers)
            except Exception as error:
                # A handler for this in the app would stand outside all middleware: its response would lack the headers.
                on_error = _on_http_error if isinstance(error, HTTPException) else _on_error
                response = on_error(Request(scope), error)
                if not status:
                    await response(scope, receive, send_with_headers)
                elif not isinstance(error, Refused):
                    raise
                # Else a client that doesn't take its answer off is left with a part of it.
            finally:
                self._note(scope, status, time.perf_counter() - began, end_span)

    def _note(self, scope: Scope, status: int, seconds: float, end_span: EndSpan) -> None:
        """Count, log and trace a request: by its route, as paths, queries and addresses may tell who asked what."""
        route = getattr(scope.get("route"), "path", "/static" if scope["path"].startswith("/static/") else "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.metrics.requests.labels(route, method, status).inc()
        self.metrics.request_seconds.labels(route).observe(seconds)
        end_span(route, method, status)
        _log.info("request", extra={"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)})


def _is_for_frames(path: str) -> bool:
    # A browser asks every ancestor of a frame: the sources stand in a frame of the embedded chat.
    return path == "/embed" or path.startswith("/documents/")


def _is_for_staff(path: str) -> bool:
    return path == "/admin" or path.startswith(f"{admin.PREFIX}/")


# ----- errors --------------------------------------------------------------------------------------------------------

_HTTP_CODES = {
    400: "invalid_request", 401: "unauthorized", 404: "not_found", 405: "method_not_allowed",
    413: "request_too_large", 429: "too_many_attempts",
}  # fmt: skip
_PAGE_TEXTS = {
    "document_not_found": "error.document_not_found", "not_found": "error.not_found",
    "index_unavailable": "error.index_unavailable", "rate_limited": "error.rate_limited", "busy": "error.busy",
    "timed_out": "error.timed_out", "shutting_down": "error.shutting_down", "storage_unavailable": "feedback.failed",
    "internal_error": "error.internal",
}  # fmt: skip


def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        request.app.state.metrics.refused.labels(error.code).inc()
    retry_after = error.retry_after if isinstance(error, (Refused, EngineUnavailable)) else None
    headers = {"Retry-After": str(retry_after)} if retry_after else None
    return _respond(request, problem_of(error, request_id_of(request)), headers)


def _on_invalid_request(request: Request, error: Any) -> Response:
    # What was sent is not repeated: it may be huge, hostile or not even text.
    problems = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()[:5])
    detail = problems.encode("utf-8", "replace").decode("utf-8")[:500]
    problem = make_problem(422, "invalid_request", detail, request_id_of(request))
    if completions.has_errors_of_its_own(request):
        request.app.state.metrics.problems.labels(problem.code).inc()
        return completions.invalid_request(problem, error.errors())
    return _respond(request, problem)


def _on_http_error(request: Request, error: Any) -> Response:
    code = _HTTP_CODES.get(error.status_code, "http_error")
    problem = make_problem(error.status_code, code, str(error.detail), request_id_of(request))
    return _respond(request, problem, error.headers)


def _respond(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    request.app.state.metrics.problems.labels(problem.code).inc()
    if completions.has_errors_of_its_own(request):
        return completions.error_response(problem, headers)
    wants_page = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    if not wants_page:
        return JSONResponse(problem.model_dump(), problem.status, headers, media_type="application/problem+json")
    text = message(pages.page_language(request), _PAGE_TEXTS.get(problem.code, "error.invalid_request"))
    values: dict[str, Any] = {"status": problem.status, "heading": text, "detail": problem.request_id}
    page = pages.render(request, "message.html", problem.status, **values)
    page.headers.update(headers or {})
    return page
