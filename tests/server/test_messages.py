import re
import string
from pathlib import Path
from typing import get_args

import pytest

from server.answer import AnswerStatus
from server.conversation import _SMALL_TALK
from server.messages import LANGUAGES, LOCALES, catalogue
from server.routes.schemas import FeedbackRequest

REPO = Path(__file__).resolve().parents[2]
# "chat.completion" is what OpenAI calls a reply.
KEY = re.compile(
    r"""["']((?:page|chat|feedback|status|reply|notice|error|widget|admin)\.(?!html\b|js\b|completion\b)[a-z_]+)["']"""
)
QUESTION_ERROR = re.compile(r'QuestionError\(\s*"(\w+)"')


def used_keys():
    sources = [
        *(REPO / "server").rglob("*.py"),
        *(REPO / "web" / "templates").iterdir(),
        REPO / "web" / "static" / "chat.js",
        REPO / "web" / "static" / "admin.js",
    ]
    texts = [source.read_text(encoding="utf-8") for source in sources]
    keys = {key for text in texts for key in KEY.findall(text)}
    keys |= {f"status.{status}" for status in AnswerStatus}
    keys |= {f"reply.{kind}" for kind in _SMALL_TALK}
    keys |= {f"feedback.{reason}" for reason in get_args(FeedbackRequest.model_fields["reason"].annotation) if reason}
    return keys | {
        f"error.{code}"
        for code in QUESTION_ERROR.findall((REPO / "server" / "conversation.py").read_text(encoding="utf-8"))
    }


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_language_has_a_catalogue_and_no_other_has_one():
    assert {path.stem for path in LOCALES.iterdir()} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_catalogue_has_the_same_keys_and_placeholders(language):
    korean, other = catalogue("ko"), catalogue(language)
    assert list(other) == list(korean)
    assert {key: placeholders(text) for key, text in other.items()} == {
        key: placeholders(text) for key, text in korean.items()
    }
    assert all(text.strip() for text in other.values())


def test_the_keys_in_the_catalogues_are_those_that_are_used():
    assert used_keys() == set(catalogue("ko"))
