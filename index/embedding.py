"""Texts to vectors: the bundled model in ONNX Runtime alone, any other by sentence-transformers."""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from index.assembly import Progress
from index.bundled_model import MODEL_NAME, bundled_model_folder, recipe_digest
from index.digests import file_digest
from index.errors import ModelError

BUNDLED = "bundled"
# What the vocabulary's matrix is called in the bundled model's weights and in its graph.
WORD_VECTORS = "embeddings.word_embeddings.weight"
# Whatever changes the vectors of the same weights when it changes.
_BUNDLED_PACKAGES = ("onnxruntime", "tokenizers")
_PACKAGES = (*_BUNDLED_PACKAGES, "sentence-transformers", "torch", "transformers")


class Embedder(Protocol):
    """Turns texts into vectors, with the model's own prompts for questions and passages.

    `name` says which model it is in manifests and messages; `dimension` is the length of its vectors; `identity` is
    what `model_identity` says of it, "" where nothing is known.
    """

    name: str
    dimension: int
    identity: str

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the model's query prompt."""
        ...

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the document prompt."""
        ...


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """What the model makes of a passage in one go: as a whole, and of each of its tokens.

    `vector` is float32 (d,), as `Embedder.embed_passages` gives it; `spans`, int64 (n, 2), are offsets into the text;
    `tokens` is float32 (n, d). Of a text that is longer than the model reads the rest has no tokens.
    """

    vector: np.ndarray
    spans: np.ndarray
    tokens: np.ndarray


class TokenEmbedder(Protocol):
    """Turns a text into vectors as a whole and token by token."""

    def embed_tokens(self, text: str) -> EmbeddedText:
        """Return the vectors of a passage and of its tokens."""
        ...


class OnnxEmbedder:
    """The bundled model, from its sentence-transformers folder, with the vectors that sentence-transformers gives.

    It imports neither that library nor torch, which take seconds and 400 MB. The reader shares its `folder` and its
    `tokenizer`, which has no truncation and no padding and must be left so.
    """

    name = MODEL_NAME

    def __init__(self, folder: Path, identity: str = "") -> None:
        from tokenizers import Tokenizer

        self.folder = folder
        self.identity = identity
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        prompts = json.loads((folder / "config_sentence_transformers.json").read_text(encoding="utf-8"))["prompts"]
        self._query, self._document = prompts["query"], prompts["document"]
        lengths = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
        self._most_tokens: int = lengths["max_seq_length"]
        self._padding: int = self.tokenizer.token_to_id("<pad>")
        self._session = open_session(folder / "onnx" / "model.onnx")
        self.dimension: int = self._session.get_outputs()[0].shape[-1]

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the model's query prompt."""
        return self._embed(self._query, texts, 1)

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the document prompt."""
        return self._embed(self._document, texts, batch_size)

    def embed_tokens(self, text: str) -> EmbeddedText:
        """Return the vectors of a passage and of its tokens."""
        encoding = self.tokenizer.encode(self._document + text)
        token_ids = self._truncated(encoding.ids)
        states, mask = self._states([token_ids])
        return _embedded_text(
            _pooled(states, mask)[0], encoding.offsets[: len(token_ids)], states[0], len(self._document)
        )

    def _embed(self, prompt: str, texts: list[str], batch_size: int) -> np.ndarray:
        encodings = self.tokenizer.encode_batch([(prompt + text).strip() for text in texts])
        token_ids = [self._truncated(encoding.ids) for encoding in encodings]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        # Texts of like length are batched together, so that little is padded.
        order = sorted(range(len(texts)), key=lambda row: len(token_ids[row]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            vectors[rows] = _pooled(*self._states([token_ids[row] for row in rows]))
        return vectors

    def _truncated(self, token_ids: list[int]) -> list[int]:
        """Return at most as many tokens as the model takes; the last one ends the text whatever is cut."""
        if len(token_ids) <= self._most_tokens:
            return token_ids
        return [*token_ids[: self._most_tokens - 1], token_ids[-1]]

    def _states(self, token_ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the token embeddings, float32 (texts, longest, dimension), and which are no padding, int64."""
        longest = max(map(len, token_ids))
        ids = np.full((len(token_ids), longest), self._padding, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(token_ids):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self._session.run(None, inputs)[0], mask


def open_session(graph: Path) -> Any:
    """Return an `onnxruntime.InferenceSession` of the file `graph` whose idle threads sleep.

    Threads that spin while they wait for work take the processors from numpy's, which do the same, and from others that
    answer.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def map_tensor(path: Path, name: str) -> np.ndarray:
    """Return one float32 tensor of a safetensors file, memory-mapped: only the rows that are used are read."""
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(header_bytes))[name]
    if entry["dtype"] != "F32":
        raise ModelError(f"{path.name}: {name} is {entry['dtype']}, not F32")
    tensor: np.ndarray = np.memmap(path, "<f4", "r", 8 + header_bytes + entry["data_offsets"][0], tuple(entry["shape"]))
    return tensor


class SentenceTransformerEmbedder:
    """Any sentence-transformers model; see `Embedder`."""

    def __init__(self, name: str, model: Any, identity: str = "") -> None:
        self.name = name
        self.identity = identity
        self.dimension: int = model.get_embedding_dimension()
        self._model = model

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the model's query prompt."""
        return self._vectors(self._model.encode_query(texts, batch_size=1, **_ENCODING))

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the document prompt."""
        return self._vectors(self._model.encode_document(texts, batch_size=batch_size, **_ENCODING))

    def embed_tokens(self, text: str) -> EmbeddedText:
        """Return the vectors of a passage and of its tokens."""
        prompt = self._model.prompts.get("document") or self._model.prompts.get("passage") or ""
        # With None both are given, neither of them normalised.
        (made,) = self._model.encode([prompt + text], output_value=None, **_SHOWN)
        tokens, whole = np.asarray(made["token_embeddings"]), np.asarray(made["sentence_embedding"], dtype=np.float32)
        offsets = self._model.tokenizer(prompt + text, return_offsets_mapping=True)["offset_mapping"]
        return _embedded_text(whole / np.linalg.norm(whole), offsets[: len(tokens)], tokens, len(prompt))

    def _vectors(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.reshape(-1, self.dimension), dtype=np.float32)


def _pooled(states: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the normalised mean of the token embeddings of each text: float32 (texts, d), of (texts, longest, d)."""
    sums: np.ndarray = (states * mask[:, :, None]).sum(axis=1, dtype=np.float32)
    vectors: np.ndarray = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return vectors


def _embedded_text(vector: np.ndarray, offsets: Any, states: np.ndarray, prompt: int) -> EmbeddedText:
    """Return a text without the tokens of the first `prompt` characters, and without those that mark the ends."""
    spans = np.asarray(offsets, dtype=np.int64).reshape(-1, 2) - prompt
    inside = (spans[:, 1] > spans[:, 0]) & (spans[:, 1] > 0)
    return EmbeddedText(vector, spans[inside].clip(0), states[inside].astype(np.float32))


_SHOWN: dict[str, Any] = {"show_progress_bar": False}
_ENCODING: dict[str, Any] = {"normalize_embeddings": True, "convert_to_numpy": True, **_SHOWN}


def load_embedder(
    model: str, cache: Path, progress: Progress = lambda message: None
) -> OnnxEmbedder | SentenceTransformerEmbedder:
    """Load the embedding model `model`: "bundled", a folder, or a name that a hub knows.

    Raises:
        ModelError: it can't be assembled or loaded.
    """
    _quiet_libraries()
    if model == BUNDLED:
        return OnnxEmbedder(bundled_model_folder(cache, progress), model_identity(model))
    try:
        loaded = _load_any(model)
    except Exception as error:
        raise ModelError.loading(f"The embedding model {model}", error, "MUNDAP_EMBEDDING_MODEL") from error
    # A hub has been asked by now, so what is in its cache is what was loaded.
    return SentenceTransformerEmbedder(model, loaded, identity=model_identity(str(_hub_folder(model) or model)))


def model_identity(model: str) -> str:
    """Return the digest of all that the vectors of `model` depend on, or "" where only loading it will show that.

    It is known of the bundled model and of folders, whose every file counts.

    Raises:
        ModelError: the package of the bundled model is missing.
    """
    packages: tuple[str, ...] = _PACKAGES
    if model == BUNDLED:
        weights, packages = recipe_digest(), _BUNDLED_PACKAGES
    elif Path(model).is_dir():
        try:
            files = sorted(path for path in Path(model).rglob("*") if path.is_file())
            weights = json.dumps([[path.relative_to(model).as_posix(), file_digest(path)] for path in files])
        except OSError:
            return ""  # loading it says more
    else:
        return ""
    versions = [f"{package}=={metadata.version(package)}" for package in packages]
    return hashlib.sha256(json.dumps([weights, versions]).encode()).hexdigest()


def _hub_folder(model: str) -> Path | None:
    """Return where a hub's library keeps the files of the model of that name; None where it has none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    # Names without an owner are those of sentence-transformers itself.
    for name in (model, f"sentence-transformers/{model}"):
        try:
            return Path(snapshot_download(name, local_files_only=True))
        except (HFValidationError, LocalEntryNotFoundError):
            continue
    return None


def _quiet_libraries() -> None:
    """Let libraries keep their own affairs to themselves while they load: the terminal is for ours."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for library in ("sentence_transformers", "transformers", "optimum"):
        logging.getLogger(library).setLevel(logging.ERROR)


def _load_any(model: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model)
