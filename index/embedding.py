"""Texts to vectors, by sentence-transformers."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from index.assembly import Progress
from index.bundled_model import MODEL_NAME, bundled_model_folder
from index.errors import ModelError

BUNDLED = "bundled"


class SentenceTransformerEmbedder:
    """Any sentence-transformers model, with the model's own prompts for questions and passages.

    `name` says which model it is in manifests and messages; `dimension` is the length of its vectors; `folder` is that
    of the bundled model, None for others.
    """

    def __init__(self, name: str, model: Any, folder: Path | None = None) -> None:
        self.name = name
        self.folder = folder
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

    def _vectors(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(values.reshape(-1, self.dimension), dtype=np.float32)


_ENCODING: dict[str, Any] = {"normalize_embeddings": True, "convert_to_numpy": True, "show_progress_bar": False}


def load_embedder(model: str, cache: Path, progress: Progress = lambda message: None) -> SentenceTransformerEmbedder:
    """Load the embedding model `model`: "bundled", a folder, or a name that a hub knows.

    Raises:
        ModelError: it can't be assembled or loaded.
    """
    _quiet_libraries()
    if model == BUNDLED:
        folder = bundled_model_folder(cache, progress)
        return SentenceTransformerEmbedder(MODEL_NAME, _load_onnx(folder), folder)
    try:
        return SentenceTransformerEmbedder(model, _load_any(model))
    except Exception as error:
        raise ModelError.loading(f"The embedding model {model}", error, "MUNDAP_EMBEDDING_MODEL") from error


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
