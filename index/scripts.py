"""Which language a text is in, as far as its characters alone tell."""

import re

HANGUL = re.compile(r"[가-힣ㄱ-ㆎ]")
KANA = re.compile(r"[ぁ-ヿ]")
# By their numbers: normalised, the first of the compatibility ideographs is another, before Hangul.
HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
VIETNAMESE = re.compile(r"[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)

# In this order: Korean and Japanese texts hold Han characters too.
_LANGUAGES = (("ko", HANGUL), ("ja", KANA), ("zh", HAN), ("vi", VIETNAMESE))


def written_language(text: str) -> str:
    """Return "ko", "ja", "zh" or "vi" by the characters of `text`, and "" for every other script."""
    return next((language for language, characters in _LANGUAGES if characters.search(text)), "")
