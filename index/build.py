"""A source folder to a published version of the index."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from index.build_cache import FILE, BuildCache
from index.chunking import Chunking, split_into_passages
from index.corpus import AnalysedPassage, Corpus, write_corpus
from index.documents import Document, Passage, Sentence
from index.embedding import Embedder
from index.errors import GateError, IndexDamaged, IndexMissing, InputError, PublishedIndexError, TransientError
from index.inputs import inputs_digest, package_versions
from index.loaders import SourceFile, load_document, read_source_files
from index.loaders.process import ParserProcess
from index.morphemes import search_terms
from index.publication import (
    FORMAT,
    Manifest,
    Publication,
    PublishedIndex,
    Span,
    Suggestion,
    embedding_input,
    file_digests,
    open_folder,
    writing_files,
)

_EMBEDDING_BATCH = 256

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, what is done and how much there is in all."""
Suggest = Callable[[PublishedIndex, Progress], Sequence[Suggestion]]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did with each source file, against the version that was published before.

    `renamed` maps the new name of a document to the old one, `skipped` a file to the reason. Of the `passages` and
    `sentences` of the version, `embedded_passages` and `embedded_sentences` were embedded in `embedding_seconds`; the
    vectors of the others were known. `notes` are sentences about what else is worth knowing.
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
    renamed: dict[str, str] = field(default_factory=dict)
    embedded_passages: int = 0
    embedded_sentences: int = 0
    embedding_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Embedding:
    """Vectors, float32 (n, d), of passages and of sentences, and how many of them were not known before."""

    passages: np.ndarray
    sentences: np.ndarray
    new_passages: int
    new_sentences: int
    seconds: float


def build_index(
    source: Path,
    publication: Publication,
    embedder: Embedder,
    chunking: Chunking | None = None,
    progress: Progress = lambda step, done, total: None,
    suggest: Suggest = lambda index, progress: (),
    judge: Callable[[PublishedIndex], None] = lambda index: None,
    hold: bool = False,
) -> BuildReport:
    """Load, chunk, analyse, embed, write aside, verify and publish. With nothing changed, do nothing.

    Only what is new since earlier builds is worked out; the rest comes from a cache beside the versions.
    `suggest` is given the finished index and returns the questions that its manifest shall suggest. `judge` is given it
    before it is published, and also the published one when nothing changed. When it raises, the old index stays.
    With `hold` the version is written and kept, and the old one stays published.

    Raises:
        InputError: the source folder is missing or holds no document that can be read, or the index can't be written.
        TransientError: a document can't be read for a cause that may pass. To go on would drop it without a reason.
        EngineUnavailable: the server that is to hold the index can't be used.
    """
    chunking = chunking or Chunking()
    files = list(read_source_files(source))
    inputs = _inputs(files, embedder, chunking)
    before = published_manifest(publication)
    if before and before.inputs == inputs and _is_usable(publication, embedder):
        judge(publication.open(embedder))
        publication.clear_up()
        return _report(before, before, published=False)

    with publication.writing() as aside, BuildCache(publication.folder / FILE) as cache:
        documents, skipped = load_documents(files, progress, cache)
        if not documents:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:3])
            raise InputError(
                f"The source folder {source} holds no document that can be read ({reasons or 'it is empty'})"
            )
        analysed = _analyse(documents, chunking, cache, progress)
        embedding = _embed([one.passage for one in analysed], embedder, cache, progress)
        cache.thin()
        now = datetime.now(UTC)
        version = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{inputs[:8]}"
        with writing_files(publication.folder):
            terms = [_lexical_terms(one) for one in analysed]
            stored = publication.engine.write(publication.store_name(version), aside, embedding.passages, terms)
            write_corpus(aside, documents, analysed, embedding.sentences)
        manifest = Manifest(
            version=version,
            format=FORMAT,
            created=now.isoformat(timespec="seconds"),
            inputs=inputs,
            embedding_model=embedder.name,
            dimension=embedder.dimension,
            chunking=asdict(chunking),
            packages=package_versions(),
            documents={document.doc_id: document.digest for document in documents},
            passages=len(analysed),
            sentences=len(embedding.sentences),
            skipped=skipped,
            files=file_digests(aside),
            stored=stored,
        )
        publication.engine.check(stored, manifest.passages)
        index = open_folder(aside, manifest, embedder, publication.engine)
        manifest = replace(
            manifest, suggestions=tuple(suggest(index, progress)), revised=_revised(publication, manifest, index.corpus)
        )
        try:
            judge(index)
        except GateError:
            publication.settle(inputs)
            raise
        publication.publish(aside, manifest, hold)
        publication.settle(inputs)
    return replace(
        _report(before, manifest, published=not hold, held=hold),
        embedded_passages=embedding.new_passages,
        embedded_sentences=embedding.new_sentences,
        embedding_seconds=round(embedding.seconds, 3),
        notes=cache.notes,
    )


def report_if_unchanged(
    source: Path, publication: Publication, model: str, settled: bool = False
) -> BuildReport | None:
    """Return the report of a build that finds nothing to do, or None where there is something; it needs no model.

    `model` is the identity of the embedding model; where it isn't known, None is returned. With `settled` there is
    nothing to do either where the sources are those that were last built, as after a rollback (see `build_if_stale`).

    Raises:
        InputError: the source folder is missing.
    """
    before = published_manifest(publication)
    if not model or not before:
        return None
    inputs = inputs_digest(read_source_files(source), model, Chunking())
    if inputs != before.inputs and not (settled and inputs == publication.settled()):
        return None
    try:
        publication.verify(before.version, read_again=False)
    except PublishedIndexError:
        return None
    return _report(before, before, published=False)


def build_if_stale(
    source: Path,
    publication: Publication,
    embedder: Embedder,
    progress: Progress = lambda step, done, total: None,
    suggest: Suggest = lambda index, progress: (),
) -> tuple[PublishedIndex, BuildReport | None]:
    """Return the published index, and the report of the build where one was due.

    It is due when nothing is published or the pointer to it is damaged, or when the sources differ from those that were
    last built: what was built and refused by a gate, or rolled back, is not built again until a source changes.

    Raises:
        IndexDamaged, IndexMismatch: the version that is published can't be used.
    """
    try:
        index = publication.open(embedder)
    except IndexMissing:
        pass
    except IndexDamaged:
        # A version whose files have changed is for somebody to look at; a pointer to nothing tells nobody anything.
        if publication.names_a_version:
            raise
    else:
        if publication.settled() == _inputs(read_source_files(source), embedder, Chunking()):
            return index, None
    report = build_index(source, publication, embedder, progress=progress, suggest=suggest)
    return publication.open(embedder), report


def published_manifest(publication: Publication) -> Manifest | None:
    """Return the manifest of the published version, or None where there is none that can be read."""
    try:
        return publication.manifest(publication.current_version())
    except PublishedIndexError:
        return None


def _inputs(files: Iterable[SourceFile], embedder: Embedder, chunking: Chunking) -> str:
    return inputs_digest(files, embedder.identity or embedder.name, chunking)


def _is_usable(publication: Publication, embedder: Embedder) -> bool:
    # Not only whole: a model of the same name may have got other weights since.
    try:
        publication.open(embedder)
    except PublishedIndexError:
        return False
    return True


def load_documents(
    files: list[SourceFile],
    progress: Progress = lambda step, done, total: None,
    cache: BuildCache | None = None,
) -> tuple[list[Document], dict[str, str]]:
    """Return the documents of all files that can be read, and of every other file the reason why not.

    A file that `cache` knows is not parsed again.

    Raises:
        TransientError: a file can't be read for a cause that may pass.
    """
    documents: list[Document] = []
    skipped: dict[str, str] = {}
    first_of_digest: dict[str, str] = {}
    with ParserProcess() as parser:
        for done, file in enumerate(files, 1):
            try:
                if file.reason:
                    raise InputError(file.reason)
                document = cache.document(file.doc_id, file.digest) if cache else None
                if document is None:
                    document = load_document(file, parser.parse)
                    if cache:
                        cache.keep_document(file.digest, document)
                twin = first_of_digest.setdefault(document.digest, file.doc_id)
                if twin != file.doc_id:
                    raise InputError(f"the same text as {twin}")
                documents.append(document)
            except TransientError:
                raise
            except InputError as error:
                skipped[file.doc_id] = str(error)
            progress("Reading", done, len(files))
    return documents, skipped


def _analyse(
    documents: list[Document], chunking: Chunking, cache: BuildCache, progress: Progress
) -> list[AnalysedPassage]:
    known = {document.doc_id: cache.passages(document, chunking) for document in documents}
    new = [document for document in documents if known[document.doc_id] is None]
    split = []
    for done, document in enumerate(new, 1):
        split.append(split_into_passages(document, chunking))
        progress("Splitting", done, len(new))
    done, total = 0, sum(len(passages) for passages in split)
    for document, passages in zip(new, split, strict=True):
        analysed = [_with_terms(passage) for passage in passages]
        cache.keep_passages(document, chunking, analysed)
        known[document.doc_id] = analysed
        done += len(passages)
        progress("Analysing", done, total)
    return [analysed for document in documents for analysed in known[document.doc_id] or ()]


def _embed(passages: list[Passage], embedder: Embedder, cache: BuildCache, progress: Progress) -> _Embedding:
    texts = [embedding_input(passage.context, passage.text) for passage in passages]
    texts += [_told(passage, sentence) for passage in passages for sentence in passage.sentences]
    vectors = np.empty((len(texts), embedder.dimension), dtype=np.float32)
    places: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        places.setdefault(text, []).append(at)
    new = []
    for text, found_at in places.items():
        vector = cache.vector(embedder.identity, text, embedder.dimension)
        if vector is None:
            new.append(text)
        else:
            vectors[found_at] = vector
    # Sorted by length a batch holds little padding, which is most of what embedding costs.
    new.sort(key=lambda text: -len(text))
    started = time.perf_counter()
    for start in range(0, len(new), _EMBEDDING_BATCH):
        batch = new[start : start + _EMBEDDING_BATCH]
        made = embedder.embed_passages(batch)
        cache.keep_vectors(embedder.identity, batch, made)
        for text, vector in zip(batch, made, strict=True):
            vectors[places[text]] = vector
        progress("Embedding", start + len(batch), len(new))
    new_passages = sum(places[text][0] < len(passages) for text in new)
    return _Embedding(
        passages=vectors[: len(passages)],
        sentences=vectors[len(passages) :],
        new_passages=new_passages,
        new_sentences=len(new) - new_passages,
        seconds=time.perf_counter() - started,
    )


def _revised(publication: Publication, manifest: Manifest, corpus: Corpus) -> dict[str, tuple[Span, ...]]:
    """Return what `Manifest.revised` holds of a version that is about to be written, by the versions that are kept."""
    revised: dict[str, set[Span]] = {}
    for earlier in publication.versions():
        for name, rewritten in earlier.revised.items():
            revised.setdefault(name, set()).update(rewritten)
        other = [name for name, digest in earlier.documents.items() if manifest.documents.get(name) != digest]
        for name in other:
            revised.setdefault(name, set())
        for name, quotations in publication.kept_quotations(earlier, manifest.documents.keys() & set(other)).items():
            if document := corpus.document(name):
                spans = corpus.citable_spans(name) & quotations.keys()
                revised[name].update(span for span in spans if document.text[slice(*span)] != quotations[span])
    return {name: tuple(sorted(spans)) for name, spans in sorted(revised.items())}


def _with_terms(passage: Passage) -> AnalysedPassage:
    sentence_terms = [search_terms(_told(passage, sentence)) for sentence in passage.sentences]
    return AnalysedPassage(passage, search_terms("\n".join(passage.context)), sentence_terms)


def _told(passage: Passage, sentence: Sentence) -> str:
    return f"{sentence.about}\n{passage.quote(sentence)}" if sentence.about else passage.quote(sentence)


def _lexical_terms(analysed: AnalysedPassage) -> list[str]:
    return analysed.context_terms + [term for terms in analysed.sentence_terms for term in terms]


def _report(before: Manifest | None, after: Manifest, published: bool, held: bool = False) -> BuildReport:
    old, new = before.documents if before else {}, after.documents
    gone = {digest: name for name, digest in old.items() if name not in new}
    renamed = {name: gone[digest] for name, digest in new.items() if name not in old and digest in gone}
    return BuildReport(
        version=after.version,
        published=published,
        held=held,
        added=sorted(new.keys() - old.keys() - renamed.keys()),
        changed=sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
        removed=sorted(old.keys() - new.keys() - set(renamed.values())),
        unchanged=sorted(name for name in new.keys() & old.keys() if new[name] == old[name]),
        skipped=after.skipped,
        passages=after.passages,
        sentences=after.sentences,
        renamed=renamed,
    )
