"""The widget: how a portal wants it, the script that loads it, and the tag that portal staff copy."""

import base64
import hashlib
import html
import logging
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from server.messages import LANGUAGES, LOCALES

# widget.js cuts at the same lengths. An address of this much Korean stays below the 8 kB that proxies take.
MAX_TITLE = 40
MAX_GREETING = 160
MAX_QUESTION = 100
MAX_QUESTIONS = 5

Theme = Literal["auto", "light", "dark"]
_TURNS_TEXT = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_VERSION = re.compile("[0-9a-f]{16}")
_log = logging.getLogger("mundap")
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")


@dataclass(frozen=True, slots=True)
class Appearance:
    """How a portal wants the widget; "" is for what it leaves open. Texts are texts: markup in them means nothing."""

    lang: str = ""
    position: Literal["left", "right"] = "right"
    theme: Theme = "auto"
    accent: str = ""
    title: str = ""
    greeting: str = ""
    questions: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, str], prefix: str = "") -> "Appearance":
        """Return the values named `prefix` + the field's name; what can't be used is as if it weren't given."""

        def value(name: str) -> str:
            return given.get(f"{prefix}{name}", "")

        theme: Theme = "light" if value("theme") == "light" else "dark" if value("theme") == "dark" else "auto"
        questions = (_text(question, MAX_QUESTION) for question in re.split(r"[|\n]", value("questions")[:5_000]))
        return cls(
            lang=value("lang") if value("lang") in LANGUAGES else "",
            position="left" if value("position") == "left" else "right",
            theme=theme,
            accent=_colour(value("accent")),
            title=_text(value("title"), MAX_TITLE),
            greeting=_text(value("greeting"), MAX_GREETING),
            questions=tuple(question for question in questions if question)[:MAX_QUESTIONS],
        )

    @property
    def ink(self) -> str:
        """The colour of text on the accent: black or white, of which one has a contrast of 4.5 on any colour."""
        return ink_on(self.accent) if self.accent else ""

    def attributes(self) -> dict[str, str]:
        """Return the attributes of the tag, without those that say what is the default."""
        values = {
            "lang": self.lang,
            "position": self.position if self.position != "right" else "",
            "theme": self.theme if self.theme != "auto" else "",
            "accent": self.accent,
            "title": self.title,
            "greeting": self.greeting,
            "questions": "|".join(self.questions),
        }
        return {f"data-{name}": value for name, value in values.items() if value}


def ink_on(colour: str) -> str:
    """Return which of black and white has the higher contrast on `colour`, by WCAG 2's relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def _colour(written: str) -> str:
    if not _COLOUR.fullmatch(written.strip()):
        return ""
    digits = written.strip()[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def _text(given: str, limit: int) -> str:
    """Return `given` on one line, without characters that control or turn the text around them."""
    shown = "".join(
        " " if unicodedata.category(character) == "Cc" else character
        for character in given[: limit * 4]
        if unicodedata.category(character) not in ("Cs", "Co", "Cn")
        and unicodedata.bidirectional(character) not in _TURNS_TEXT
    )
    return " ".join(shown.split())[:limit].strip()


@dataclass(frozen=True, slots=True)
class Loader:
    """The script that a portal's page loads: its bytes, and what names exactly these bytes."""

    content: bytes
    version: str
    integrity: str


def _loader(content: bytes) -> Loader:
    return Loader(
        content=content,
        version=hashlib.sha256(content).hexdigest()[:16],
        integrity="sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode(),
    )


@lru_cache(maxsize=1)
def load_loader() -> Loader:
    """Return the newest loader: the one that comes with this version of Mundap."""
    return _loader((LOCALES.parent / "static" / "widget.js").read_bytes())


class LoaderArchive:
    """Every loader that was ever served from one data directory, so that a tag which names one outlives an update."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "loaders"

    def keep(self, loader: Loader) -> None:
        """Keep `loader` for good. Where that can't be done it is logged, and the chat starts all the same."""
        kept = self._path(loader.version)
        written = kept.with_suffix(f".{os.getpid()}")
        try:
            if self.find(loader.version) is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                written.write_bytes(loader.content)
                written.replace(kept)
        except OSError as error:
            _log.error("the loader %s can't be kept for tags that pin it: %s", loader.version, error)

    def find(self, version: str) -> Loader | None:
        """Return the loader of `version`, or None where it was never served or isn't what it was any more."""
        if not _VERSION.fullmatch(version):
            return None
        try:
            loader = _loader(self._path(version).read_bytes())
        except OSError:
            return None
        return loader if loader.version == version else None

    def _path(self, version: str) -> Path:
        return self._folder / f"widget-{version}.js"


def tag_lines(appearance: Appearance, pinned: bool) -> list[str]:
    """Return the attributes of the tag as HTML, one a line: all of it but the server's address and the brackets.

    A `pinned` tag names the loader by its version and lets the browser check its bytes.
    """
    attributes = appearance.attributes()
    if pinned:
        attributes |= {"integrity": load_loader().integrity, "crossorigin": "anonymous"}
    return [f'{name}="{html.escape(value)}"' for name, value in attributes.items()]
