"""How many written sentences that documents support are shown, and how many that they don't.

    python -m eval.written_claims

`written_claims.jsonl` holds, for questions about `later_documents.json`, a Korean answer in free words that is true
and one that is false and made of the documents' words. `turned_claims.jsonl` holds short documents and, in five
languages, sentences about them: true ones, most of them near to the document, and such as say something else in its
words. Both were written without knowing how sentences are checked, and no weight is fitted on them, though rules were
chosen with a view of the former and of about half of the latter.
"""

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from eval.training_corpora import open_folder
from index.embedding import BUNDLED, OnnxEmbedder, SentenceTransformerEmbedder, load_embedder
from server.answerers.evidence import sentence_candidates
from server.answerers.verification import Verifier
from server.settings import Settings

FREE_CLAIMS = Path(__file__).with_name("written_claims.jsonl")
DOCUMENTS = Path(__file__).with_name("later_documents.json")
TURNED_CLAIMS = Path(__file__).with_name("turned_claims.jsonl")
PASSAGES_CITED = 3

TokenEmbedder = OnnxEmbedder | SentenceTransformerEmbedder


class Claim(NamedTuple):
    """What was written in answer to `question` about the document `title`; `group` says what is counted together."""

    title: str
    question: str
    language: str
    text: str
    is_supported: bool
    group: str


def main() -> None:
    """Print how many of each group are shown, and what holds back the others."""
    embedder = load_embedder(BUNDLED, Settings().model_cache)
    for load in (load_free, load_turned):
        with tempfile.TemporaryDirectory(prefix="mundap-claims-") as folder:
            found = measure(embedder, Path(folder), *load())
        for (group, is_supported), problems in sorted(found.items()):
            asked, shown = problems.total(), problems.pop("", 0)
            truth = "true" if is_supported else "false"
            print(f"{group:24} {truth:6} shown {shown} of {asked}; held back for {dict(problems.most_common())}")


def load_free(rows: int | None = None) -> tuple[dict[str, str], list[Claim]]:
    """Return documents by title, and the true and the false answer to each of the first questions, or of all."""
    texts = {
        entry["title"]: "\n\n".join(paragraph["context"] for paragraph in entry["paragraphs"])
        for entry in json.loads(DOCUMENTS.read_text(encoding="utf-8"))["data"]
    }
    claims = [
        Claim(row["document"], row["question"], "ko", row[kind], kind == "supported", "in free words")
        for row in map(json.loads, FREE_CLAIMS.read_text(encoding="utf-8").splitlines()[:rows])
        for kind in ("supported", "unsupported")
    ]
    return texts, claims


def load_turned(languages: Sequence[str] = ("ko", "en", "ja", "zh", "vi")) -> tuple[dict[str, str], list[Claim]]:
    """Return short documents by title, and the claims about them in `languages`."""
    rows = [json.loads(line) for line in TURNED_CLAIMS.read_text(encoding="utf-8").splitlines()]
    claims = [
        Claim(row["title"], one["text"], one["language"], one["text"], one["supported"], _group(one))
        for row in rows
        for one in row["claims"]
        if one["language"] in languages
    ]
    return {row["title"]: row["text"] for row in rows}, claims


def _group(claim: Mapping[str, str]) -> str:
    return f"{'Korean' if claim['language'] == 'ko' else 'other languages'}, {claim['kind']}"


def measure(
    embedder: TokenEmbedder, folder: Path, texts: Mapping[str, str], claims: Sequence[Claim]
) -> dict[tuple[str, bool], Counter[str]]:
    """Return which problems were found and how often, by group and whether it is true; "" in those shown.

    Each is held to the passages of its document that are found first for its question.
    """
    found: defaultdict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    for claim, problem in zip(claims, _problems(embedder, folder, texts, claims), strict=True):
        found[claim.group, claim.is_supported][problem.partition(":")[0]] += 1
    return found


def _problems(
    embedder: TokenEmbedder, folder: Path, texts: Mapping[str, str], claims: Sequence[Claim]
) -> Iterator[str]:
    source = folder / "source"
    source.mkdir()
    doc_ids = {title: f"{number}.md" for number, title in enumerate(dict.fromkeys(claim.title for claim in claims))}
    for title, doc_id in doc_ids.items():
        (source / doc_id).write_text(f"# {title}\n\n{texts[title]}\n", encoding="utf-8")
    retriever = open_folder(source, folder / "data", embedder)
    for claim in claims:
        others = set(doc_ids.values()) - {doc_ids[claim.title]}
        hits = retriever.search(claim.question, PASSAGES_CITED, exclude=others).hits
        cited = [sentence_candidates("", {}, [hit]) for hit in hits]
        yield Verifier(retriever.index, embedder).verify(claim.text, claim.language, cited).problem


if __name__ == "__main__":
    main()
