"""Whether two names sound alike across scripts: "배경훈" and "Bae Kyung-hoon", "크라치오스" and "Kratsios"."""

import re
import unicodedata
from functools import lru_cache

from index.scripts import HANGUL, KANA

_INITIALS = ("g", "k", "n", "d", "t", "r", "m", "p", "p", "s", "s", "", "j", "j", "j", "k", "t", "p", "h")
_FINALS = (
    "", "k", "k", "k", "n", "n", "n", "t", "r", "k", "m", "r", "r", "r", "p", "r", "m", "p", "p", "t", "t", "n", "t",
    "t", "k", "t", "p", "t",
)  # fmt: skip
_KANA = {
    "カキクケコガギグゲゴ": "k", "サスセソザズゼゾ": "s", "シジチヂツヅ": "j", "タテトダデド": "t", "ナニヌネノン": "n",
    "ハヒフヘホ": "h", "バビブベボパピプペポヴ": "p", "マミムメモ": "m", "ラリルレロ": "r",
}  # fmt: skip
_KANA_SOUNDS = {sign: sound for signs, sound in _KANA.items() for sign in signs}
# Letters that Korean and Japanese don't tell apart, or write with one another's signs. Vowels say little.
_LATIN = (
    ("ng", "n"),
    ("ch(?=[aeiou]{1,2}l)", "k"),
    ("tch|ts|tz|ch|j|z", "j"), ("sh|ss", "s"), ("ph|f|v|b", "p"), ("th|d", "t"), ("ck|q|g|c", "k"), ("x", "ks"),
    ("l", "r"), ("kh", "k"), ("[aeiouwyh]", ""),
)  # fmt: skip


def sounds_alike(name: str, other: str) -> bool:
    """Whether `name` has the consonants of `other`, in another script; three at least, for two are chance.

    Surnames go first or last. In one script names that differ are different.
    """
    if _script(name) == _script(other):
        return False
    words = name.split()
    theirs = _consonants(other.replace(" ", ""))
    whole = {_consonants("".join(words)), _consonants("".join([*words[-1:], *words[:-1]]))}
    return len(theirs) > 2 and theirs in whole


# The Revised Romanization of Korean (Ministry of Culture and Tourism, 2000), syllable by syllable.
_LETTERS = (
    "g", "kk", "n", "d", "tt", "r", "m", "b", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h",
)  # fmt: skip
_VOWELS = (
    "a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu", "eu",
    "ui", "i",
)  # fmt: skip
_CODAS = (
    "", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t", "ng",
    "t", "t", "k", "t", "p", "t",
)  # fmt: skip
_LEAST_ROMANISED = 4


def is_romanised(name: str, text: str) -> bool:
    """Whether a word of `text` begins with what `name` is in Hangul, letter by letter: "Haedam" is "해담시"."""
    plain = name.casefold().replace("-", "").replace(" ", "")
    return len(plain) >= _LEAST_ROMANISED and any(word.startswith(plain) for word in _romanised_words(text))


@lru_cache(maxsize=2_000)
def _romanised_words(text: str) -> frozenset[str]:
    return frozenset("".join(map(_romanised, word)) for word in re.findall("[가-힣]+", text))


def _romanised(syllable: str) -> str:
    initial, rest = divmod(ord(syllable) - ord("가"), 588)
    vowel, final = divmod(rest, 28)
    return _LETTERS[initial] + _VOWELS[vowel] + _CODAS[final]


def _script(name: str) -> str:
    return "ko" if HANGUL.search(name) else "ja" if KANA.search(name) else "latin"


@lru_cache(maxsize=5_000)
def _consonants(name: str) -> str:
    sounds = ""
    for character in unicodedata.normalize("NFKC", name):
        if "가" <= character <= "힣":
            code = ord(character) - ord("가")
            initial, final = _INITIALS[code // 588], _FINALS[code % 28]
            sounds += {"g": "k", "d": "t", "h": ""}.get(initial, initial) + final
        elif character in _KANA_SOUNDS:
            sounds += _KANA_SOUNDS[character].replace("h", "")
        else:
            sounds += character
    plain = "".join(c for c in unicodedata.normalize("NFD", sounds.casefold()) if c.isascii() and c.isalpha())
    for pattern, sound in _LATIN:
        plain = re.sub(pattern, sound, plain)
    return re.sub(r"(.)\1+", r"\1", plain)
