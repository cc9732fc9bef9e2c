"""Whether the server lives, whether it can answer, and what it counts."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel

from index.errors import IndexMissing, PublishedIndexError
from server.budget import shutting_down
from server.chat import Chat
from server.follower import Follower
from server.metrics import CONTENT_TYPE, Metrics
from server.routes.schemas import Problem
from server.storage import Storage

# A search of its own, so often at most, tells whether the index can be used.
_TRY_EVERY_SECONDS = 10.0
_log = logging.getLogger("mundap")

router = APIRouter()


class Readiness(BaseModel):
    """The server can answer. `problems` are what it does so without, or in spite of.

    `published_index`: another version is published, which can't be opened. `storage`: the database can't be written.
    """

    status: str
    index_version: str
    problems: list[str]


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Answer as long as the process does."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Problem, "content": {"application/problem+json": {}}}})
async def ready(request: Request) -> Readiness:
    """Answer while questions can be answered: the index was searched lately, and the server is not ending.

    Raises:
        Refused: the server is ending.
        PublishedIndexError: the index can't be searched.
    """
    state = request.app.state
    if state.drain.has_begun:
        raise shutting_down()
    chat: Chat = state.chat
    await asyncio.to_thread(_try_index, state, chat)
    storage: Storage = state.storage
    follower: Follower = state.follower
    problems = [
        name
        for name, is_there in (
            ("published_index", follower.is_behind),
            ("storage", storage.is_failing or state.question_log.is_stuck),
        )
        if is_there
    ]
    return Readiness(status="degraded" if problems else "ok", index_version=chat.version, problems=problems)


def _try_index(state: Any, chat: Chat | None) -> None:
    """Search the index, if that was not done lately.

    Raises:
        PublishedIndexError: it can't be searched.
    """
    if chat is None:
        state.metrics.ready.set(0)
        raise IndexMissing("There is no index yet; the staff can build one")
    if time.monotonic() < getattr(state, "try_again_at", 0.0):
        return
    state.try_again_at = time.monotonic() + _TRY_EVERY_SECONDS
    try:
        chat.retriever.search("ready?", 1)
    except Exception as error:  # whatever a file that is gone makes a library raise
        state.try_again_at = 0.0
        state.metrics.ready.set(0)
        _log.exception("the index can't be searched")
        raise PublishedIndexError(f"The index can't be searched: {type(error).__name__}") from error
    state.metrics.ready.set(1)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Return what is counted, for Prometheus."""
    state = request.app.state
    counted: Metrics = state.metrics
    # Who asks for the metrics alone is told, too.
    with suppress(PublishedIndexError):
        _try_index(state, state.chat)
    return Response(counted.exposition(), media_type=CONTENT_TYPE)
