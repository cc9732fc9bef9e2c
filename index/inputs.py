"""What a version of the index is made from, as one digest: an equal one needs no new build. It needs no model."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path

from index.chunking import Chunking
from index.loaders import SourceFile

# Whatever changes texts, terms, sentences or vectors when it changes.
_PACKAGES = (
    "charset-normalizer",
    "dochan",
    "faiss-cpu",
    "kiwipiepy",
    "kiwipiepy-model",
    "lxml",
    "markdown-it-py",
    "onnxruntime",
    "openpyxl",
    "pypdfium2",
    "python-docx",
    "selectolax",
    "sentence-transformers",
    "sentencex",
    "snowballstemmer",
    "tantivy",
)
_CODE = (
    "build.py",
    "build_cache.py",
    "chunking.py",
    "documents.py",
    "imprint.py",
    "loaders",
    "morphemes.py",
    "question_words.py",
    "scripts.py",
)


def inputs_digest(files: Iterable[SourceFile], model: str, chunking: Chunking) -> str:
    """Return the hexadecimal SHA-256 of the files, the identity of the embedding model, the settings and the code."""
    parts = [code_digest(), model, asdict(chunking), [[file.doc_id, file.digest] for file in files]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Return the digest of the code between a file and its passages' terms, and of the packages that it uses."""
    folder = Path(__file__).parent
    sources = [path for name in _CODE for path in sorted([folder / name, *(folder / name).glob("*.py")])]
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources if path.is_file()]
    return hashlib.sha256(json.dumps([digests, package_versions()]).encode()).hexdigest()


@cache
def package_versions() -> dict[str, str]:
    """Return package → version of whatever changes an index when it changes."""
    return {package: metadata.version(package) for package in _PACKAGES}
