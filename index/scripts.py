"""Which language a text is in, as far as its characters alone tell."""

import re

HANGUL = re.compile(r"[가-힣ㄱ-ㆎ]")
KANA = re.compile(r"[ぁ-ヿ]")
HAN = re.compile(r"[㐀-鿿豈-﫿]")
VIETNAMESE = re.compile(r"[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)

# In this order: Korean and Japanese texts hold Han characters too.
_LANGUAGES = (("ko", HANGUL), ("ja", KANA), ("zh", HAN), ("vi", VIETNAMESE))


def written_language(text: str) -> str:
    """Return "ko", "ja", "zh" or "vi" by the characters of `text`, and "" for every other script."""
    return next((language for language, characters in _LANGUAGES if characters.search(text)), "")
