"""How many answers that documents support are shown, and how many that they don't: `python -m eval.written_claims`.

`written_claims.jsonl` holds, for questions about `unseen_documents.json`, a Korean answer in free words that is true
and one that is false and made of the documents' words. They were written without knowing how sentences are checked, and
no weight is fitted on them, though rules were chosen with a view of them.
"""

import json
import tempfile
from collections import Counter
from pathlib import Path

from eval.training_corpora import open_folder
from index.embedding import BUNDLED, OnnxEmbedder, SentenceTransformerEmbedder, load_embedder
from server.answerers.evidence import sentence_candidates
from server.answerers.verification import Verifier
from server.settings import Settings

CLAIMS = Path(__file__).with_name("written_claims.jsonl")
DOCUMENTS = Path(__file__).with_name("unseen_documents.json")
KINDS = ("supported", "unsupported")
PASSAGES_CITED = 3


def main() -> None:
    """Print how many of each kind are shown, and what holds back the others."""
    embedder = load_embedder(BUNDLED, Settings().model_cache)
    with tempfile.TemporaryDirectory(prefix="mundap-claims-") as folder:
        for kind, problems in measure(embedder, Path(folder)).items():
            asked, shown = problems.total(), problems.pop("", 0)
            print(f"{kind:12} shown {shown} of {asked}; held back for {dict(problems.most_common())}")


def measure(
    embedder: OnnxEmbedder | SentenceTransformerEmbedder, folder: Path, claims: int | None = None
) -> dict[str, Counter[str]]:
    """Return by kind what was found in the first `claims` answers, or all, and how often; "" where they are shown.

    Each is held to the passages of its document that are found first for its question.
    """
    rows = [json.loads(line) for line in CLAIMS.read_text(encoding="utf-8").splitlines()][:claims]
    source = folder / "source"
    source.mkdir()
    texts = {
        entry["title"]: "\n\n".join(paragraph["context"] for paragraph in entry["paragraphs"])
        for entry in json.loads(DOCUMENTS.read_text(encoding="utf-8"))["data"]
    }
    doc_ids = {title: f"{number}.md" for number, title in enumerate(dict.fromkeys(row["document"] for row in rows))}
    for title, doc_id in doc_ids.items():
        (source / doc_id).write_text(f"# {title}\n\n{texts[title]}\n", encoding="utf-8")
    retriever = open_folder(source, folder / "data", embedder)
    found: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for row in rows:
        others = set(doc_ids.values()) - {doc_ids[row["document"]]}
        hits = retriever.search(row["question"], PASSAGES_CITED, exclude=others).hits
        cited = [sentence_candidates("", {}, [hit]) for hit in hits]
        verifier = Verifier(retriever.index, embedder)
        for kind in KINDS:
            problem = verifier.verify(row[kind], "ko", cited).problem
            found[kind][_name(problem)] += 1
    return found


def _name(problem: str) -> str:
    """Return what a problem is, without what it is about: "number 3 day; date …" is "number"."""
    whole = ("turned round", "belongs to something else", "exchanged words", "words that are kept apart", "too far")
    return next((name for name in whole if problem.startswith(name)), problem.split(" ")[0])


if __name__ == "__main__":
    main()
