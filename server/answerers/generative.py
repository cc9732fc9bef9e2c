"""Answers that a language model writes from passages, each sentence held to what it cites before it is shown.

The model is trusted with nothing: what it writes is text that may be wrong, altered or dictated by whoever wrote the
question or a document. A sentence reaches the asker only when `verification` finds it supported.
"""

import hashlib
import logging
import re
import secrets
import tomllib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import Formatter

from index.embedding import TokenEmbedder
from index.errors import LanguageModelError
from index.publication import PublishedIndex
from index.scripts import HAN, HANGUL, KANA, VIETNAMESE
from server.answerers.asked_kind import lacks_what_is_asked
from server.answerers.evidence import Candidate
from server.answerers.extractive import MARGIN_FOR_LISTS, Extract
from server.answerers.facts import unsupported_facts
from server.answerers.language_model import LanguageModel
from server.answerers.verification import Support, Verifier
from server.conversation import is_attack, printable
from server.phrases import phrase
from server.privacy import mask

PASSAGES_SHOWN = 4
MAX_SENTENCES = 6
MAX_CITED = 3
MAX_DRAFT_CHARACTERS = 600
# How long a sentence that looks complete waits for another citation behind it.
IDLE_SECONDS = 0.015
PROMPT_FILE = Path(__file__).with_name("prompt.toml")

_log = logging.getLogger("mundap")


@dataclass(frozen=True, slots=True)
class WrittenSentence:
    """A sentence that its sources support: plain text without citation numbers, and the sentences to quote for it."""

    text: str
    support: tuple[Candidate, ...]


class Writer:
    """Lets a language model write answers, with `embedder`, that of the index, to compare them with the documents."""

    def __init__(self, model: LanguageModel, embedder: TokenEmbedder) -> None:
        self.model = model
        self.embedder = embedder
        # The names of all countries take a moment to load, which no asker shall wait for.
        unsupported_facts("Mundap", [""])

    def compose(self, question: str, language: str, found: Extract) -> "Composition":
        """Return what the model is given to write from and what it writes of it, once that is asked for.

        All that it learns of the asker is `question`, without personal data.
        """
        passages = _citable_passages(found)
        prompt = load_prompt()
        messages, fence = prompt.messages(mask(question).text, language, passages)
        pieces = self.model.stream(messages, IDLE_SECONDS) if passages else iter(())
        return Composition(question, language, passages, _answering(found), prompt, fence, drafts(pieces))

    def verify(self, answer_id: str, composition: "Composition", index: PublishedIndex) -> Iterator[WrittenSentence]:
        """Yield the sentences of `composition` that its passages support, as they are written.

        Nothing is yielded before one of them is supported by a sentence that was found to answer. `answer_id` is for
        the log.

        Raises:
            LanguageModelError: there is no text, or no more of it; or, with the code "unsupported", none of it holds.
        """
        verifier = Verifier(index, self.embedder)
        unread = iter(composition.passages)
        waiting: list[WrittenSentence] = []
        shown, held_back = 0, 0
        try:
            for draft in composition.drafts:
                if draft is None:
                    verifier.read(next(unread, ()))
                    continue
                if not draft.is_whole:
                    verifier.read_written(draft.text)
                    continue
                support = _verified(verifier, draft, composition)
                if support.problem:
                    held_back += 1
                    _log.debug("held back: %s", support.problem)
                    continue
                waiting.append(WrittenSentence(draft.text, support.quoted))
                if not shown and not _answers(composition.question, waiting, composition.answering):
                    continue
                yield from waiting
                shown += len(waiting)
                waiting = []
                if shown >= MAX_SENTENCES:
                    break
            if not shown:
                raise LanguageModelError("unsupported", "The documents don't support what the language model wrote")
        finally:
            composition.drafts.close()
            _log.info(
                "answer %s: written by %s, prompt %s %s: %d sentences shown, %d held back",
                answer_id, self.model.name, composition.prompt.version, composition.prompt.digest, shown, held_back,
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Composition:
    """What a language model writes of `question` in `language`, from `passages`: each as its sentences in order.

    `answering` are the places of the sentences that were found to answer; `fence` is around all that is data in
    `prompt`. `drafts` has None where nothing has come for a while.
    """

    question: str
    language: str
    passages: list[list[Candidate]]
    answering: set[tuple[int, int]]
    prompt: "Prompt"
    fence: str
    drafts: "Generator[Draft | None]"


def _verified(verifier: Verifier, draft: "Draft", composition: Composition) -> Support:
    """Return what speaks for `draft`.

    A model can write anything: what the check itself fails on is not supported, and the asker still gets an answer.
    """
    if problem := _unshowable(draft, composition):
        return Support((), (), problem)
    cited = [composition.passages[number - 1] for number in draft.citations]
    try:
        return verifier.verify(draft.text, composition.language, cited)
    except Exception as error:
        _log.exception("a written sentence could not be checked")
        return Support((), (), f"the check failed ({type(error).__name__})")


def _citable_passages(found: Extract) -> list[list[Candidate]]:
    """Return the best passages, each as its sentences in order.

    One that speaks to whoever writes answers is left out as a whole: what it dictates would be supported by it.
    """
    passages: dict[int, list[Candidate]] = {}
    for candidate in found.ranked:
        passages.setdefault(candidate.hit.stored.ordinal, []).append(candidate)
    best = [p for p in passages.values() if not _commands(p[0].hit.passage.text)][:PASSAGES_SHOWN]
    return [sorted(passage, key=lambda candidate: candidate.position) for passage in best]


def _commands(text: str) -> bool:
    lines = [printable(line) for line in text.splitlines()]
    return any(is_attack(line) or phrase("commands_model").search(line) for line in lines)


def _answering(found: Extract) -> set[tuple[int, int]]:
    """Return the places of the sentences that were found to answer, or nearly."""
    best = found.ranked[0].score
    near = [candidate for candidate in found.ranked if best - candidate.score <= MARGIN_FOR_LISTS]
    return {(candidate.hit.stored.ordinal, candidate.position) for candidate in [*found.sentences, *near]}


def _answers(question: str, sentences: Sequence[WrittenSentence], answering: set[tuple[int, int]]) -> bool:
    places = {(c.hit.stored.ordinal, c.position) for sentence in sentences for c in sentence.support}
    told = " ".join(sentence.text for sentence in sentences)
    return bool(places & answering) and not lacks_what_is_asked(question, told)


def _unshowable(draft: "Draft", composition: Composition) -> str:
    """Return why `draft` can't be shown whatever its sources say, or "" if it can."""
    if not draft.citations:
        return "no citation"
    if len(draft.citations) > MAX_CITED or not set(draft.citations) <= set(range(1, len(composition.passages) + 1)):
        return "citation of nothing"
    if len(draft.text) > MAX_DRAFT_CHARACTERS:
        return "too long"
    if _MARKUP.search(re.sub(r"https?://", "", draft.text)):
        return "markup"
    if composition.fence in draft.text or composition.prompt.is_quoted_in(draft.text):
        return "the prompt"
    return "" if _is_in(composition.language, draft.text) else "another language"


_LETTERS_OF = {"ko": HANGUL, "ja": KANA, "zh": HAN, "vi": VIETNAMESE, "en": re.compile("[A-Za-z]")}
_LETTERS_OF_OTHERS = {
    "ko": re.compile(f"{KANA.pattern}|{HAN.pattern}"),
    "ja": HANGUL,
    "zh": re.compile(f"{HANGUL.pattern}|{KANA.pattern}"),
    **dict.fromkeys(("vi", "en"), re.compile(f"{HANGUL.pattern}|{KANA.pattern}|{HAN.pattern}")),
}


def _is_in(language: str, text: str) -> bool:
    """Whether `text` has letters of `language`, and no more of others than names in a document's letters make up."""
    others = len(_LETTERS_OF_OTHERS[language].findall(text))
    return bool(_LETTERS_OF[language].search(text)) and 2 * others <= sum(map(str.isalpha, text))


# ----- the prompt ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prompt:
    """The template of what a language model is told; `digest` is the beginning of its file's SHA-256."""

    version: int
    digest: str
    system: str
    user: str
    passage: str
    languages: dict[str, str]
    windows: frozenset[str]

    def messages(
        self, question: str, language: str, passages: Sequence[Sequence[Candidate]]
    ) -> tuple[list[dict[str, str]], str]:
        """Return the messages that ask for an answer, and the fence around all that is data in them."""
        fence = secrets.token_hex(12)
        shown = [passage[0].hit.passage for passage in passages]
        texts = [
            self.passage.format(number=number, title=_as_data(passage.context[0]), text=_as_data(passage.text))
            for number, passage in enumerate(shown, 1)
        ]
        values = {
            "fence": fence, "language": self.languages[language], "question": _as_data(question),
            "passages": "\n\n".join(texts),
        }  # fmt: skip
        roles = (("system", self.system), ("user", self.user))
        return [{"role": role, "content": template.format(**values).strip()} for role, template in roles], fence

    def is_quoted_in(self, text: str) -> bool:
        """Whether `text` holds a stretch of the instructions, as it is or backwards."""
        letters = _letters(text)
        return any(
            one[start : start + _WINDOW] in self.windows
            for one in (letters, letters[::-1])
            for start in range(max(0, len(one) - _WINDOW + 1))
        )


_WINDOW = 24


@cache
def load_prompt() -> Prompt:
    """Return the prompt that ships."""
    content = PROMPT_FILE.read_bytes()
    stored = tomllib.loads(content.decode())
    told = [stored[name] for name in ("system", "user")]
    fixed = [_letters(text) for template in told for text, *_ in Formatter().parse(template)]
    windows = frozenset(text[at : at + _WINDOW] for text in fixed for at in range(len(text) - _WINDOW + 1))
    return Prompt(digest=hashlib.sha256(content).hexdigest()[:12], windows=windows, **stored)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


# What servers put around turns, and what citations look like, must not come from a document or a question.
_LOOKALIKES = str.maketrans("<>[]{}|", "＜＞［］｛｝｜")


def _as_data(text: str) -> str:
    lines = (printable(line).translate(_LOOKALIKES) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


# ----- the model's text ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draft:
    """One sentence as the model wrote it, without markup, and the numbers of the passages that it cites.

    Unless it `is_whole`, more citations may follow.
    """

    text: str
    citations: tuple[int, ...]
    is_whole: bool = True


_CITATION = re.compile(r"\s*[\[［【]\s*(\d{1,2}(?:\s*[,、，]\s*\d{1,2})*)\s*[\]］】]")
_CITATIONS = re.compile(rf"(?:{_CITATION.pattern})*")
_ABBREVIATION = re.compile(r"(?:\b[A-Za-z]|\b(?:Mr|Mrs|Ms|Dr|No|St|vs|etc|approx|Inc|Ltd|Tel|tel|e\.g|i\.e))$")
# "2025. 10. 29." and "1." at the beginning of a line.
_NUMBER_BEFORE = re.compile(r"(?:^|\n)\s*\d{1,2}$|(?<!\d)\d{4}\.\s?\d{1,2}(?:\.\s?\d{1,2})?$")
_END = re.compile(r"[.!?。！？]+[\"'”’」』)\]]*|\n+")
_HIDDEN = re.compile(r"<think>.*?(?:</think>|\Z)|```.*?(?:```|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.IGNORECASE)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)?")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)?")
_TAG = re.compile(r"</?[A-Za-z!][^>]*>?")
# "- 5도" may be below zero.
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}\s+|[*+•]\s+|-\s+(?!\d)|\d{1,2}[.)]\s+(?!\d))")
# "Yes" and "no" are about the question, which nothing that is cited can support. Where another one or a numeral
# follows, they are named, or count: "예, 아니오 중 하나를", "네, 다섯 명".
_ANSWER_WORD = re.compile(
    r"^\s*(?:(?:네|예|아니요|아니오|아뇨|아닙니다)[,，]+|(?:はい|いいえ)[、,，]+|(?:是的?|对|不是|不行)[，,]+|(?:yes|no|vâng|có|không),+)"
    r"\s*(?=\S)(?!아니|다섯|여섯|はい|いいえ|[否错不无]|no\b|yes\b|không\b|\d)",
    re.IGNORECASE,
)
_LATIN_WORD = re.compile(r"[A-Za-zÀ-ỹ]+(?=[\s,])")
# In pairs and not within words or numbers: "5~10명", "2025_10_29".
_PAIRED_MARKS = re.compile(r"(?<![^\W_])(\*{1,3}|_{1,3}|~~|`{1,3})(?=\S)(.+?)(?<=\S)\1(?!\d)")
_MARKUP = re.compile(r"\]\s*\(|<\s*/?\s*[A-Za-z!]|//|\b(?:javascript|data):", re.IGNORECASE)


def drafts(pieces: Iterator[str]) -> "Generator[Draft | None]":
    """Yield each sentence of a text that comes in `pieces` as soon as it and the citations behind it are there.

    An empty piece says that nothing has come for a while: a sentence that has a citation is taken to be whole, and then
    None is yielded. Until then it is yielded as one that isn't.
    """
    text = ""
    for piece in pieces:
        text += piece
        while (end := _sentence_end(text, waits=bool(piece))) is not None:
            draft = _draft(text[:end])
            text = text[end:]
            if draft:
                yield draft
        if not piece:
            yield None
        elif (end := _sentence_end(text, waits=False)) is not None and (draft := _draft(text[:end])):
            yield replace(draft, is_whole=False)
    if draft := _draft(text):
        yield draft


def _sentence_end(text: str, waits: bool) -> int | None:
    """Return where the first sentence of `text` and its citations end, or None while that isn't known.

    It isn't while hidden matter is open, while no citation is there, or while more may follow and `waits` is set.
    """
    hidden = [found.span() for found in _HIDDEN.finditer(text)]
    for found in _END.finditer(text):
        if any(start <= found.start() < end for start, end in hidden):
            continue
        if not found.group().isspace() and _goes_on(text, found):
            continue
        # It always matches, if only nothing.
        end = _CITATIONS.match(text, found.end()).end()  # type: ignore[union-attr]
        rest = text[end:].lstrip()
        if not rest:
            # One without a citation can't be shown, and slow models take a while to write it.
            return None if waits or not _CITATION.search(text[:end]) else end
        if rest[0] in "[［【" and not re.search(r"[\]］】]", rest) and len(rest) < 12:
            return None
        return end
    return len(text) if len(text) > 2 * MAX_DRAFT_CHARACTERS and not hidden else None


def _goes_on(text: str, end: re.Match[str]) -> bool:
    """Whether what looks like the end of a sentence is none: a point in a number, a date or an abbreviation."""
    before, after = text[: end.start()], text[end.end() :]
    if end.group() == "!" and re.match(r"\[\D", after):
        return True  # an image
    if not end.group().startswith("."):
        return False
    if after[:1].isalnum() or after[:1] in tuple("-~/@_("):
        return True
    if before[-1:].isdigit() and after.lstrip()[:1].isdigit():
        return True
    return bool(_NUMBER_BEFORE.search(before) or _ABBREVIATION.search(before))


def _draft(text: str) -> Draft | None:
    """Return a sentence without its citations and without links, images, HTML and marks; None if nothing is left."""
    # Characters that nobody sees would keep apart what is markup without them.
    text = "\n".join(map(printable, _HIDDEN.sub(" ", text).split("\n")))
    text = _IMAGE.sub(" ", text)
    numbers = [int(n) for found in _CITATION.finditer(text) for n in re.findall(r"\d+", found.group(1))]
    before = ""
    while before != text:
        before = text
        text = _TAG.sub(" ", _LINK.sub(r"\1", _IMAGE.sub(" ", _CITATION.sub(" ", text))))
    text = printable(_PAIRED_MARKS.sub(r"\2", _LINE_MARK.sub("", text)))
    text = re.sub(r"\s+([.,!?])", r"\1", text)
    if said := _ANSWER_WORD.match(text):
        text = text[said.end() :]
        if (first := _LATIN_WORD.match(text)) and first.group().islower() and said.group().lstrip()[0].isascii():
            text = text[0].upper() + text[1:]
    return Draft(text, tuple(dict.fromkeys(numbers))) if any(map(str.isalnum, text)) else None
