"""How many sentences of documents are shown as they are, and altered in one thing: `python -m eval.altered_sentences`.

A language model that copies its source but for one word writes what is nearest to the truth and false. Here nothing has
been fitted: the altered sentences are made from `agency_documents.json` by rules, the same ones in each run.
"""

import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.training_corpora import open_folder
from index.embedding import BUNDLED, OnnxEmbedder, SentenceTransformerEmbedder, load_embedder
from index.morphemes import noun_phrases
from index.publication import PublishedIndex
from index.scripts import HANGUL
from server.answerers.evidence import Candidate, sentence_candidates
from server.answerers.verification import Verifier
from server.settings import Settings

DOCUMENTS = Path(__file__).with_name("agency_documents.json")
SENTENCES_A_DOCUMENT = 5
# Without signs of lists before it, whose numbers say nothing.
_WHOLE = re.compile(r"[가-힣].{28,148}다\.")
_NUMBER = re.compile(r"\d+")
_DENIALS = (
    ("하였다.", "하지 않았다."), ("했다.", "하지 않았다."), ("한다.", "하지 않는다."), ("된다.", "되지 않는다."),
    ("있다.", "없다."), ("이다.", "이 아니다."),
)  # fmt: skip
_TIMES = (
    ("할 예정이다.", "했다."), ("할 계획이다.", "했다."), ("될 예정이다.", "됐다."), ("하였다.", "할 예정이다."),
    ("했다.", "할 예정이다."), ("됐다.", "될 예정이다."),
)  # fmt: skip
_QUALIFIERS = ("반드시", "전부", "무조건", "항상", "즉시", "오직", "전액", "무상으로")


@dataclass(frozen=True, slots=True)
class Material:
    """A sentence, nouns of the passage around it that it hasn't, and nouns of other documents."""

    sentence: str
    nearby: Sequence[str]
    foreign: Sequence[str]


Alteration = Callable[[Material, random.Random], str]


def main() -> None:
    """Print which share of the sentences is shown as it stands, and of each alteration."""
    embedder = load_embedder(BUNDLED, Settings().model_cache)
    sentences = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory(prefix="mundap-altered-") as folder:
        for name, (shown, asked, examples) in measure(embedder, Path(folder), sentences).items():
            print(f"{name:16} shown {shown:4} of {asked:4} ({shown / asked:.1%})")
            if name != "as_it_stands":
                print("".join(f"    {example}\n" for example in examples[:3]), end="")


def measure(
    embedder: OnnxEmbedder | SentenceTransformerEmbedder, folder: Path, sentences: int
) -> dict[str, tuple[int, int, list[str]]]:
    """Return by alteration how many were shown, out of how many, and which, from `sentences` sentences at the most."""
    index, materials = _materials(embedder, folder, sentences)
    figures: dict[str, tuple[int, int, list[str]]] = {}
    chance = random.Random(1)  # noqa: S311 - nothing secret
    for material, passage in materials:
        for name, alter in ALTERATIONS.items():
            altered = alter(material, chance)
            if not altered or (altered == material.sentence) != (name == "as_it_stands"):
                continue
            support = Verifier(index, embedder).verify(altered, "ko", [passage])
            shown, asked, examples = figures.get(name, (0, 0, []))
            figures[name] = (shown + (not support.problem), asked + 1, examples)
            if (not support.problem) != (name == "as_it_stands"):
                examples.append(altered + (f" [{support.problem}]" if support.problem else ""))
    return figures


def _materials(
    embedder: OnnxEmbedder | SentenceTransformerEmbedder, folder: Path, sentences: int
) -> tuple[PublishedIndex, list[tuple[Material, list[Candidate]]]]:
    """Index Korean documents, and choose sentences that say something, some of each, with the passages they are in."""
    texts = [
        paragraph["context"]
        for entry in json.loads(DOCUMENTS.read_text(encoding="utf-8"))["data"]
        for paragraph in entry["paragraphs"]
        if HANGUL.search(entry["title"])
    ][: -(-sentences // SENTENCES_A_DOCUMENT)]
    source = folder / "source"
    source.mkdir()
    for number, text in enumerate(texts):
        (source / f"{number:03}.txt").write_text(text, encoding="utf-8")
    retriever = open_folder(source, folder / "data", embedder)
    index = retriever.index
    nouns = [sorted(set(_nouns(text))) for text in texts]
    chance = random.Random(0)  # noqa: S311 - nothing secret
    found = []
    for number in range(len(texts)):
        passages = [stored.passage for stored in index.corpus.passages(index.corpus.ordinals_of([f"{number:03}.txt"]))]
        told = [passage.quote(sentence) for passage in passages for sentence in passage.sentences]
        whole = [text for text in told if _WHOLE.fullmatch(text)]
        for text in chance.sample(whole, min(SENTENCES_A_DOCUMENT, len(whole))):
            hits = [hit for hit in retriever.search(text, 10).hits if text in hit.passage.text]
            if not hits:
                continue
            nearby = sorted({noun for noun in _nouns(hits[0].passage.text) if noun not in text})
            foreign = [noun for noun in nouns[number - 1] if noun not in texts[number]]
            found.append((Material(text, nearby, foreign), sentence_candidates("", {}, hits[:1])))
    return index, found


def _nouns(text: str) -> list[str]:
    # One of a single syllable stands in other words too.
    return [noun for noun in noun_phrases(text) if len(noun) > 1]


# ----- what is altered -----------------------------------------------------------------------------------------------


def _replace_noun(others: Callable[[Material], Sequence[str]]) -> Alteration:
    def alter(material: Material, chance: random.Random) -> str:
        nouns = _nouns(material.sentence)
        if not nouns or not others(material):
            return ""
        return material.sentence.replace(chance.choice(nouns), chance.choice(others(material)), 1)

    return alter


def _exchange_nouns(material: Material, chance: random.Random) -> str:
    nouns = sorted(set(_nouns(material.sentence)))
    if len(nouns) < 2:
        return ""
    one, other = chance.sample(nouns, 2)
    if one in other or other in one:
        return ""
    return "".join({one: other, other: one}.get(part, part) for part in re.split(f"({one}|{other})", material.sentence))


def _change_number(material: Material, chance: random.Random) -> str:
    found = list(_NUMBER.finditer(material.sentence))
    if not found:
        return ""
    number = chance.choice(found)
    changed = str(int(number.group()) + chance.choice((1, 2, 10)))
    return material.sentence[: number.start()] + changed + material.sentence[number.end() :]


def _change_end(endings: Sequence[tuple[str, str]]) -> Alteration:
    def alter(material: Material, _chance: random.Random) -> str:
        for before, after in endings:
            if material.sentence.endswith(before):
                return material.sentence.removesuffix(before) + after
        return ""

    return alter


def _qualify(material: Material, chance: random.Random) -> str:
    before, space, last = material.sentence.rpartition(" ")
    return f"{before} {chance.choice(_QUALIFIERS)}{space}{last}"


ALTERATIONS: dict[str, Alteration] = {
    "as_it_stands": lambda material, chance: material.sentence,
    "foreign_noun": _replace_noun(lambda material: material.foreign),
    "nearby_noun": _replace_noun(lambda material: material.nearby),
    "nouns_exchanged": _exchange_nouns,
    "number": _change_number,
    "denied": _change_end(_DENIALS),
    "other_time": _change_end(_TIMES),
    "qualified": _qualify,
}


if __name__ == "__main__":
    main()
