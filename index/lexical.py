"""The lexical index: BM25 over search terms; here in tantivy, in files of the version."""

import math
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import tantivy

from index.errors import IndexDamaged

FOLDER = "lexical"
# Of the files that tantivy writes whenever it opens an index; they hold nothing.
LOCK_SUFFIX = ".lock"

_TERMS = "terms"
_ORDINAL = "ordinal"
_WRITER_MEMORY = 64_000_000
# Questions repeat no term; a very long one is cut to the rarest, so that its cost is bounded.
_MAX_QUERY_TERMS = 64


class LexicalStore(Protocol):
    """Searches the passages of one version by their terms. Safe to use from several threads.

    Scores are BM25's with k1 = 1.2 and b = 0.75, idf as in `idf_of`, over terms made by `morphemes`. What is kept in a
    server raises `EngineUnavailable` where it can't be reached, or takes too long.
    """

    def __len__(self) -> int:
        """Return how many passages there are."""
        ...

    def idf(self, term: str) -> float:
        """Return BM25's weight of `term`; see `idf_of`."""
        ...

    def passages_with(self, term: str) -> int:
        """Return how many passages hold `term`."""
        ...

    def search(self, terms: list[str], top_k: int) -> dict[int, float]:
        """Return ordinal → BM25 score of the best `top_k` passages that hold any of `terms`, best first."""
        ...


def idf_of(passages: int, count: int) -> float:
    """Return ln(1 + (N - n + 0.5) / (n + 0.5)), BM25's weight of a term that n of N passages hold."""
    return math.log(1 + (passages - count + 0.5) / (count + 0.5))


def rarest_terms(terms: list[str], store: LexicalStore) -> list[str]:
    """Return those of the question's `terms` that `store` knows, each once, rarest first, at most 64."""
    known = {term for term in terms if store.passages_with(term)}
    return sorted(known, key=lambda term: (-store.idf(term), term))[:_MAX_QUERY_TERMS]


class Bm25Store:
    """BM25 with k1 = 1.2 and b = 0.75 as Lucene and tantivy define it; tantivy rounds the length of a passage."""

    def __init__(self, index: tantivy.Index) -> None:
        self._schema = index.schema
        self._searcher = index.searcher()

    @staticmethod
    def write(terms_by_passage: list[list[str]], folder: Path) -> None:
        """Write one entry a passage, in the order of ordinals, to `folder`."""
        path = folder / FOLDER
        path.mkdir()
        schema = tantivy.SchemaBuilder()
        schema.add_text_field(_TERMS, stored=False, tokenizer_name="whitespace", index_option="freq")
        schema.add_unsigned_field(_ORDINAL, stored=True, fast=True)
        index = tantivy.Index(schema.build(), path=str(path))
        writer = index.writer(_WRITER_MEMORY, num_threads=1)
        for ordinal, terms in enumerate(terms_by_passage):
            document = tantivy.Document()
            document.add_text(_TERMS, " ".join(terms))
            document.add_unsigned(_ORDINAL, ordinal)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()

    @classmethod
    def open(cls, folder: Path) -> "Bm25Store":
        """Open the index in `folder`, memory-mapped. Its digest must have been checked before."""
        path = (folder / FOLDER).resolve()
        try:
            with suppress(ValueError):
                return cls(tantivy.Index.open(str(path)))
            # tantivy writes locks beside what it opens: where that can't be written, beside links to it.
            with tempfile.TemporaryDirectory(prefix="mundap-", ignore_cleanup_errors=True) as links:
                for file in path.iterdir():
                    if file.suffix != LOCK_SUFFIX:
                        (Path(links) / file.name).symlink_to(file)
                return cls(tantivy.Index.open(links))
        except (OSError, ValueError) as error:
            raise IndexDamaged(
                f"The lexical index in {folder.name} can't be opened; run: mundap index build"
            ) from error

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def idf(self, term: str) -> float:
        """Return BM25's weight of `term`; see `idf_of`."""
        return idf_of(len(self), self.passages_with(term))

    def passages_with(self, term: str) -> int:
        """Return how many passages hold `term`."""
        return int(self._searcher.doc_freq(_TERMS, term))

    def search(self, terms: list[str], top_k: int) -> dict[int, float]:
        """Return ordinal → BM25 score of the best `top_k` passages that hold any of `terms`, best first."""
        known = rarest_terms(terms, self)
        if not known:
            return {}
        clauses = [
            (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, _TERMS, term, "freq")) for term in known
        ]
        found = self._searcher.search(tantivy.Query.boolean_query(clauses), limit=top_k, count=False)
        ordinals = self._searcher.fast_field_values(_ORDINAL, [address for _, address in found.hits])
        return {int(at or 0): score for at, (score, _) in zip(ordinals, found.hits, strict=True)}
