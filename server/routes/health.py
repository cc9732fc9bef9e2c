"""Whether the server lives, and whether it can answer."""

from fastapi import APIRouter, Request

from server.routes.api import chat_of

router = APIRouter()


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Answer as long as the process does."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(request: Request) -> dict[str, str]:
    """Answer once an index is loaded; the app doesn't start without one."""
    return {"status": "ok", "index_version": chat_of(request).version}
