"""Versions of the index on disk, and which one is published.

<data>/index/versions/<version>/    one folder a version, never changed after it is written
<data>/index/current                the name of the published version; replaced by one atomic rename
<data>/index/cache.sqlite           what earlier builds worked out; see build_cache.py
<data>/index/lock                   held while a version is built or published
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from index.assembly import file_digest
from index.corpus import Corpus
from index.dense import FaissStore
from index.embedding import SentenceTransformerEmbedder
from index.errors import IndexDamaged, IndexMismatch, IndexMissing, InputError
from index.lexical import Bm25Store

FORMAT = 3
MANIFEST = "manifest.json"
VERSIONS_KEPT = 5
_REBUILD = "run: mundap index build"
# Written by tantivy whenever it opens an index; they hold nothing.
_LOCK_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question in the language `lang` that this version answers, with `[start, end)` of the document `doc_id`.

    `quote` is the text there, "" in versions that were built before it was kept.
    """

    question: str
    lang: str
    doc_id: str
    start: int
    end: int
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What built a version, what it holds, and the SHA-256 of each of its files.

    `inputs` is the digest of everything that the version was made from: an equal one needs no new build.
    `skipped` maps each source file that was left out to the reason. `suggestions` are there to be shown to askers.
    """

    version: str
    format: int
    created: str
    inputs: str
    embedding_model: str
    dimension: int
    chunking: dict[str, int]
    packages: dict[str, str]
    documents: dict[str, str]
    passages: int
    sentences: int
    skipped: dict[str, str]
    files: dict[str, str]
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedIndex:
    """One version, opened and verified."""

    manifest: Manifest
    corpus: Corpus
    dense: FaissStore
    lexical: Bm25Store


class Publication:
    """The versions below one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "index"
        self._versions = self.folder / "versions"
        self._current = self.folder / "current"
        self._settled = self.folder / "settled"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other writers out. The lock is the operating system's, so it is gone with the process that held it."""
        try:
            self._versions.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise InputError(
                f"The data folder {self.folder.parent} can't be written ({error.strerror}); check MUNDAP_DATA_DIR"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError("Another process is building the index; wait until it is done") from error
            yield

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder to write a version to; other writers are kept out, and the folder is removed after.

        Raises:
            InputError: another process is building, or the data directory can't be written.
        """
        with self._locked():
            for left_over in self._versions.glob(".writing-*"):
                shutil.rmtree(left_over, ignore_errors=True)
            aside = self._versions / f".writing-{os.getpid()}"
            aside.mkdir()
            try:
                yield aside
            finally:
                shutil.rmtree(aside, ignore_errors=True)

    def publish(self, aside: Path, manifest: Manifest) -> None:
        """Give the version written in `aside` its name and make it the current one. Old versions are thinned out."""
        (aside / MANIFEST).write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1), encoding="utf-8")
        for path in [*aside.rglob("*"), aside]:
            _sync(path)
        aside.rename(self._versions / manifest.version)
        _sync(self._versions)
        self._point_to(manifest.version)
        # The clock may have been set back, so the published version need not have the newest name.
        others = [old.version for old in self.versions() if old.version != manifest.version]
        for version in others[VERSIONS_KEPT - 1 :]:
            shutil.rmtree(self._versions / version, ignore_errors=True)

    def settle(self, inputs: str) -> None:
        """Remember that `inputs` were built, whatever becomes of the result."""
        self._replace(self._settled, inputs)

    def settled(self) -> str:
        """Return the digest of the inputs that were last built, or "" where none were."""
        try:
            return self._settled.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def current_version(self) -> str:
        """Return the name of the published version.

        Raises:
            IndexMissing: nothing has been published.
        """
        try:
            return self._current.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise IndexMissing(f"No index has been published in {self.folder.parent}; {_REBUILD}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise IndexDamaged(f"The pointer to the published index can't be read; {_REBUILD}") from error

    def manifest(self, version: str) -> Manifest:
        """Return the manifest of one version.

        Raises:
            IndexDamaged: it is missing or can't be read.
            IndexMismatch: it was written in another format.
        """
        try:
            values = json.loads((self._versions / version / MANIFEST).read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise IndexMismatch(
                    f"The index {version} has format {values['format']}, this Mundap reads {FORMAT}; {_REBUILD}"
                )
            suggestions = tuple(Suggestion(**suggestion) for suggestion in values.pop("suggestions"))
            return Manifest(**values, suggestions=suggestions)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexDamaged(
                f"The manifest of the index {version or '(no name)'} is missing or damaged; {_REBUILD}"
            ) from error

    def versions(self) -> list[Manifest]:
        """Return the manifests of all whole versions, newest first."""
        names = sorted((p.name for p in self._versions.glob("[!.]*") if (p / MANIFEST).is_file()), reverse=True)
        found = []
        for name in names:
            try:
                found.append(self.manifest(name))
            except (IndexDamaged, IndexMismatch):
                continue
        return found

    def roll_back(self, version: str | None = None) -> Manifest:
        """Publish an earlier version again: the given one, or the one before the current. Its files are verified.

        Raises:
            InputError: there is no such version.
            IndexDamaged: its files don't match their digests.
        """
        with self._locked():
            current = self.current_version()
            names = [manifest.version for manifest in self.versions()]
            if version is None:
                version = next((name for name in names if name < current), None)
                if version is None:
                    raise InputError("There is no earlier version to go back to; see: mundap index list")
            if version not in names:
                raise InputError(f"There is no version {version}; see: mundap index list")
            self.verify(version)
            self._point_to(version)
            return self.manifest(version)

    def verify(self, version: str) -> Manifest:
        """Check every file of one version against its digest.

        Raises:
            IndexDamaged: a file is missing, differs or was added.
        """
        manifest = self.manifest(version)
        found = file_digests(self._versions / version)
        for name in sorted(manifest.files.keys() | found.keys()):
            if manifest.files.get(name) != found.get(name):
                problem = (
                    "is missing"
                    if name not in found
                    else "was changed"
                    if name in manifest.files
                    else "does not belong there"
                )
                raise IndexDamaged(f"The index {version} is damaged: {name} {problem}; {_REBUILD}")
        return manifest

    def open(self, embedder: SentenceTransformerEmbedder) -> PublishedIndex:
        """Open the published version after verifying that it is whole and was built with `embedder`.

        Raises:
            IndexMissing, IndexDamaged, IndexMismatch: see there.
        """
        version = self.current_version()
        return open_folder(self._versions / version, self.verify(version), embedder)

    def _point_to(self, version: str) -> None:
        self._replace(self._current, version)

    def _replace(self, path: Path, content: str) -> None:
        temporary = path.with_suffix(".new")
        temporary.write_text(content + "\n", encoding="utf-8")
        _sync(temporary)
        temporary.replace(path)
        _sync(self.folder)


def open_folder(folder: Path, manifest: Manifest, embedder: SentenceTransformerEmbedder) -> PublishedIndex:
    """Open the version in `folder`, whose files were verified, after checking that it was built with `embedder`.

    Raises:
        IndexMismatch: it was built by another model.
    """
    if (manifest.embedding_model, manifest.dimension) != (embedder.name, embedder.dimension):
        raise IndexMismatch(
            f"The index was built with {manifest.embedding_model} ({manifest.dimension} dimensions), "
            f"not with {embedder.name} ({embedder.dimension}); {_REBUILD}"
        )
    index = PublishedIndex(manifest, Corpus(folder), FaissStore.open(folder), Bm25Store.open(folder))
    _check_vectors(index, embedder)
    return index


def file_digests(folder: Path) -> dict[str, str]:
    """Return relative name → SHA-256 of every file of a version but its manifest."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST and path.suffix != _LOCK_SUFFIX:
            digests[path.relative_to(folder).as_posix()] = file_digest(path)
    return digests


def embedding_input(context: tuple[str, ...], text: str) -> str:
    """Return what is embedded for a sentence or a passage: its title and headings, then its text."""
    return f"{' > '.join(context)}\n{text}"


def _check_vectors(index: PublishedIndex, embedder: SentenceTransformerEmbedder) -> None:
    """Refuse other weights under the same name: the first passage must get the vector that is stored."""
    passage = index.corpus.passages([0])[0].passage
    vector = embedder.embed_passages([embedding_input(passage.context, passage.text)])[0]
    if index.dense.scores(vector, [0])[0] < 0.999 * float(np.dot(vector, vector)):
        raise IndexMismatch(f"The index was built with other weights of {embedder.name}; {_REBUILD}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
