"""The widget for portals: its loader, the page that it frames, and the page where staff make the tag."""

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from index.scripts import written_language
from server.framing import may_frame, origin_of
from server.routes.pages import page_language, render, show_chat
from server.widget import (
    MAX_GREETING,
    MAX_QUESTION,
    MAX_QUESTIONS,
    MAX_TITLE,
    Appearance,
    Loader,
    LoaderArchive,
    load_loader,
    tag_lines,
)

MINUTES_10 = "public, max-age=600"
FOR_EVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@router.get("/widget.js")
def newest_loader(request: Request) -> Response:
    """Send the loader as it is now."""
    return _send_loader(request, load_loader(), MINUTES_10)


@router.get("/widget-{version}.js")
def pinned_loader(request: Request, version: str) -> Response:
    """Send exactly one version of the loader: the newest, or one that was the newest before an update."""
    archive: LoaderArchive = request.app.state.loaders
    newest = load_loader()
    loader = newest if version == newest.version else archive.find(version)
    if loader is None:
        raise HTTPException(404, "This version of the loader was never served here; make a new tag at /widget")
    return _send_loader(request, loader, FOR_EVER)


def _send_loader(request: Request, loader: Loader, cache_control: str) -> Response:
    etag = f'"{loader.version}"'
    headers = {
        "Cache-Control": cache_control,
        "ETag": f"W/{etag}",  # weak, since the same script also travels compressed
        # The script is public, and a browser that checks its integrity has to be allowed to read it.
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known:
        return Response(status_code=304, headers=headers)
    return Response(loader.content, media_type="text/javascript", headers=headers)


@router.get("/embed")
def embedded_chat(request: Request, host: str = "") -> Response:
    """Show the chat for a frame, as the portal wants it; `host` is the portal's origin, which hears of its events."""
    appearance = Appearance.read(request.query_params)
    return show_chat(
        request,
        template="embed.html",
        remembers_language=False,
        theme=appearance.theme,
        appearance=appearance,
        host=origin_of(host) if "://" in host else None,
        title_lang=written_language(appearance.title),
        greeting_lang=written_language(appearance.greeting),
        suggestions=appearance.questions,
    )


@router.get("/widget")
def tag_page(request: Request, origin: str = "", pinned: str = "") -> Response:
    """Show staff the tag for what they chose, how it looks, and what their site must allow."""
    appearance = Appearance.read(request.query_params, "data-")
    allowed = request.app.state.settings.frame_origins
    asked = origin_of(origin)
    itself = origin_of(str(request.base_url))
    return render(
        request,
        "widget.html",
        appearance=appearance,
        loader=f"/widget-{load_loader().version}.js" if pinned else "/widget.js",
        tag_lines=tag_lines(appearance, bool(pinned)),
        pinned=bool(pinned),
        sample=f"/widget/sample?{urlencode(appearance.attributes())}",
        server=itself or str(request.base_url).rstrip("/"),
        origin=origin[:200].strip(),
        asked=asked,
        on_list=asked is not None and (asked == itself or may_frame(asked, allowed)),
        allowed=allowed,
        wanted_setting=" ".join([*allowed, asked or ""]),
        accent_is_wrong=bool(request.query_params.get("data-accent", "").strip()) and not appearance.accent,
        limits={"title": MAX_TITLE, "greeting": MAX_GREETING, "question": MAX_QUESTION, "questions": MAX_QUESTIONS},
    )


@router.get("/widget/sample")
def sample_page(request: Request) -> Response:
    """Show a page like a portal's with the widget on it, for the preview."""
    appearance = Appearance.read(request.query_params, "data-")
    attributes: dict[str, Any] = appearance.attributes()
    attributes.setdefault("data-lang", page_language(request))
    return render(
        request, "widget_sample.html", remembers_language=False, theme=appearance.theme, attributes=attributes
    )
