"""LlamaIndex's reciprocal rerank fusion of a FAISS index and bm25s, as its documentation builds it.

Documents are split by its sentence splitter to what the model reads at once; the embedding has the instructions of E5
and the ONNX backend, which its documentation recommends for speed on processors.
"""

import sys
from collections.abc import Iterable

import faiss
from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.retrievers.bm25 import BM25Retriever
from llama_index.vector_stores.faiss import FaissVectorStore

from eval.benchmarks.peers.serving import TOP_K, Search, serve


def main() -> None:
    """Serve with the model in the folder that is named on the command line."""
    embedding = HuggingFaceEmbedding(
        sys.argv[1], query_instruction="query: ", text_instruction="passage: ", embed_batch_size=32, backend="onnx"
    )

    def build(documents: dict[str, str]) -> Search:
        texts = [Document(text=text, id_=doc_id) for doc_id, text in documents.items()]
        nodes = SentenceSplitter(chunk_size=512, chunk_overlap=50).get_nodes_from_documents(texts)
        size = len(embedding.get_query_embedding("size"))
        storage = StorageContext.from_defaults(vector_store=FaissVectorStore(faiss.IndexFlatIP(size)))
        index = VectorStoreIndex(nodes, storage_context=storage, embed_model=embedding)
        dense = index.as_retriever(similarity_top_k=3 * TOP_K)
        lexical = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=3 * TOP_K, skip_stemming=True)
        # With one query no language model is asked for others.
        fusion = QueryFusionRetriever(
            [dense, lexical], llm=MockLLM(), similarity_top_k=3 * TOP_K, num_queries=1, mode="reciprocal_rerank",
            use_async=False,
        )  # fmt: skip

        def search(question: str) -> Iterable[str]:
            return [found.node.ref_doc_id or "" for found in fusion.retrieve(question)]

        return search

    serve(
        build, ("llama-index-core", "llama-index-retrievers-bm25", "sentence-transformers", "onnxruntime", "faiss-cpu")
    )


if __name__ == "__main__":
    main()
