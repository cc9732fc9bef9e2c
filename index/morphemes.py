"""Text to sentences and search terms, by script: Kiwi for Korean, sentencex and word rules for the rest.

Kiwi takes about 500 MB and some seconds to load, so it is loaded once, at first use or by `warm_up`.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import snowballstemmer
from kiwipiepy import Kiwi, Match
from sentencex import get_sentence_boundaries

from index.question_words import QUESTION_WORDS
from index.scripts import HAN, HANGUL, KANA

# Nouns, numerals, roots, verb and adjective stems, foreign words, Han characters and numbers.
TERM_TAGS = frozenset(
    {"NNG", "NNP", "NR", "XR", "VV", "VA", "VV-I", "VA-I", "VV-R", "VA-R", "SL", "SH", "SN", "W_SERIAL"}
)
_NOUN_TAGS = frozenset({"NNG", "NNP", "NR", "XR", "XPN", "XSN", "SL", "SH", "SN"})
_NAMING_TAGS = frozenset({"NNG", "NNP", "XR", "SL", "SH"})
VERB_WEIGHT = 0.5
MAX_SENTENCE_CHARACTERS = 1_000
# Korean texts are full of foreign names; a foreign text that names something in Korean has less Hangul than this.
KOREAN_SHARE = 0.2

# NFKC turns the middle dot of Korean keyboards, ㆍ (U+318D), into U+119E.
_JOINED_HANGUL = re.compile(r"(?<=[가-힣])[-·‧・\u119e](?=[가-힣])")
_WORD_OR_CJK_RUN = re.compile(
    r"[ぁ-ヿ\u3400-\u9fff\uf900-\ufaff々〆]+|[^\W_ぁ-ヿ\u3400-\u9fff\uf900-\ufaff]+(?:[.,][0-9]+)*"
)
_BREAK = re.compile(r"\s+")

# Particles, endings, the copula, punctuation.
_TRAILING_TAGS = ("J", "E", "VCP", "SF", "SP", "SE")
_LOOSE = frozenset(".,!?;:·…、。，！？；：")
_OPENING, _CLOSING = "([<《〈「『“‘（\"'", ")]>》〉」』”’）\"'"
_BRACKETS = dict(zip(_OPENING + _CLOSING, _CLOSING + _OPENING, strict=True))

_LATIN_WORD = re.compile(r"[A-Za-zÀ-ỹ]+(?:[-'’][A-Za-zÀ-ỹ]+)*")
# "D.C": the point after it belongs to it.
_ABBREVIATED = re.compile(r"\b[A-Z](?:\.[A-Z])+$")

_lock = threading.Lock()


class Morpheme(NamedTuple):
    """A morpheme, its tag (irregular stems as regular ones) and where it stands in the text."""

    form: str
    tag: str
    start: int
    end: int


@lru_cache(maxsize=1)
def _load_kiwi() -> Kiwi:
    # An entity of several words would be one term, which no question names whole; without them it loads twice as fast.
    return Kiwi(num_workers=1, load_multi_dict=False)


def _kiwi() -> Kiwi:
    # lru_cache alone would let two threads load it at once.
    with _lock:
        return _load_kiwi()


def warm_up() -> None:
    """Load what the first call would otherwise wait for."""
    search_terms("문답 warm up")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of each sentence of a paragraph, in order, without surrounding white space.

    A stretch of more than `MAX_SENTENCE_CHARACTERS` without an end of sentence is cut at white space.
    """
    spans = []
    for start, end in _sentence_boundaries(text):
        for piece_start, piece_end in _cut(text, start, end):
            stripped = text[piece_start:piece_end].strip()
            if any(character.isalnum() for character in stripped):
                at = text.index(stripped, piece_start)
                spans.append((at, at + len(stripped)))
    return spans


def _sentence_boundaries(text: str) -> Iterator[tuple[int, int]]:
    letters = sum(character.isalpha() for character in text)
    if len(HANGUL.findall(text)) > KOREAN_SHARE * letters:
        # Kiwi's time grows with the length of what it is given at once, so a huge line is fed in pieces.
        for start, end in _cut(text, 0, len(text), 10 * MAX_SENTENCE_CHARACTERS):
            for sentence in _kiwi().split_into_sents(text[start:end], return_sub_sents=False):
                yield start + sentence.start, start + sentence.end
        return
    language = "ja" if KANA.search(text) else "zh" if HAN.search(text) else "en"
    for boundary in get_sentence_boundaries(language, text):
        yield boundary["start_index"], boundary["end_index"]


def _cut(text: str, start: int, end: int, limit: int = MAX_SENTENCE_CHARACTERS) -> Iterator[tuple[int, int]]:
    while end - start > limit:
        breaks = [match.end() for match in _BREAK.finditer(text, start + limit // 2, start + limit)]
        cut = breaks[-1] if breaks else start + limit
        yield start, cut
        start = cut
    yield start, end


def search_terms(text: str) -> list[str]:
    """Return the terms of `text` for lexical search, with repetitions, in order.

    Korean gives morphemes, Chinese and Japanese give character bigrams, other languages stemmed words.
    Single digits are left out: they match everywhere and mean little.
    """
    return [term for term, _ in _tagged_terms(text)]


def question_terms(text: str) -> dict[str, float]:
    """Return the search terms that say what a question is about, each with its weight.

    A verb or adjective counts less than a noun: documents say "창설" where people ask when something was "만들어졌".
    """
    return {
        term: VERB_WEIGHT if tag.startswith(("VV", "VA")) else 1.0
        for term, tag in _tagged_terms(text)
        if term not in QUESTION_WORDS
    }


def _tagged_terms(text: str) -> list[tuple[str, str]]:
    text = _JOINED_HANGUL.sub("", unicodedata.normalize("NFKC", text)).casefold()
    morphemes = _morphemes(text) if HANGUL.search(text) else [(text, "SL")]
    return [
        (term, tag)
        for form, tag in morphemes
        if tag in TERM_TAGS
        for term in _word_terms(form)
        if not (len(term) == 1 and term.isdigit())
    ]


def noun_terms(text: str) -> list[str]:
    """Return those of the search terms that are nouns, names, roots or foreign words, in order."""
    return [term for term, tag in _tagged_terms(text) if tag in _NAMING_TAGS]


@lru_cache(maxsize=2_000)
def noun_particles(text: str) -> tuple[tuple[str, str], ...]:
    """Return the nouns of a Korean text, adjacent ones joined, each with the particle, ending or comma behind it.

    It is "" where another noun follows, or nothing: "외국인이 신청 기간에" gives 이, "" and 에.
    """
    tokens = _kiwi().tokenize(text)
    found: list[tuple[str, str]] = []
    end = -1
    for token in tokens:
        if token.tag in _NOUN_TAGS and token.start == end:
            found[-1] = (found[-1][0] + text[token.start : token.end], "")
        elif token.tag in _NOUN_TAGS and token.tag != "XSN":
            found.append((text[token.start : token.end], ""))
        elif token.start == end and token.tag.startswith(("J", "XSV", "XSA", "VCP", "SP")):
            found[-1] = (found[-1][0], token.form)
            continue
        else:
            continue
        end = token.end
    return tuple(found)


def noun_phrases(text: str) -> list[str]:
    """Return the nouns of a Korean text as they stand in it, adjacent ones joined: "양해각서", "과기정통부"."""
    spans: list[tuple[int, int]] = []
    for token in _kiwi().tokenize(text):
        if token.tag not in _NOUN_TAGS:
            continue
        if spans and spans[-1][1] == token.start:
            spans[-1] = (spans[-1][0], token.end)
        elif token.tag != "XSN":  # a suffix behind something else, as in "첫 번째", is no noun of its own
            spans.append((token.start, token.end))
    return [text[start:end] for start, end in spans]


@lru_cache(maxsize=2_000)
def placed_morphemes(text: str) -> tuple[Morpheme, ...]:
    """Return the morphemes of a Korean text."""
    return tuple(Morpheme(t.form, t.tag.split("-")[0], t.start, t.end) for t in _kiwi().tokenize(text))


def tagged_morphemes(text: str) -> list[tuple[str, str]]:
    """Return the morphemes of a Korean text, each with its tag."""
    return [(morpheme.form, morpheme.tag) for morpheme in placed_morphemes(text)]


def proper_nouns(text: str) -> list[str]:
    """Return the proper nouns of a Korean text as they stand in it: of persons, places and bodies."""
    return [text[token.start : token.end] for token in _kiwi().tokenize(text) if token.tag == "NNP"]


def bare_phrase(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the span without the Korean particles and endings at its end and the punctuation at both ends.

    Of "1989년에" "1989년" is left, of "백운대이다." "백운대"; of "Pacific" in "Asia-Pacific" the whole word is taken. A
    span of nothing else is returned as it is.
    """
    for word in _LATIN_WORD.finditer(text):
        if word.start() < end and start < word.end():
            start, end = min(start, word.start()), max(end, word.end())
    bare_start, bare_end = start, end
    if HANGUL.search(text, start, end):
        for token in reversed(_kiwi().tokenize(text[start:end])):
            if not token.tag.startswith(_TRAILING_TAGS):
                break
            bare_end = start + token.start
    while bare_start < bare_end and _is_loose(text[bare_end - 1], text[bare_start : bare_end - 1]):
        bare_end -= 1
    while bare_start < bare_end and _is_loose(text[bare_start], text[bare_start + 1 : bare_end]):
        bare_start += 1
    return (bare_start, bare_end) if bare_start < bare_end else (start, end)


def _is_loose(character: str, rest: str) -> bool:
    """Whether `character`, beside the `rest` of a phrase, is white space or punctuation that doesn't belong to it."""
    if character in _BRACKETS:
        return _BRACKETS[character] not in rest
    if character == "." and _ABBREVIATED.search(rest):
        return False
    return character.isspace() or character in _LOOSE


def _morphemes(text: str) -> Iterator[tuple[str, str]]:
    for start, end in _cut(text, 0, len(text), 10 * MAX_SENTENCE_CHARACTERS):
        for token in _kiwi().tokenize(text[start:end], match_options=Match.ALL, normalize_coda=True):
            yield token.form, token.tag


def _word_terms(text: str) -> Iterator[str]:
    for match in _WORD_OR_CJK_RUN.finditer(text):
        word = match.group()
        if HANGUL.search(word):
            yield word
        elif KANA.search(word) or HAN.search(word):
            yield from (word[i : i + 2] for i in range(max(1, len(word) - 1)))
        else:
            yield _stem(word)


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    # One stemmer a call: snowballstemmer's objects hold the word they work on and are not thread-safe.
    return snowballstemmer.stemmer("english").stemWord(word) if word.isascii() else word
