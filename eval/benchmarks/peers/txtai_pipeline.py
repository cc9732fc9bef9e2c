"""txtai's hybrid index as it is documented: its own ONNX vectors with the instructions of E5, FAISS, and BM25."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from txtai import Embeddings
from txtai.pipeline import Segmentation

from eval.benchmarks.peers.serving import TOP_K, Search, serve

# In characters: what the model reads at once, of Korean.
CHUNK = 800


def main() -> None:
    """Serve with the model in the folder that is named on the command line."""
    folder = Path(sys.argv[1])
    lengths = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
    split = Segmentation(chunker="recursive", tokenizer="character", chunk_size=CHUNK)
    models: dict[str, object] = {}

    def build(documents: dict[str, str]) -> Search:
        embeddings = Embeddings(
            path=str(folder / "onnx" / "model.onnx"),
            tokenizer=str(folder / "tokenizer.json"),
            maxlength=lengths["max_seq_length"],
            instructions={"query": "query: ", "data": "passage: "},
            hybrid=True,
            models=models,
        )
        pieces = [(doc_id, piece) for doc_id, text in documents.items() for piece in split(text)]
        owners = [doc_id for doc_id, _ in pieces]
        embeddings.index((number, piece) for number, (_, piece) in enumerate(pieces))

        def search(question: str) -> Iterable[str]:
            return [owners[number] for number, _ in embeddings.search(question, 3 * TOP_K)]

        return search

    serve(build, ("txtai", "onnxruntime", "faiss-cpu"))


if __name__ == "__main__":
    main()
