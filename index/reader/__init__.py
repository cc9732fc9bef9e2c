"""The reader: reads a question together with a passage, and says how well each sentence answers and with which words.

Where search compares vectors and words, the reader is one network that sees both texts at once (a cross-encoder). It
gives four numbers for each token; a sentence's logit is the mean of the first over its tokens plus the largest of the
second, and the third and fourth are the logits of the first and the last token of the phrase that answers. A logit of
0 stands for "no sentence answers".
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from index.assembly import Progress
from index.bundled_model import bundled_model_folder
from index.documents import Passage
from index.embedding import WORD_VECTORS, Embedder, OnnxEmbedder, map_tensor, open_session
from index.errors import ModelError
from index.reader.encoding import EncodedPair, encode_pair
from index.reader.graph import ADAPTERS, GRAPH, reader_folder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

OFF = "off"
# A phrase that answers is short; a longer one is the sentence itself.
MAX_FOCUS_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Focus:
    """The phrase of a sentence that answers: characters `start` to `end`, and how sure that is, 0 to 1."""

    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class Reading:
    """What the reader made of one passage: a logit for each sentence, float32 (sentences,), NaN for unread ones."""

    scores: np.ndarray
    pair: EncodedPair | None = field(default=None, repr=False)
    ends: np.ndarray | None = field(default=None, repr=False)

    def focus(self, position: int) -> Focus | None:
        """Return the likeliest phrase in one sentence, or None where the reader names none."""
        if self.pair is None or self.ends is None:
            return None
        first, end = self.pair.sentences[position]
        if first == end:
            return None
        starts, ends = _softmax(self.ends[first:end, 0]), _softmax(self.ends[first:end, 1])
        likely = np.triu(np.outer(starts, ends))
        likely -= np.triu(likely, MAX_FOCUS_TOKENS)
        at, to = np.unravel_index(int(likely.argmax()), likely.shape)
        offsets = self.pair.offsets
        return Focus(offsets[first + at][0], offsets[first + to][1], float(likely[at, to]))


class Reader(Protocol):
    """Reads a passage for a question."""

    def read(self, question: str, passage: Passage) -> Reading:
        """Return what the reader makes of one passage: one at a time, so that none waits for another's length."""
        ...


class BundledReader:
    """The shipped reader, in ONNX Runtime; see `MODEL_CARD.md`."""

    def __init__(self, encoder: Path, folder: Path, tokenizer: "Tokenizer") -> None:
        self._session = open_session(folder / GRAPH)
        self._tokenizer = tokenizer
        self._embeddings = map_tensor(encoder / "model.safetensors", WORD_VECTORS)

    def read(self, question: str, passage: Passage) -> Reading:
        """Return what the reader makes of one passage."""
        pair = encode_pair(self._tokenizer, question, passage)
        embedded = self._embeddings[np.array(pair.token_ids)][None]
        mask = np.ones((1, len(pair.token_ids)), dtype=np.int64)
        numbers = self._session.run(None, {"inputs_embeds": embedded, "attention_mask": mask})[0][0]
        scores = [
            numbers[first:end, 0].mean() + numbers[first:end, 1].max() if end > first else np.nan
            for first, end in pair.sentences
        ]
        return Reading(np.array(scores, dtype=np.float32), pair, numbers[:, 2:])


class CrossEncoderReader:
    """Any sentence-transformers CrossEncoder that gives one logit for a pair; it names no phrases."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def read(self, question: str, passage: Passage) -> Reading:
        """Return what the model makes of one passage; each sentence is read under its title and headings."""
        import torch

        pairs = [
            (question, "\n".join([*passage.context, f"{sentence.about} {passage.quote(sentence)}".strip()]))
            for sentence in passage.sentences
        ]
        scores = self._model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
        return Reading(np.asarray(scores, dtype=np.float32))


def load_reader(
    reader: str,
    cache: Path,
    progress: Progress = lambda message: None,
    embedder: Embedder | None = None,
) -> Reader | None:
    """Load the reader that `reader` names: "" is the shipped one, "off" none, anything else a CrossEncoder.

    Of an `embedder` that is the bundled model the shipped reader takes the folder, which was checked, and the
    tokenizer, of which a second one takes 200 MB.

    Raises:
        ModelError: it can't be assembled or loaded.
    """
    if reader == OFF or (not reader and not ADAPTERS.is_file()):
        return None
    if not reader:
        if isinstance(embedder, OnnxEmbedder):
            encoder, tokenizer = embedder.folder, embedder.tokenizer
        else:
            from tokenizers import Tokenizer

            encoder = bundled_model_folder(cache, progress)
            tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
        return BundledReader(encoder, reader_folder(encoder, cache), tokenizer)
    from sentence_transformers import CrossEncoder

    try:
        model = CrossEncoder(reader, device="cpu")
    except Exception as error:
        raise ModelError.loading(f"The reader {reader}", error, "MUNDAP_READER") from error
    if model.num_labels != 1:
        raise ModelError(
            f"The reader {reader} gives {model.num_labels} numbers for a pair, not one; check MUNDAP_READER"
        )
    return CrossEncoderReader(model)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max())
    shares: np.ndarray = powers / powers.sum()
    return shares
