"""Versions of the index on disk, and which one is published.

<data>/index/versions/<version>/    one folder a version, never changed after it is written
<data>/index/current                the name of the published version; replaced by one atomic rename
<data>/index/held                   the names of versions that were built and never published, one a line
<data>/index/installation           what tells the versions of this folder from others in a server that several share
<data>/index/cache.sqlite           what earlier builds worked out; see build_cache.py
<data>/index/digests.json           the digests of files that were read and not touched since; see digests.py
<data>/index/lock                   held while a version is built or published

A folder whose name begins with a dot is being written or removed; what a crash left of it goes with the next build.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from index.corpus import Corpus
from index.dense import DenseStore
from index.digests import DigestRecord, file_digest
from index.documents import Document
from index.embedding import Embedder
from index.engine import EMBEDDED, EmbeddedEngine, Engine, Stored
from index.errors import (
    EngineUnavailable,
    IndexBusy,
    IndexDamaged,
    IndexMismatch,
    IndexMissing,
    InputError,
    PublishedIndexError,
)
from index.lexical import LOCK_SUFFIX, LexicalStore

FORMAT = 4
MANIFEST = "manifest.json"
VERSIONS_KEPT = 5
_LEFT_OVERS = ".*"
_REBUILD = "run: mundap index build"
_INSTALLATION = re.compile(r"[0-9a-f]{8}")
_STORE_NAME = re.compile(r"mundap_[0-9a-f]{8}_\d{8}t\d{9}z_[0-9a-f]{8}|")

Span = tuple[int, int]
"""`[start, end)` of a document's text, in code points."""


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
    `revised` maps each name that had another text in an earlier version to the spans that could be cited then, as now,
    and hold something else now. `stored` is where its vectors and terms are.
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
    revised: dict[str, tuple[Span, ...]] = field(default_factory=dict)
    stored: Stored = field(default_factory=Stored)


@dataclass(frozen=True, slots=True)
class PublishedIndex:
    """One version, opened and verified."""

    manifest: Manifest
    corpus: Corpus
    dense: DenseStore
    lexical: LexicalStore


class Publication:
    """The versions below one data directory. Of whole ones `versions_kept` stay, the published one among them.

    Their vectors and terms are kept by `engine`, in their folders unless it is another.
    """

    def __init__(self, data_dir: Path, versions_kept: int = VERSIONS_KEPT, engine: Engine | None = None) -> None:
        self.folder = data_dir / "index"
        self.engine = engine or EmbeddedEngine()
        self._versions_kept = versions_kept
        self._versions = self.folder / "versions"
        self._current = self.folder / "current"
        self._settled = self.folder / "settled"
        self._held = self.folder / "held"
        self._installation = self.folder / "installation"

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
                raise IndexBusy("Another process is building the index; wait until it is done") from error
            yield

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Yield an empty folder to write a version to; other writers are kept out, and the folder is removed after.

        Raises:
            InputError: another process is building, or the data directory can't be written.
            EngineUnavailable: the server that is to hold the version can't be used.
        """
        with self._locked():
            self._clear_left_overs()
            aside = self._versions / f".writing-{os.getpid()}"
            with writing_files(self.folder):
                aside.mkdir()
            try:
                yield aside
            finally:
                shutil.rmtree(aside, ignore_errors=True)
                with suppress(EngineUnavailable):
                    self._clear_engine()

    def store_name(self, version: str) -> str:
        """Return the name that a version of this folder has in a server that several share, "" where there is none.

        Raises:
            InputError: the data directory can't be written.
        """
        if self.engine.kind == EMBEDDED:
            return ""
        installation = self._read_installation()
        if not installation:
            installation = secrets.token_hex(4)
            with writing_files(self.folder):
                self._replace(self._installation, installation)
        return f"mundap_{installation}_{version.lower().replace('-', '_')}"

    def publish(self, aside: Path, manifest: Manifest, hold: bool = False) -> None:
        """Give the version written in `aside` its name and, unless it is only to be held, make it the current one.

        Old versions are thinned out, those that are held like the others. The one that was current until now stays, to
        go back to.

        Raises:
            InputError: the disk is full or can't be written; what was published stays.
        """
        before = self._current_or_none()
        with writing_files(self.folder):
            values = asdict(manifest)
            values["digest"] = _digest(values)
            (aside / MANIFEST).write_text(json.dumps(values, ensure_ascii=False, indent=1), encoding="utf-8")
            for path in [*aside.rglob("*"), aside]:
                _sync(path)
            if hold:
                # Before it has its name: a crash must not let it pass for one that was published.
                self._replace(self._held, "\n".join(sorted(self.held() | {manifest.version})))
            aside.rename(self._versions / manifest.version)
            _sync(self._versions)
            if not hold:
                self._point_to(manifest)
        self._thin_out({manifest.version, before})

    def clear_up(self) -> None:
        """Remove what a build that was killed has left, unless another process is building."""
        try:
            with self._locked():
                self._clear_left_overs()
        except (InputError, EngineUnavailable):
            return

    def _clear_left_overs(self) -> None:
        self._clear_engine()
        for left_over in self._versions.glob(_LEFT_OVERS):
            shutil.rmtree(left_over, ignore_errors=True)
        for half_written in self.folder.glob("*.new"):
            half_written.unlink(missing_ok=True)

    def _clear_engine(self) -> None:
        """Let the engine drop what no folder of a version belongs to."""
        if installation := self._read_installation():
            self.engine.keep_only(f"mundap_{installation}_", {self.store_name(name) for name in self._names()})

    def _read_installation(self) -> str:
        try:
            found = _INSTALLATION.match(self._installation.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return ""
        return found.group() if found else ""

    def _thin_out(self, staying: set[str | None]) -> None:
        """Remove all but `staying` and as many of the newest as are still to be kept."""
        whole = {manifest.version for manifest in self.versions()}
        kept = len(whole & staying)
        for name in self._names():
            # The clock may have been set back, so what stays need not have the newest names.
            if name in whole & staying:
                continue
            # What can't be read, being damaged or of another format, goes when it is older than all that is kept.
            if kept >= self._versions_kept:
                self._remove(name)
            elif name in whole:
                kept += 1

    def _remove(self, name: str) -> None:
        """Take a version out of the list by one rename, so that a crash leaves none of which only a part is there."""
        going = self._versions / f".removing-{name}"
        try:
            (self._versions / name).rename(going)
        except OSError:
            return
        shutil.rmtree(going, ignore_errors=True)

    def held(self) -> set[str]:
        """Return the names of the versions that were never published."""
        current = self._current_or_none()
        # The published one is among them when a crash came before it could be taken out.
        names = self._held_names() - {current}
        return {name for name in names if (self._versions / name / MANIFEST).is_file()}

    def _held_names(self) -> set[str]:
        try:
            return set(self._held.read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError):
            return set()

    def settle(self, inputs: str) -> None:
        """Remember that `inputs` were built, whatever becomes of the result.

        Raises:
            InputError: the disk is full or can't be written.
        """
        with writing_files(self.folder):
            self._replace(self._settled, inputs)

    def settled(self) -> str:
        """Return the digest of the inputs that were last built, or "" where none were."""
        try:
            return self._settled.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    @property
    def is_begun(self) -> bool:
        """Whether anything has been published, or somebody tried to."""
        try:
            self.current_version()
        except IndexMissing:
            return False
        except PublishedIndexError:
            pass
        return True

    @property
    def names_a_version(self) -> bool:
        """Whether the pointer names a version that is there, whole or not."""
        return self._current_or_none() in self._names()

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
            # Versions of before there was one have none.
            if "digest" in values and values.pop("digest") != _digest(values):
                raise ValueError("the manifest was changed")
            suggestions = tuple(Suggestion(**suggestion) for suggestion in values.pop("suggestions"))
            revised = {
                name: tuple((start, end) for start, end in spans) for name, spans in values.pop("revised", {}).items()
            }
            stored = Stored(**values.pop("stored", {}))
            if not _STORE_NAME.fullmatch(stored.name):
                raise ValueError("no store has that name")
            return Manifest(**values, suggestions=suggestions, revised=revised, stored=stored)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexDamaged(
                f"The manifest of the index {version or '(no name)'} is missing or damaged; {_REBUILD}"
            ) from error

    def versions(self) -> list[Manifest]:
        """Return the manifests of all whole versions, newest first."""
        found = []
        for name in self._names():
            try:
                found.append(self.manifest(name))
            except (IndexDamaged, IndexMismatch):
                continue
        return found

    def kept(self) -> list[Manifest]:
        """Return the manifests of all whole versions that were published, newest first."""
        held = self.held()
        return [manifest for manifest in self.versions() if manifest.version not in held]

    def _names(self) -> list[str]:
        """Return the names of all folders of versions, newest first, whole or not."""
        return sorted((path.name for path in self._versions.glob("[!.]*")), reverse=True)

    def roll_back(self, version: str | None = None) -> Manifest:
        """Publish an earlier version again: the given one, or the one before the current. Its files are verified.

        Raises:
            InputError: there is no such version, or the data directory can't be written.
            IndexDamaged: its files don't match their digests.
        """
        with self._locked():
            names = [manifest.version for manifest in self.versions()]
            if version is None:
                current = self.current_version()
                version = next((name for name in names if name < current and name not in self.held()), None)
                if version is None:
                    raise InputError("There is no earlier version to go back to; see: mundap index list")
            return self._publish_kept(version)

    def publish_kept(self, version: str) -> Manifest:
        """Publish a version that is kept: one that is held, or an earlier one. Its files are verified.

        Raises:
            InputError: there is no such version, another process is building, or the data directory can't be written.
            IndexDamaged: its files don't match their digests.
        """
        with self._locked():
            return self._publish_kept(version)

    def _publish_kept(self, version: str) -> Manifest:
        if version not in [manifest.version for manifest in self.versions()]:
            raise InputError(f"There is no version {version}; see: mundap index list")
        manifest = self.verify(version)
        with writing_files(self.folder):
            self._point_to(manifest)
        return manifest

    def verify(self, version: str, read_again: bool = True) -> Manifest:
        """Check every file of one version against its digest, and what the engine holds of it.

        Unless they are to be `read_again`, files that were read before and not touched since are not.

        Raises:
            IndexDamaged: a file is missing, differs or was added, or the engine doesn't hold what it did.
            IndexMismatch: it was built for another engine.
            EngineUnavailable: the server that holds it can't be used.
        """
        manifest = self.manifest(version)
        if manifest.stored.engine != self.engine.kind:
            raise IndexMismatch(
                f"The index {version} was built for {manifest.stored.engine}, MUNDAP_VECTOR_STORE names "
                f"{self.engine.kind}; {_REBUILD}"
            )
        record = DigestRecord(self.folder / "digests.json")
        found = file_digests(self._versions / version, file_digest if read_again else record.digest)
        record.save()
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
        self.engine.check(manifest.stored, manifest.passages)
        return manifest

    def open(self, embedder: Embedder) -> PublishedIndex:
        """Open the published version after verifying that it is whole and was built with `embedder`.

        Raises:
            IndexMissing, IndexDamaged, IndexMismatch, EngineUnavailable: see there.
        """
        return self._open(self.current_version(), embedder)

    def _open(self, version: str, embedder: Embedder) -> PublishedIndex:
        manifest = self.verify(version, read_again=False)
        return open_folder(self._versions / version, manifest, embedder, self.engine)

    def open_newest(self, embedder: Embedder) -> PublishedIndex | None:
        """Open the newest version that is whole, was built with `embedder` and is not held; None where there is none.

        It is what is left to answer from where nothing can be told of the published one, or that one can't be used.
        """
        held = self.held()
        for manifest in self.versions():
            if manifest.version in held:
                continue
            try:
                return self._open(manifest.version, embedder)
            except PublishedIndexError:
                continue
        return None

    def kept_manifest(self, version: str) -> Manifest | None:
        """Return the manifest of the version of that name, whoever gave it, or None where none is kept.

        One that is held counts as none: nobody but the staff may see it before it is published.
        """
        # Found by looking through the folder: a name from outside never becomes part of a path.
        if version not in self._names() or version in self.held():
            return None
        try:
            return self.manifest(version)
        except (IndexDamaged, IndexMismatch):
            return None

    def kept_document(self, manifest: Manifest, doc_id: str) -> Document | None:
        """Return a document of a kept version, or None where it is not there or not as it was when it was indexed."""
        return next((document for document, _ in self._kept(manifest, [doc_id])), None)

    def kept_quotations(self, manifest: Manifest, doc_ids: Iterable[str]) -> dict[str, dict[Span, str]]:
        """Return doc_id → span → text of all that a citation could point to in documents of a kept version.

        Those are left out that are not there, or not as they were when they were indexed.
        """
        return {
            document.doc_id: {span: document.text[slice(*span)] for span in spans}
            for document, spans in self._kept(manifest, doc_ids)
        }

    def _kept(self, manifest: Manifest, doc_ids: Iterable[str]) -> Iterator[tuple[Document, set[Span]]]:
        try:
            corpus = Corpus(self._versions / manifest.version)
            for doc_id in doc_ids:
                document = corpus.document(doc_id)
                if document and document.digest == manifest.documents.get(doc_id):
                    yield document, corpus.citable_spans(doc_id)
        except (OSError, EOFError, ValueError, sqlite3.Error):
            return

    def _current_or_none(self) -> str | None:
        try:
            return self.current_version()
        except PublishedIndexError:
            return None

    def _point_to(self, manifest: Manifest) -> None:
        # What a crash has left is mended before: once another version is current, nothing tells that this one was.
        self._forget_published()
        # Others find it by the engine; this folder's pointer, which comes last, is what is answered from.
        self.engine.point_to(manifest.stored)
        self._replace(self._current, manifest.version)
        self._forget_published()

    def _forget_published(self) -> None:
        if self._current_or_none() in self._held_names():
            self._replace(self._held, "\n".join(sorted(self.held())))

    def _replace(self, path: Path, content: str) -> None:
        temporary = path.with_suffix(".new")
        temporary.write_text(content + "\n", encoding="utf-8")
        _sync(temporary)
        temporary.replace(path)
        _sync(self.folder)


def open_folder(folder: Path, manifest: Manifest, embedder: Embedder, engine: Engine) -> PublishedIndex:
    """Open the version in `folder`, which was verified, after checking that it was built with `embedder`.

    Raises:
        IndexMismatch: it was built by another model.
        EngineUnavailable: the server that holds it can't be used.
    """
    if (manifest.embedding_model, manifest.dimension) != (embedder.name, embedder.dimension):
        raise IndexMismatch(
            f"The index was built with {manifest.embedding_model} ({manifest.dimension} dimensions), "
            f"not with {embedder.name} ({embedder.dimension}); {_REBUILD}"
        )
    index = PublishedIndex(manifest, Corpus(folder), *engine.open(manifest.stored, folder))
    _check_vectors(index, embedder)
    return index


@contextmanager
def writing_files(folder: Path) -> Iterator[None]:
    """Turn what the libraries raise when they can't write into one error that says what to do.

    Raises:
        InputError: the disk is full, for one.
    """
    try:
        yield
    except (OSError, ValueError, RuntimeError, sqlite3.Error) as error:
        # FAISS raises RuntimeError, tantivy ValueError.
        reason = (isinstance(error, OSError) and error.strerror) or " ".join(str(error).split())
        raise InputError(
            f"The index can't be written to {folder} ({reason}): make room there or check MUNDAP_DATA_DIR; "
            "what was published before stays"
        ) from error


def file_digests(folder: Path, digest: Callable[[Path], str] = file_digest) -> dict[str, str]:
    """Return relative name → SHA-256 of every file of a version but its manifest."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST and path.suffix != LOCK_SUFFIX
    ]
    with ThreadPoolExecutor() as pool:
        digests = pool.map(digest, paths)
        return {path.relative_to(folder).as_posix(): one for path, one in zip(paths, digests, strict=True)}


def embedding_input(context: tuple[str, ...], text: str) -> str:
    """Return what is embedded for a sentence or a passage: its title and headings, then its text."""
    return f"{' > '.join(context)}\n{text}"


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _check_vectors(index: PublishedIndex, embedder: Embedder) -> None:
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
