"""Haystack's hybrid retrieval, as its tutorial builds it, but for the ranker: what is compared is what is retrieved.

The in-memory store is the tutorial's, and splits Korean into characters for BM25; documents are split with the
splitter's defaults; the embedders have the prefixes of E5 and the ONNX backend, which their documentation recommends
for speed on processors.
"""

import sys
from collections.abc import Iterable

from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

from eval.benchmarks.peers.serving import TOP_K, Search, serve


def main() -> None:
    """Serve with the model in the folder that is named on the command line."""
    options = {"model": sys.argv[1], "backend": "onnx", "progress_bar": False, "local_files_only": True}
    document_embedder = SentenceTransformersDocumentEmbedder(prefix="passage: ", **options)
    text_embedder = SentenceTransformersTextEmbedder(prefix="query: ", **options)
    document_embedder.warm_up()
    text_embedder.warm_up()

    store = InMemoryDocumentStore(embedding_similarity_function="cosine", shared=False)
    indexing = Pipeline()
    indexing.add_component("splitter", DocumentSplitter())
    indexing.add_component("embedder", document_embedder)
    indexing.add_component("writer", DocumentWriter(store))
    indexing.connect("splitter", "embedder")
    indexing.connect("embedder", "writer")
    asking = Pipeline()
    asking.add_component("embedder", text_embedder)
    asking.add_component("dense", InMemoryEmbeddingRetriever(store, top_k=3 * TOP_K))
    asking.add_component("lexical", InMemoryBM25Retriever(store, top_k=3 * TOP_K))
    asking.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=3 * TOP_K))
    asking.connect("embedder.embedding", "dense.query_embedding")
    asking.connect("dense", "joiner")
    asking.connect("lexical", "joiner")

    def build(documents: dict[str, str]) -> Search:
        store.delete_documents([document.id for document in store.filter_documents()])
        texts = [Document(content=text, meta={"doc_id": doc_id}) for doc_id, text in documents.items()]
        indexing.run({"splitter": {"documents": texts}})
        return search

    def search(question: str) -> Iterable[str]:
        found = asking.run({"embedder": {"text": question}, "lexical": {"query": question}})
        return [document.meta["doc_id"] for document in found["joiner"]["documents"]]

    serve(build, ("haystack-ai", "sentence-transformers-haystack", "sentence-transformers", "onnxruntime"))


if __name__ == "__main__":
    main()
