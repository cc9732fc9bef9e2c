"""Texts to vectors, by sentence-transformers."""

import hashlib
import json
import logging
import os
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from index.assembly import Progress, file_digest
from index.bundled_model import MODEL_NAME, bundled_model_folder, recipe_digest
from index.errors import ModelError

BUNDLED = "bundled"
# Whatever changes the vectors of the same weights when it changes.
_PACKAGES = ("onnxruntime", "sentence-transformers", "tokenizers", "torch", "transformers")


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, with the model's own prompts for questions and passages.

    `name` says which model it is in manifests and messages; `dimension` is the length of its vectors; `folder` is that
    of the bundled model, None for others; `identity` is what `model_identity` says of it, "" where nothing is known.
    """

    def __init__(self, name: str, model: Any, folder: Path | None = None, identity: str = "") -> None:
        self.name = name
        self.folder = folder
        self.identity = identity
        self.dimension: int = model.get_embedding_dimension()
        self._model = model

    @property
    def tokenizer(self) -> Any:
        """The model's own tokenizer, of the library `tokenizers`; its settings must not be changed."""
        return self._model.tokenizer.backend_tokenizer

    def embed_questions(self, texts: list[str]) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the model's query prompt."""
        return self._vectors(self._model.encode_query(texts, batch_size=1, **_ENCODING))

    def embed_passages(self, texts: list[str], batch_size: int = 16) -> np.ndarray:
        """Return float32 vectors of unit norm, shape (len(texts), dimension), made with the document prompt."""
        return self._vectors(self._model.encode_document(texts, batch_size=batch_size, **_ENCODING))

    def embed_tokens(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Return what the model makes of each token of a passage: spans, int (n, 2), and vectors, float32 (n, d).

        Spans are offsets into `text`; of a text that is longer than the model reads the rest has no tokens.
        """
        prompt = self._model.prompts.get("document") or self._model.prompts.get("passage") or ""
        vectors = np.asarray(self._model.encode([prompt + text], output_value="token_embeddings", **_SHOWN)[0])
        offsets = self._model.tokenizer(prompt + text, return_offsets_mapping=True)["offset_mapping"]
        spans = np.asarray(offsets[: len(vectors)], dtype=np.int64) - len(prompt)
        inside = (spans[:, 1] > np.maximum(spans[:, 0], 0)) & (spans[:, 0] >= -1)
        return spans[inside].clip(0), vectors[inside].astype(np.float32)

    def _vectors(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.reshape(-1, self.dimension), dtype=np.float32)


_SHOWN: dict[str, Any] = {"show_progress_bar": False}
_ENCODING: dict[str, Any] = {"normalize_embeddings": True, "convert_to_numpy": True, **_SHOWN}


def load_embedder(model: str, cache: Path, progress: Progress = lambda message: None) -> SentenceTransformerEmbedder:
    """Load the embedding model `model`: "bundled", a folder, or a name that a hub knows.

    Raises:
        ModelError: it can't be assembled or loaded.
    """
    _quiet_libraries()
    if model == BUNDLED:
        folder = bundled_model_folder(cache, progress)
        return SentenceTransformerEmbedder(MODEL_NAME, _load_onnx(folder), folder, model_identity(model))
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
    if model == BUNDLED:
        weights = recipe_digest()
    elif Path(model).is_dir():
        try:
            files = sorted(path for path in Path(model).rglob("*") if path.is_file())
            weights = json.dumps([[path.relative_to(model).as_posix(), file_digest(path)] for path in files])
        except OSError:
            return ""  # loading it says more
    else:
        return ""
    versions = [f"{package}=={metadata.version(package)}" for package in _PACKAGES]
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


def _load_onnx(folder: Path) -> Any:
    # Nothing is fetched for the bundled model; without this the hub is asked for its optional files.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from sentence_transformers import SentenceTransformer

    arguments = {"file_name": "model.onnx", "export": False, "provider": "CPUExecutionProvider"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return SentenceTransformer(
            str(folder), backend="onnx", device="cpu", local_files_only=True, model_kwargs=arguments
        )


def _load_any(model: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model)
