"""The texts that Mundap says itself, in each language of its interface."""

import json
from functools import lru_cache
from pathlib import Path

LANGUAGES = {"ko": "한국어", "en": "English", "ja": "日本語", "zh": "中文", "vi": "Tiếng Việt"}
LOCALES = Path(__file__).parents[1] / "web" / "locales"


@lru_cache
def catalogue(language: str) -> dict[str, str]:
    """Return every text of one language by its key."""
    texts: dict[str, str] = json.loads((LOCALES / f"{language}.json").read_text(encoding="utf-8"))
    return texts


def message(language: str, key: str, **values: object) -> str:
    """Return one text with its `{placeholders}` filled."""
    return catalogue(language)[key].format(**values)
