"""Mundap's own build and search."""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from eval.benchmarks.peers.serving import TOP_K, Search, serve
from eval.datasets import Dataset
from index import morphemes
from index.build import build_index
from index.embedding import OnnxEmbedder
from index.publication import Publication
from index.retriever import Retriever


def main() -> None:
    """Serve with the model in the folder that is named on the command line."""
    embedder = OnnxEmbedder(Path(sys.argv[1]))
    morphemes.warm_up()
    work = Path(tempfile.mkdtemp())

    def build(documents: dict[str, str]) -> Search:
        folder = Path(tempfile.mkdtemp(dir=work))
        Dataset("", (), documents).write_corpus(folder / "source")
        publication = Publication(folder / "data")
        build_index(folder / "source", publication, embedder)
        retriever = Retriever(publication.open(embedder), embedder)

        def search(question: str) -> Iterable[str]:
            return (hit.passage.doc_id for hit in retriever.search(question, 3 * TOP_K).hits)

        return search

    serve(build, ("mundap", "onnxruntime", "faiss-cpu", "tantivy", "kiwipiepy"))


if __name__ == "__main__":
    main()
