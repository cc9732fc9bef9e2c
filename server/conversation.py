"""What a question is, before the documents are asked: its language, small talk, attacks, and what it refers back to."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from index.errors import QuestionError
from index.morphemes import noun_phrases, question_terms
from index.scripts import written_language
from server.messages import LANGUAGES
from server.phrases import phrase

MAX_QUESTION_CHARACTERS = 500


class Turn(NamedTuple):
    """One message of a conversation; `role` is "user" or "assistant"."""

    role: str
    content: str


def clean_question(text: str) -> str:
    """Return `text` without invisible and control characters, its white space folded.

    Raises:
        QuestionError: nothing is left, it has more than `MAX_QUESTION_CHARACTERS`, or it isn't Unicode text.
    """
    if len(text) > MAX_QUESTION_CHARACTERS:
        raise QuestionError(
            "question_too_long", f"The question has more than {MAX_QUESTION_CHARACTERS} characters; shorten it"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise QuestionError(
            "invalid_question", "The question holds half a character (an unpaired surrogate); type it again"
        )
    cleaned = printable(text)
    if not cleaned:
        raise QuestionError("empty_question", "The question is empty; type one")
    return cleaned


def printable(text: str) -> str:
    """Return `text` in NFC without invisible, control and half characters, its white space folded."""
    visible = (_VISIBLE.get(unicodedata.category(character), character) for character in text)
    return " ".join(unicodedata.normalize("NFC", "".join(visible)).split())


# What becomes of characters that can't be seen, by category: control characters part words, the others don't.
_VISIBLE = {"Cc": " ", "Cf": "", "Co": "", "Cn": "", "Cs": ""}


def asker_language(question: str, wanted: str | None = None) -> str:
    """Return the language to reply in: `wanted` (BCP 47) where given, else the question's; "en" for all others."""
    if wanted:
        base = wanted.split("-")[0].lower()
        return base if base in LANGUAGES else "en"
    match written_language(question):
        case "zh":
            return _classify(question, "zh", "ja")
        case "":
            return _classify(question, "en", "vi")
        case language:
            return language


def _classify(question: str, *languages: str) -> str:
    found = _language_identifier().classify(question)[0]
    return found if found in languages else languages[0]


@lru_cache(maxsize=1)
def _language_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


_SMALL_TALK = ("greeting", "identity", "capabilities", "thanks", "goodbye")
_PUNCTUATION = re.compile(r"[\s.!?~…,^;:)(ㅎㅋㅠㅜ。！？、，～\U0001F300-\U0001FAFF♡♥]+")
_CLAUSE_END = re.compile(r"[.!?~,。！？、，]+")
_AFTER_GREETING = re.compile(r"[\s,.!~…、，。！?]+(?=\S)")


def without_greeting(question: str) -> str:
    """Return `question` without a greeting before it; a greeting alone stays."""
    greeting = phrase("greeting").match(question)
    gap = _AFTER_GREETING.match(question, greeting.end()) if greeting else None
    return question[gap.end() :] if gap else question


def small_talk(question: str) -> str | None:
    """Return the key of the reply to a greeting, thanks or a question about the chat itself, or None."""
    parts = [part for part in _CLAUSE_END.split(question) if _PUNCTUATION.sub("", part)]
    kinds = [_small_talk_kind(part) for part in [question, *parts]]
    if kinds[0]:
        return f"reply.{kinds[0]}"
    return f"reply.{kinds[1]}" if parts and all(kinds[1:]) else None


def _small_talk_kind(part: str) -> str | None:
    bare = _PUNCTUATION.sub(" ", part).strip()
    return next((kind for kind in _SMALL_TALK if phrase(kind).fullmatch(bare)), None)


_PATH = re.compile(r"(?:\.{0,2}/|[a-z]+://|[a-z]:\\)\S*", re.IGNORECASE)


def is_noise(question: str) -> bool:
    """Whether `question` asks nothing: punctuation, lone Korean letters or syllables that no word has, a path alone.

    Or one character over and over.
    """
    if _PATH.fullmatch(question):
        return True
    letters = [character for character in question.casefold() if character.isalnum()]
    if sum(map(_is_unheard_of, letters)) * 2 > len(letters):
        return True
    lone = sum("ㄱ" <= character <= "ㆎ" for character in letters)
    return lone == len(letters) or (len(letters) > 10 and len(set(letters)) < 4)


def _is_unheard_of(character: str) -> bool:
    # KS X 1001 has the 2,350 syllables that Korean is written with; of the others each takes eight bytes.
    return "가" <= character <= "힣" and len(character.encode("euc_kr")) > 2


def is_attack(question: str) -> bool:
    """Whether `question` tells the chat how to behave, or carries markup or code, instead of asking something."""
    return bool(phrase("attack").search(question))


_TURNS_LOOKED_AT = 3
_SUBJECT_CHARACTERS = 150  # of an earlier turn: more would push the question itself out of what the model reads
_FEW_TERMS = {"ko": 2, "en": 2, "vi": 3, "ja": 5, "zh": 4}


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """Return `question` with the subject of the earlier ones before it where it can't be understood without them."""
    asked_before = [turn.content for turn in history if turn.role == "user"][-_TURNS_LOOKED_AT:]
    earlier = [content[:_SUBJECT_CHARACTERS] for content in asked_before]
    subject: list[str] = []
    asked = question
    while earlier and _needs_subject(asked):
        asked = earlier.pop()
        subject[:0] = [word for word in _subject_words(asked) if word not in subject and word not in question]
    return " ".join([*subject, question])


def _needs_subject(question: str) -> bool:
    terms = question_terms(question)
    few = _FEW_TERMS[asker_language(question)]
    return len(terms) < few or (bool(phrase("refers_back").search(question)) and len(terms) <= 3 * few)


# What the earlier question wanted to know is not what it was about.
_ASKED_FOR = re.compile(
    "|".join(phrase(f"asks_{kind}").pattern for kind in ("when", "count", "phone", "online", "reason")), re.IGNORECASE
)


def _subject_words(text: str) -> list[str]:
    """Return the words of `text` that say what it is about, as they stand in it."""
    match written_language(text):
        case "ko":
            nouns = dict.fromkeys(noun_phrases(text))
            return [noun for noun in nouns if question_terms(noun) and not _ASKED_FOR.search(noun)]
        case "ja" | "zh":
            return [text]
        case _:
            return [word for word in re.findall(r"[^\W_]+", text) if question_terms(word)]
