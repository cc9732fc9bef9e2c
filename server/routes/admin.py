"""What the staff of an agency do: the page, and the interface that it and other programs use. By token alone.

There is no cookie, so no other site can do anything in the name of whoever is signed in.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from index.build import published_manifest
from index.errors import MundapError, PublishedIndexError, StaffError, StorageError
from index.loaders import LOADERS
from index.publication import Manifest, Publication
from server.answer import AnswerStatus
from server.builds import BuildRecord, Builds
from server.conversation import printable
from server.messages import catalogue
from server.problems import problem_of
from server.routes.admin_schemas import (
    Action,
    AuditModel,
    AuditResponse,
    BuildModel,
    BuildRequest,
    BuildsResponse,
    BuildStarted,
    FeedbackModel,
    FeedbackResponse,
    LatestBuild,
    PageNumber,
    PublishResponse,
    QuestionModel,
    QuestionsResponse,
    SourceFileModel,
    SourceFilesResponse,
    UploadResponse,
    VersionModel,
    VersionsResponse,
)
from server.routes.api import chat_of, request_id_of
from server.routes.pages import page_language, render
from server.routes.schemas import Problem
from server.settings import Settings
from server.sign_in import SignIn
from server.source_folder import SourceFolder
from server.storage import UNANSWERED, Storage

PREFIX = "/api/admin"
DOCUMENTS = f"{PREFIX}/documents/"
ENTRIES_A_PAGE = 25
_SCHEME = b"bearer "


def require_token(request: Request) -> None:
    """Let only those in who send the token.

    Raises:
        HTTPException: 401 without it; 429 after too many wrong ones.
    """
    sign_in: SignIn = request.app.state.sign_in
    client = request.client.host if request.client else ""
    given = request.headers.get("authorization", "").encode("latin-1")
    if not given.lower().startswith(_SCHEME):
        raise HTTPException(401, "Send the token as Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
    if wait := sign_in.seconds_to_wait(client):
        raise HTTPException(429, f"Too many wrong tokens; try again in {wait} seconds", {"Retry-After": str(wait)})
    if not sign_in.accepts(client, given[len(_SCHEME) :].strip()):
        # Whoever guesses on must not fill the disk: the last that is noted says so.
        if left := sign_in.failures_left_to_note():
            _keep_audit(request, "sign_in", "" if left > 1 else "…", "unauthorized")
        raise HTTPException(401, "The token is wrong", {"WWW-Authenticate": 'Bearer error="invalid_token"'})


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for status, text in {401: "Not signed in", 409: "Can't be done now", 422: "What was wrong", 429: "Wait"}.items()
}
page_router = APIRouter(include_in_schema=False)
router = APIRouter(prefix=PREFIX, dependencies=[Depends(require_token)], responses=_PROBLEMS, tags=["admin"])


@page_router.get("/admin")
def admin_page(request: Request) -> Response:
    """Show the page where staff sign in; it holds nothing but its own texts."""
    shown_by_script = ("admin.", "feedback.", "status.")
    shown = {key: text for key, text in catalogue(page_language(request)).items() if key.startswith(shown_by_script)}
    messages_json = json.dumps(shown, ensure_ascii=False).replace("<", "\\u003c")
    return render(request, "admin.html", here="/admin", messages_json=messages_json)


# ----- documents -----------------------------------------------------------------------------------------------------


@router.get("/documents")
def list_files(request: Request) -> SourceFilesResponse:
    """List the files of the source folder with what the published index knows of each."""
    settings, published = _settings(request), published_manifest(_publication(request))
    stamps = _builds(request).stamps_of(published.version) if published else None
    built = _created(published) if published else 0.0
    files = SourceFolder(settings.source_dir).files(published, stamps, built)
    return SourceFilesResponse(
        files=[SourceFileModel.of(file) for file in files],
        published=published.version if published else None,
        served=_served(request),
        upload_limit=settings.upload_limit_mb * 1_000_000,
        formats=list(LOADERS),
    )


@router.put("/documents/{doc_id:path}", responses={404: _PROBLEMS[422], 415: _PROBLEMS[422]})
async def upload(request: Request, doc_id: str, replace: bool = False) -> UploadResponse:
    """Put the body into the source folder as `doc_id`. A file of that name is replaced only with `replace=true`."""
    settings = _settings(request)
    folder = SourceFolder(settings.source_dir)
    limit = settings.upload_limit_mb * 1_000_000

    async def write_to(file: BinaryIO, limit: int) -> int:
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(settings)
                await run_in_threadpool(file.write, chunk)
        except ClientDisconnect as error:
            raise StaffError("upload_broken_off", "The upload broke off, and nothing of it was kept") from error
        return size

    try:
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise _too_large(settings)
        name, size, replaced = await folder.receive(doc_id, limit, replace, write_to)
    except Exception as error:
        await run_in_threadpool(_keep_audit, request, "upload", doc_id, _outcome(request, error))
        raise
    audited = await run_in_threadpool(_keep_audit, request, "replace" if replaced else "upload", name, "done")
    return UploadResponse(audited=audited, doc_id=name, size=size, replaced=replaced)


@router.delete("/documents/{doc_id:path}", responses={404: _PROBLEMS[422]})
def remove(request: Request, doc_id: str) -> Action:
    """Remove a file from the source folder. Answers know it until the index is built anew."""
    with _audited_on_failure(request, "remove", doc_id):
        SourceFolder(_settings(request).source_dir).remove(doc_id)
    return Action(audited=_keep_audit(request, "remove", doc_id, "done"))


# ----- builds and versions -------------------------------------------------------------------------------------------


@router.get("/builds")
def list_builds(request: Request) -> BuildsResponse:
    """List the builds that are kept, wherever they were started, newest first."""
    return BuildsResponse(builds=[BuildModel.of(record) for record in _builds(request).records()])


@router.get("/builds/latest")
def show_latest_build(request: Request) -> LatestBuild:
    """Show how far the build is that goes on, or what came of the last one. To be asked every second."""
    builds = _builds(request)
    record = builds.running() or next(iter(builds.records()), None)
    return LatestBuild(build=BuildModel.of(record) if record else None)


@router.get("/builds/{build_id}", responses={404: _PROBLEMS[422]})
def show_build(request: Request, build_id: str) -> BuildModel:
    """Show how far a build is, or what came of it."""
    return BuildModel.of(_build(request, build_id))


@router.post("/builds", status_code=202)
def start_build(request: Request, body: BuildRequest) -> BuildStarted:
    """Start a build in a process of its own."""
    subject = " ".join(name for name in ("evaluate", "hold") if getattr(body, name))
    with _audited_on_failure(request, "build", subject):
        record = _builds(request).start(_settings(request).environment(), body.evaluate, body.hold)
    audited = _keep_audit(request, "build", " ".join([record.build_id, subject]).strip(), "done")
    return BuildStarted(audited=audited, build=BuildModel.of(record))


@router.delete("/builds/{build_id}", responses={404: _PROBLEMS[422]})
def stop_build(request: Request, build_id: str) -> Action:
    """Stop a build that is running; nothing of it stays."""
    with _audited_on_failure(request, "stop_build", build_id):
        _builds(request).stop(_build(request, build_id).build_id)
    return Action(audited=_keep_audit(request, "stop_build", build_id, "done"))


@router.get("/versions")
def list_versions(request: Request) -> VersionsResponse:
    """List the versions that are kept, which is published, and from which this process answers."""
    publication = _publication(request)
    published, served, held = _published(publication), _served(request), publication.held()
    evaluations = {r.version: r.evaluation for r in reversed(_builds(request).records()) if r.evaluation}
    return VersionsResponse(
        versions=[
            VersionModel.of(manifest, published, served, held, evaluations.get(manifest.version))
            for manifest in publication.versions()
        ],
        published=published,
        served=served,
    )


@router.post("/versions/{version}/publish", responses={404: _PROBLEMS[422]})
def publish(request: Request, version: str) -> PublishResponse:
    """Publish a version that is kept: one that is held, or an earlier one."""
    publication = _publication(request)
    before = _published(publication)
    action = "roll_back" if before and version < before and version not in publication.held() else "publish"
    with _audited_on_failure(request, action, version):
        found = next((one for one in publication.versions() if one.version == version), None)
        if found is None:
            raise StaffError("version_missing", "There is no version of that name")
        served = request.app.state.chat and chat_of(request).index.manifest
        if served and (found.embedding_model, found.dimension) != (served.embedding_model, served.dimension):
            raise StaffError("version_unusable", "This version was built by another embedding model; build anew")
        try:
            publication.publish_kept(version)
        except PublishedIndexError as error:
            raise StaffError("version_unusable", "The files of this version are damaged; build anew") from error
    return PublishResponse(audited=_keep_audit(request, action, version, "done"), version=version)


# ----- what is kept in the database ----------------------------------------------------------------------------------


@router.get("/questions")
def list_questions(
    request: Request,
    page: Annotated[PageNumber, Query()] = 1,
    status: Annotated[Literal["", "unanswered"] | AnswerStatus, Query()] = "",
) -> QuestionsResponse:
    """Show one page of the questions that were asked: those without an answer first, newer ones before older ones."""
    statuses = UNANSWERED if status == "unanswered" else (status,) if status else ()
    found, total = _storage(request).questions_page((page - 1) * ENTRIES_A_PAGE, ENTRIES_A_PAGE, statuses)
    settings = _settings(request)
    return QuestionsResponse(
        total=total, keeps_questions=settings.keep_questions, retention_days=settings.retention_days,
        questions=[QuestionModel.of(*one) for one in found],
    )  # fmt: skip


@router.get("/questions/export", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def export_questions(request: Request) -> Response:
    """Return every question that is kept as CSV for a spreadsheet, in the order of the list."""
    questions = _storage(request).each_question()
    # Before anything is sent, so that a database that is gone is told by a status.
    first = next(questions, None)
    names = list(QuestionModel.model_fields)
    rows = (QuestionModel.of(*one).model_dump(mode="json") for one in chain([first] if first else [], questions))
    audited = _keep_audit(request, "export", "questions", "done")
    headers = {"Content-Disposition": 'attachment; filename="questions.csv"', "X-Audited": str(audited).lower()}
    return StreamingResponse(_csv(names, rows), media_type="text/csv; charset=utf-8", headers=headers)


def _csv(names: Sequence[str], rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield lines that begin with a byte order mark, by which spreadsheets know UTF-8."""
    line = io.StringIO()
    writer = csv.writer(line)
    for cells in chain([["\ufeff" + names[0], *names[1:]]], ([row[name] for name in names] for row in rows)):
        writer.writerow(map(_cell, cells))
        yield line.getvalue()
        line.seek(0)
        line.truncate()


# Spreadsheets of East Asian systems read those of full width as the others.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def _cell(value: Any) -> Any:
    # What begins like a formula is run by a spreadsheet that opens the file.
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


@router.get("/feedback")
def list_feedback(request: Request, page: Annotated[PageNumber, Query()] = 1) -> FeedbackResponse:
    """Show one page of the feedback that askers sent, newest first."""
    storage = _storage(request)
    helpful, not_helpful = storage.feedback_counts()
    kept = storage.feedback_page((page - 1) * ENTRIES_A_PAGE, ENTRIES_A_PAGE)
    return FeedbackResponse(
        helpful=helpful, not_helpful=not_helpful, feedback=[FeedbackModel.of(sent, one) for sent, one in kept]
    )


@router.get("/audit")
def list_audit(request: Request, page: Annotated[PageNumber, Query()] = 1) -> AuditResponse:
    """Show one page of the audit log, newest first."""
    entries, total = _storage(request).audit_page((page - 1) * ENTRIES_A_PAGE, ENTRIES_A_PAGE)
    return AuditResponse(total=total, entries=[AuditModel.of(entry) for entry in entries])


@contextmanager
def _audited_on_failure(request: Request, action: str, subject: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        _keep_audit(request, action, subject, _outcome(request, error))
        raise


def _outcome(request: Request, error: Exception) -> str:
    return problem_of(error, request_id_of(request)).code if isinstance(error, MundapError) else "internal_error"


def _keep_audit(request: Request, action: str, subject: str, outcome: str) -> bool:
    """Return whether it could be kept; what was done is done all the same."""
    try:
        _storage(request).keep_audit(action, printable(subject), outcome)
    except StorageError:
        return False
    return True


# ----- what the routes work on ---------------------------------------------------------------------------------------


def _build(request: Request, build_id: str) -> BuildRecord:
    record = _builds(request).record(build_id)
    if record is None:
        raise StaffError("build_missing", "There is no build of that name")
    return record


def _too_large(settings: Settings) -> StaffError:
    return StaffError("document_too_large", f"The file is larger than {settings.upload_limit_mb} MB; split it")


def _created(manifest: Manifest) -> float:
    return datetime.fromisoformat(manifest.created).timestamp()


def _published(publication: Publication) -> str | None:
    manifest = published_manifest(publication)
    return manifest.version if manifest else None


def _served(request: Request) -> str:
    return chat_of(request).index.manifest.version if request.app.state.chat else ""


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _publication(request: Request) -> Publication:
    publication: Publication = request.app.state.publication
    return publication


def _builds(request: Request) -> Builds:
    builds: Builds = request.app.state.builds
    return builds


def _storage(request: Request) -> Storage:
    storage: Storage = request.app.state.storage
    return storage
