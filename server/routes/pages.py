"""The pages: the chat, which works without JavaScript too, and the sources."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from babel.dates import format_date
from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from index.errors import QuestionError
from index.scripts import written_language
from server.answer import Answer
from server.budget import check_budget
from server.cited_text import Since, find_cited_text
from server.conversation import MAX_QUESTION_CHARACTERS, asker_language
from server.messages import LANGUAGES, LOCALES, catalogue, message
from server.routes.api import chat_of, keep_feedback
from server.routes.schemas import ChatResponse, FeedbackRequest, HistoryTurn
from server.source_page import shown_blocks
from server.suggestions import SHOWN_AFTER_AN_ANSWER, first_questions

WEB = LOCALES.parent
LANGUAGE_COOKIE = "lang"
HISTORY_TURNS = 20

router = APIRouter(include_in_schema=False)
_environment = Environment(loader=FileSystemLoader(WEB / "templates"), autoescape=True, undefined=StrictUndefined)
_templates = Jinja2Templates(env=_environment)
_history = TypeAdapter(list[HistoryTurn])


@router.get("/")
def chat_page(request: Request) -> Response:
    """Show an empty chat."""
    return show_chat(request)


@router.post("/")
async def ask_by_form(request: Request) -> Response:
    """Answer a question that was sent by the plain form, on the page itself."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    question = form.get("question", [""])[0]
    history = _posted_history(request, form)
    if "resume" in form:
        return show_chat(request, earlier=history, history=history)
    turns = [turn.turn() for turn in history]
    language = page_language(request)
    try:
        answer = await run_in_threadpool(chat_of(request).answer_question, question, turns, language)
    except QuestionError as error:
        problem = message(language, f"error.{error.code}", limit=MAX_QUESTION_CHARACTERS)
        return show_chat(request, earlier=history, history=history, error=problem, question=question, status=422)
    said = [HistoryTurn(role="user", content=question), HistoryTurn(role="assistant", content=answer.text[:8_000])]
    kept = [*history, *said][-HISTORY_TURNS:]
    return show_chat(request, turns=[(question, answer)], earlier=history, history=kept)


@router.post("/feedback")
async def feedback_by_form(request: Request) -> Response:
    """Keep what was said of an answer by the plain form; the page that thanks leads back to the conversation."""
    form = parse_qs((await request.body()).decode("utf-8", "replace"))
    history = _posted_history(request, form)
    form.pop("history", None)
    try:
        # A form sends each line end as two characters; a browser counts it as one for the limit of a field.
        said = {name: values[0].replace("\r\n", "\n") for name, values in form.items()}
        body = FeedbackRequest.model_validate(said)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    await run_in_threadpool(keep_feedback, request, body)
    heading = message(page_language(request), "feedback.thanks")
    return render(request, "message.html", status=200, heading=heading, detail="", history_json=_history_json(history))


def _posted_history(request: Request, form: Mapping[str, list[str]]) -> list[HistoryTurn]:
    """Return the last messages that a form of these pages sent along; none where what it sent is no conversation.

    Another site's form may hold answers that nobody was given here, so nothing of it is shown.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return []
    try:
        return _history.validate_json(form.get("history", ["[]"])[0])[-HISTORY_TURNS:]
    except ValidationError:
        return []


def _history_json(history: Sequence[HistoryTurn]) -> str:
    return json.dumps([turn.model_dump() for turn in history], ensure_ascii=False)


def _paired(history: Sequence[HistoryTurn]) -> list[dict[str, str]]:
    """Return messages as questions with their answers; "" for one that is missing."""
    pairs: list[dict[str, str]] = []
    for turn in history:
        if turn.role == "user":
            pairs.append({"question": turn.content, "answer": ""})
        elif pairs and not pairs[-1]["answer"]:
            pairs[-1]["answer"] = turn.content
        else:
            pairs.append({"question": "", "answer": turn.content})
    return pairs


@router.get("/documents/{doc_id:path}")
def source_page(
    request: Request,
    doc_id: str,
    start: str = "",
    end: str = "",
    version: str = "",
    embed: str = "",
    theme: str = "auto",
) -> Response:
    """Show a document as it is in `version` with the span from `start` to `end` marked.

    A span that isn't one is not marked, nor one of a text that is no longer kept, or of which nobody knows.
    """
    is_span = start.isdecimal() and end.isdecimal() and len(start + end) < 20
    span = (int(start), int(end)) if is_span else (0, 0)
    publication = request.app.state.publication
    cited = find_cited_text(publication, chat_of(request), doc_id, version, span if is_span else None)
    check_budget()
    document = cited.document
    shown = {name: value for name, value in request.query_params.items() if name in ("embed", "lang", "theme")}
    can_be_marked = cited.since != Since.UNKNOWN and span[1] <= len(document.text)
    blocks = shown_blocks(document, *span) if can_be_marked else shown_blocks(document, 0, 0)
    check_budget()
    return render(
        request,
        "document.html",
        document=document,
        cited=cited,
        current_text=f"/documents/{quote(doc_id, safe='/')}?{urlencode(shown)}",
        document_language=asker_language(document.text[:2_000]),
        blocks=blocks,
        has_mark=any(block.is_marked for block in blocks),
        embedded=embed == "1",
        remembers_language=embed != "1",
        theme=theme if theme in ("light", "dark") else "auto",
    )


def page_language(request: Request) -> str:
    """Return the language of the page: chosen, remembered, the browser's first that there is, or Korean."""
    wanted = [request.query_params.get("lang", ""), request.cookies.get(LANGUAGE_COOKIE, "")]
    accepted = request.headers.get("accept-language", "").split(",")
    wanted += [tag.split(";")[0].strip().split("-")[0].lower() for tag in accepted]
    return next((language for language in wanted if language in LANGUAGES), "ko")


def render(
    request: Request, template: str, status_code: int = 200, remembers_language: bool = True, **values: Any
) -> HTMLResponse:
    """Render one page in its language and `theme` ("auto" unless given). A language that was chosen is remembered."""
    language = page_language(request)

    def text(key: str, **parts: object) -> str:
        return message(language, key, **parts)

    def long_date(iso: str) -> str:
        return format_date(date.fromisoformat(iso), "long", locale=language)

    def in_language(code: str) -> str:
        """Return the address of this page in another language: what a form was sent to or isn't there is the chat."""
        if request.method != "GET" or status_code >= 400:
            return f"/?lang={code}"
        return f"{quote(request.scope['path'])}?{request.url.include_query_params(lang=code).query}"

    page = {
        "lang": language, "languages": LANGUAGES, "t": text, "long_date": long_date, "in_language": in_language,
        "title": request.app.state.settings.title, "theme": "auto", "history_json": "[]",
        "site_lang": written_language(request.app.state.settings.title),
        "keeps_questions": request.app.state.settings.keep_questions,
        "retention_days": request.app.state.settings.retention_days,
        "writes": bool(request.app.state.chat and chat_of(request).writer),
    }  # fmt: skip
    response = _templates.TemplateResponse(request, template, page | values, status_code=status_code)
    if remembers_language and request.query_params.get("lang") == language:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=31_536_000, samesite="lax", httponly=True)
    return response


def _shown(answer: Answer) -> dict[str, Any]:
    suggestions = answer.suggestions[:SHOWN_AFTER_AN_ANSWER]
    return ChatResponse.of(replace(answer, suggestions=suggestions)).model_dump()


def show_chat(
    request: Request,
    turns: list[tuple[str, Answer]] | None = None,
    earlier: Sequence[HistoryTurn] = (),
    history: Sequence[HistoryTurn] = (),
    error: str | None = None,
    question: str = "",
    status: int = 200,
    suggestions: Sequence[str] = (),
    template: str = "chat.html",
    **values: Any,
) -> Response:
    """Show the chat: the one page of its own, or with `template` and `values` the one for frames.

    `earlier` is shown above `turns` as plain text; `history` is what the page's forms send along.
    """
    shown_by_script = ("chat.", "error.", "feedback.", "notice.", "status.", "reply.")
    texts = catalogue(page_language(request))
    for_script = {key: text for key, text in texts.items() if key.startswith(shown_by_script)}
    return render(
        request,
        template,
        status,
        turns=[{"question": question, "reply": _shown(answer)} for question, answer in turns or []],
        earlier=_paired(earlier),
        history_json=_history_json(history),
        suggestions=suggestions or first_questions(chat_of(request).index.manifest.suggestions, page_language(request)),
        error=error,
        question=question,
        messages_json=json.dumps(for_script, ensure_ascii=False).replace("<", "\\u003c"),
        **values,
    )
