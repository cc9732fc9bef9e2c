"""What each error tells the outside: one table of statuses and codes, one shape (RFC 9457)."""

import logging

from index.errors import (
    DocumentMissing,
    IndexBusy,
    MundapError,
    PublishedIndexError,
    QuestionError,
    Refused,
    StaffError,
    StorageError,
)
from server.routes.schemas import Problem

_log = logging.getLogger("mundap")

_STATUS_AND_CODE: tuple[tuple[type[MundapError], int, str], ...] = (
    (QuestionError, 422, "invalid_question"),
    (DocumentMissing, 404, "document_not_found"),
    (PublishedIndexError, 503, "index_unavailable"),
    (StorageError, 503, "storage_unavailable"),
    (IndexBusy, 409, "index_busy"),
    (StaffError, 422, "invalid_request"),
    (Refused, 503, "busy"),
)
_STATUS_OF_STAFF_CODE = {
    "document_exists": 409, "document_too_large": 413, "format_unknown": 415, "source_unwritable": 503,
    "build_missing": 404, "build_not_running": 409, "build_not_started": 503, "version_missing": 404,
    "version_unusable": 409,
}  # fmt: skip
_STATUS_OF_REFUSAL = {"rate_limited": 429, "body_too_slow": 408}
_TITLES = {
    401: "Not signed in", 404: "Not found", 405: "Method not allowed", 408: "Too slow", 409: "Conflict",
    413: "Too large", 415: "Unknown format", 422: "Invalid request", 429: "Too many requests", 503: "Unavailable",
}  # fmt: skip


def problem_of(error: Exception, request_id: str) -> Problem:
    """Return what may be told of `error`; what may not goes to the log under `request_id`."""
    known = next(((status, code) for kind, status, code in _STATUS_AND_CODE if isinstance(error, kind)), None)
    if known is None:
        _log.error("request %s failed", request_id, exc_info=error)
        return make_problem(500, "internal_error", "Something went wrong on the server; try again later", request_id)
    status, code = known
    if isinstance(error, PublishedIndexError):
        _log.error("request %s: %s", request_id, error)
        return make_problem(status, code, "The index can't be used at the moment; try again later", request_id)
    if isinstance(error, (QuestionError, StaffError, Refused)):
        code = error.code
        status = (_STATUS_OF_REFUSAL if isinstance(error, Refused) else _STATUS_OF_STAFF_CODE).get(code, status)
    return make_problem(status, code, str(error), request_id)


def make_problem(status: int, code: str, detail: str, request_id: str) -> Problem:
    """Return a problem with the title of its status."""
    return Problem(title=_TITLES.get(status, "Error"), status=status, detail=detail, code=code, request_id=request_id)
