"""A question and a passage as the tokens that the reader sees."""

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from index.documents import Passage

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_TOKENS = 384
MAX_QUESTION_TOKENS = 96
MAX_CONTEXT_TOKENS = 48
_START, _END = 0, 2


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """`<s> question </s></s> title and headings </s> sentences </s>`, at most `MAX_TOKENS` tokens.

    `sentences` are the token ranges of the passage's sentences, without what they are about, empty for those that did
    not fit. `offsets` are, token by token, where it stands in its sentence, in characters.
    """

    token_ids: list[int]
    sentences: list[tuple[int, int]]
    offsets: list[tuple[int, int]]


def encode_pair(tokenizer: "Tokenizer", question: str, passage: Passage) -> EncodedPair:
    """Encode `question` with `passage`; sentences past the last that fits are left out, one too long is cut."""
    texts = [question, " · ".join(passage.context)]
    texts += chain.from_iterable((sentence.about, passage.quote(sentence)) for sentence in passage.sentences)
    # One by one: a batch would be padded where the tokenizer is shared with the embedder.
    encodings = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    token_ids = [_START, *encodings[0].ids[:MAX_QUESTION_TOKENS], _END, _END]
    token_ids += [*encodings[1].ids[:MAX_CONTEXT_TOKENS], _END]
    offsets = [(0, 0)] * len(token_ids)
    sentences = []
    for about, sentence in zip(encodings[2::2], encodings[3::2], strict=True):
        room = MAX_TOKENS - 1 - len(token_ids)
        before = about.ids[: max(0, room - 1)] if about.ids else []
        token_ids += before
        offsets += [(0, 0)] * len(before)
        first = len(token_ids)
        token_ids += sentence.ids[: max(0, room - len(before))]
        offsets += sentence.offsets[: len(token_ids) - first]
        sentences.append((first, len(token_ids)))
    return EncodedPair([*token_ids, _END], sentences, [*offsets, (0, 0)])
