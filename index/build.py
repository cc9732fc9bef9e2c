"""A source folder to a published version of the index."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from index.chunking import Chunking, split_into_passages
from index.corpus import AnalysedPassage, write_corpus
from index.dense import FaissStore
from index.documents import Document, Passage, Sentence
from index.embedding import SentenceTransformerEmbedder
from index.errors import GateError, IndexMissing, InputError, PublishedIndexError
from index.lexical import Bm25Store
from index.loaders import SourceFile, load_document, read_source_files
from index.loaders.process import ParserProcess
from index.morphemes import search_terms
from index.publication import (
    FORMAT,
    Manifest,
    Publication,
    PublishedIndex,
    Suggestion,
    embedding_input,
    file_digests,
    open_folder,
    writing_files,
)

# Whatever changes terms, sentences or vectors when it changes.
_PACKAGES = (
    "faiss-cpu",
    "kiwipiepy",
    "sentencex",
    "snowballstemmer",
    "tantivy",
    "sentence-transformers",
    "onnxruntime",
)
_EMBEDDING_BATCH = 256

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, what is done and how much there is in all."""
Suggest = Callable[[PublishedIndex, Progress], Sequence[Suggestion]]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did with each source file, against the version that was published before.

    A version that is `held` was written and waits to be published.
    """

    version: str
    published: bool
    held: bool = False
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    passages: int = 0
    sentences: int = 0


def build_index(
    source: Path,
    publication: Publication,
    embedder: SentenceTransformerEmbedder,
    chunking: Chunking | None = None,
    progress: Progress = lambda step, done, total: None,
    suggest: Suggest = lambda index, progress: (),
    judge: Callable[[PublishedIndex], None] = lambda index: None,
    hold: bool = False,
) -> BuildReport:
    """Load, chunk, embed, write aside, verify and publish. With nothing changed since the last build, do nothing.

    `suggest` is given the finished index and returns the questions that its manifest shall suggest. `judge` is given it
    before it is published, and also the published one when nothing changed. When it raises, the old index stays.
    With `hold` the version is written and kept, and the old one stays published.

    Raises:
        InputError: the source folder is missing or holds no document that can be read, or the index can't be written.
    """
    chunking = chunking or Chunking()
    files = list(read_source_files(source))
    inputs = _inputs_digest(files, embedder, chunking)
    before = published_manifest(publication)
    if before and before.inputs == inputs and _is_usable(publication, embedder):
        judge(publication.open(embedder))
        publication.clear_up()
        return _report(before, before, published=False)

    with publication.writing() as aside:
        documents, skipped = load_documents(files, progress)
        if not documents:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:3])
            raise InputError(
                f"The source folder {source} holds no document that can be read ({reasons or 'it is empty'})"
            )
        passages = _chunk(documents, chunking, progress)
        passage_vectors, sentence_vectors = _embed(passages, embedder, progress)
        analysed = _analyse(passages, progress)
        with writing_files(publication.folder):
            Bm25Store.write([_lexical_terms(one) for one in analysed], aside)
            FaissStore.write(passage_vectors, aside)
            write_corpus(aside, documents, analysed, sentence_vectors)
        now = datetime.now(UTC)
        manifest = Manifest(
            version=f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{inputs[:8]}",
            format=FORMAT,
            created=now.isoformat(timespec="seconds"),
            inputs=inputs,
            embedding_model=embedder.name,
            dimension=embedder.dimension,
            chunking=asdict(chunking),
            packages={package: metadata.version(package) for package in _PACKAGES},
            documents={document.doc_id: document.digest for document in documents},
            passages=len(passages),
            sentences=len(sentence_vectors),
            skipped=skipped,
            files=file_digests(aside),
        )
        index = open_folder(aside, manifest, embedder)
        manifest = replace(manifest, suggestions=tuple(suggest(index, progress)))
        try:
            judge(index)
        except GateError:
            publication.settle(inputs)
            raise
        publication.publish(aside, manifest, hold)
        publication.settle(inputs)
    return _report(before, manifest, published=not hold, held=hold)


def build_if_stale(
    source: Path,
    publication: Publication,
    embedder: SentenceTransformerEmbedder,
    progress: Progress = lambda step, done, total: None,
    suggest: Suggest = lambda index, progress: (),
) -> tuple[PublishedIndex, BuildReport | None]:
    """Return the published index, and the report of the build where one was due.

    It is due when nothing is published, or when the sources differ from those that were last built: what was built and
    refused by a gate, or rolled back, is not built again until a source changes.

    Raises:
        IndexDamaged, IndexMismatch: what is published can't be used.
    """
    try:
        index = publication.open(embedder)
    except IndexMissing:
        pass
    else:
        if publication.settled() == _inputs_digest(list(read_source_files(source)), embedder, Chunking()):
            return index, None
    report = build_index(source, publication, embedder, progress=progress, suggest=suggest)
    return publication.open(embedder), report


def published_manifest(publication: Publication) -> Manifest | None:
    """Return the manifest of the published version, or None where there is none that can be read."""
    try:
        return publication.manifest(publication.current_version())
    except PublishedIndexError:
        return None


def _inputs_digest(files: list[SourceFile], embedder: SentenceTransformerEmbedder, chunking: Chunking) -> str:
    packages = {package: metadata.version(package) for package in _PACKAGES}
    parts = [FORMAT, embedder.name, asdict(chunking), packages, [[file.doc_id, file.digest] for file in files]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _is_usable(publication: Publication, embedder: SentenceTransformerEmbedder) -> bool:
    # Not only whole: a model of the same name may have got other weights since.
    try:
        publication.open(embedder)
    except PublishedIndexError:
        return False
    return True


def load_documents(
    files: list[SourceFile], progress: Progress = lambda step, done, total: None
) -> tuple[list[Document], dict[str, str]]:
    """Return the documents of all files that can be read, and of every other file the reason why not."""
    documents: list[Document] = []
    skipped: dict[str, str] = {}
    first_of_digest: dict[str, str] = {}
    with ParserProcess() as parser:
        for done, file in enumerate(files, 1):
            try:
                if file.reason:
                    raise InputError(file.reason)
                document = load_document(file, parser.parse)
                twin = first_of_digest.setdefault(document.digest, file.doc_id)
                if twin != file.doc_id:
                    raise InputError(f"the same text as {twin}")
                documents.append(document)
            except InputError as error:
                skipped[file.doc_id] = str(error)
            progress("Reading", done, len(files))
    return documents, skipped


def _chunk(documents: list[Document], chunking: Chunking, progress: Progress) -> list[Passage]:
    passages: list[Passage] = []
    for done, document in enumerate(documents, 1):
        passages += split_into_passages(document, chunking)
        progress("Splitting", done, len(documents))
    return passages


def _embed(
    passages: list[Passage], embedder: SentenceTransformerEmbedder, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    texts = [embedding_input(passage.context, passage.text) for passage in passages]
    texts += [_told(passage, sentence) for passage in passages for sentence in passage.sentences]
    vectors = np.empty((len(texts), embedder.dimension), dtype=np.float32)
    # Sorted by length a batch holds little padding, which is most of what embedding costs.
    order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
    for start in range(0, len(order), _EMBEDDING_BATCH):
        batch = order[start : start + _EMBEDDING_BATCH]
        vectors[batch] = embedder.embed_passages([texts[at] for at in batch])
        progress("Embedding", start + len(batch), len(order))
    return vectors[: len(passages)], vectors[len(passages) :]


def _analyse(passages: list[Passage], progress: Progress) -> list[AnalysedPassage]:
    analysed = []
    for done, passage in enumerate(passages, 1):
        sentence_terms = [search_terms(_told(passage, sentence)) for sentence in passage.sentences]
        analysed.append(AnalysedPassage(passage, search_terms("\n".join(passage.context)), sentence_terms))
        progress("Analysing", done, len(passages))
    return analysed


def _told(passage: Passage, sentence: Sentence) -> str:
    return f"{sentence.about}\n{passage.quote(sentence)}" if sentence.about else passage.quote(sentence)


def _lexical_terms(analysed: AnalysedPassage) -> list[str]:
    return analysed.context_terms + [term for terms in analysed.sentence_terms for term in terms]


def _report(before: Manifest | None, after: Manifest, published: bool, held: bool = False) -> BuildReport:
    old, new = before.documents if before else {}, after.documents
    return BuildReport(
        version=after.version,
        published=published,
        held=held,
        added=sorted(new.keys() - old.keys()),
        changed=sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
        removed=sorted(old.keys() - new.keys()),
        unchanged=sorted(name for name in new.keys() & old.keys() if new[name] == old[name]),
        skipped=after.skipped,
        passages=after.passages,
        sentences=after.sentences,
    )
