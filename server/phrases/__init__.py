"""How people ask, greet and attack, in each language: a file of regular expressions a language, all with the same keys.

Small talk must match a whole message without its punctuation; every other phrase may stand anywhere in it.
"""

import re
import tomllib
from functools import cache
from pathlib import Path

LANGUAGE_FILES = sorted(Path(__file__).parent.glob("*.toml"))


@cache
def phrase(key: str) -> re.Pattern[str]:
    """Return one pattern of the phrases that all languages have under `key`; a match of any is a match."""
    found = [tomllib.loads(path.read_text(encoding="utf-8"))[key] for path in LANGUAGE_FILES]
    return re.compile("|".join(expression for expressions in found for expression in expressions), re.IGNORECASE)
