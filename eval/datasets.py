"""Questions with what is known of their answers, and the documents that they are asked about."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from index.errors import InputError
from index.scripts import written_language

QUESTIONS = Path(__file__).with_name("questions.jsonl")
KINDS = (
    "factoid", "list", "who", "when", "where", "why", "how", "definition", "table", "paraphrase", "colloquial", "typo",
    "followup", "near", "offtopic", "adversarial", "smalltalk",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a dataset.

    `expect` is "answered", "abstain" or "smalltalk". `evidence` and `keys` are groups of alternatives, verbatim
    sentences and strings of the answer: a complete answer has one of each group. `answers` are whole answers as people
    would write them. `relevant` are the ids of the documents
    that hold the answer, `places` where in them its wordings begin, as code points, and `topic` names all documents of
    the same subject; all three are empty where the dataset has none.
    """

    question_id: str
    text: str
    language: str
    kind: str
    expect: str
    history: tuple[tuple[str, str], ...] = ()
    evidence: tuple[tuple[str, ...], ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
    answers: tuple[str, ...] = ()
    relevant: frozenset[str] = frozenset()
    places: frozenset[int] = frozenset()
    topic: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions and, by `doc_id`, the texts that they are asked about; without texts the published index is asked."""

    name: str
    questions: tuple[Question, ...]
    corpus: dict[str, str] = field(default_factory=dict, repr=False)

    def documents_of(self, topic: str) -> list[str]:
        """Return the ids of all documents of one topic."""
        return [doc_id for doc_id in self.corpus if doc_id.split("/")[0] == topic]

    def write_corpus(self, folder: Path) -> None:
        """Write the corpus as a source folder that the pipeline can read."""
        for doc_id, text in self.corpus.items():
            path = folder / doc_id
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def load_dataset(spec: str) -> Dataset:
    """Load the dataset that `spec` names: `gold`, `squad:FILE`, `beir:DIR` or `autorag:QA.parquet,CORPUS.parquet`.

    Raises:
        InputError: there is no such form, or a file is missing or malformed; the message says where.
    """
    form, _, place = spec.partition(":")
    if form not in _LOADERS or bool(place) == (form == "gold"):
        raise InputError(
            f"There is no dataset {spec}; use gold, squad:FILE, beir:DIR or autorag:QA.parquet,CORPUS.parquet"
        )
    dataset = _LOADERS[form](place)
    if not dataset.questions:
        raise InputError(f"The dataset {spec} holds no questions")
    twice = [name for name, count in Counter(q.question_id for q in dataset.questions).items() if count > 1]
    if twice:
        raise InputError(f"The dataset {spec} has two questions of the id {twice[0]}")
    return dataset


# ----- the project's own questions -----------------------------------------------------------------------------------


def load_gold(path: Path = QUESTIONS) -> Dataset:
    """Load the project's own questions.

    Raises:
        InputError: a line is not of the documented form.
    """
    return Dataset("gold", tuple(_json_lines(path, _gold_question)))


def _gold_question(row: dict[str, Any]) -> Question:
    return Question(
        _text(row, "id"), _text(row, "question"), _text(row, "lang"), _text(row, "kind"), _text(row, "expect"),
        tuple((_text(turn, "role"), _text(turn, "content")) for turn in row["history"]),
        tuple(_texts(group) for group in row["evidence"]), tuple(_texts(group) for group in row["keys"]),
        split=_text(row, "split"),
    )  # fmt: skip


def check_gold(dataset: Dataset, texts: dict[str, str]) -> list[str]:
    """Return what is wrong with the project's own questions, given the texts of the documents by `doc_id`."""
    problems = []
    seen: set[object] = set()
    everything = "\n".join(texts.values())
    for q in dataset.questions:
        faults = {
            "its id stands twice": q.question_id in seen,
            "the same question with the same history stands twice": (q.text, q.history) in seen,
            f"unknown kind {q.kind}": q.kind not in KINDS,
            f"unknown language {q.language}": q.language not in ("ko", "en", "ja", "zh", "vi"),
            f"unknown expectation {q.expect}": q.expect not in ("answered", "abstain", "smalltalk"),
            "neither in the tuning nor in the test part": q.split not in ("tune", "test"),
            "an answerable question needs evidence and keys": q.expect == "answered" and not (q.evidence and q.keys),
            "only an answerable question has evidence and keys": q.expect != "answered" and bool(q.evidence or q.keys),
            "the question must have 1 to 500 characters": not 0 < len(q.text) <= 500,
        }
        problems += [f"{q.question_id}: {fault}" for fault, is_so in faults.items() if is_so]
        seen |= {q.question_id, (q.text, q.history)}
        sentences = [sentence for group in q.evidence for sentence in group]
        problems += [f"{q.question_id}: no document has: {s}" for s in sentences if s not in everything]
        told = squeeze("\n".join(sentences))
        problems += [
            f"{q.question_id}: no evidence has any of {group}"
            for group in q.keys
            if not any(squeeze(key) in told for key in group)
        ]
    return problems


def squeeze(text: str) -> str:
    """Return `text` without white space and case, as answer strings are compared."""
    return "".join(text.casefold().split())


# ----- public forms --------------------------------------------------------------------------------------------------


def load_squad(path: Path) -> Dataset:
    """Load SQuAD 1.1 or 2.0, KorQuAD 1.0 or a set of the same form; each paragraph becomes a document under its title.

    Raises:
        InputError: the file is not of that form.
    """
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a file of SQuAD's form: {_reason(error)}") from error
    corpus: dict[str, str] = {}
    ids_by_text: dict[str, str] = {}
    questions: list[Question] = []
    place = "data"
    try:
        for topic, article in enumerate(articles):
            place = f"data[{topic}]"
            title = _text(article, "title").replace("_", " ")
            for number, paragraph in enumerate(article["paragraphs"]):
                place = f"data[{topic}].paragraphs[{number}]"
                doc_id = ids_by_text.setdefault(_text(paragraph, "context"), f"{topic:04d}/{number:04d}.txt")
                corpus.setdefault(doc_id, f"{title}\n\n{paragraph['context']}")
                questions += _squad_questions(paragraph, doc_id, corpus[doc_id])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: {place}: {_reason(error)}") from error
    return Dataset(f"squad:{path.name}", tuple(questions), corpus)


def _squad_questions(paragraph: dict[str, Any], doc_id: str, text: str) -> Iterator[Question]:
    before = len(text) - len(paragraph["context"])
    for qa in paragraph["qas"]:
        answers = tuple(dict.fromkeys(_text(answer, "text") for answer in qa["answers"]))
        impossible = qa.get("is_impossible", False) or not answers
        told = ((before + int(answer.get("answer_start", 0)), answer["text"]) for answer in qa["answers"])
        yield Question(
            question_id=str(qa["id"]),
            text=_text(qa, "question"),
            language=written_language(qa["question"]) or "en",
            kind="impossible" if impossible else "answerable",
            expect="abstain" if impossible else "answered",
            keys=() if impossible else (answers,),
            answers=() if impossible else answers,
            relevant=frozenset() if impossible else frozenset({doc_id}),
            places=frozenset() if impossible else frozenset(at for at, key in told if text.startswith(key, at)),
            topic=doc_id.split("/")[0],
        )


def load_beir(folder: Path) -> Dataset:
    """Load a folder in BEIR's form: corpus.jsonl, queries.jsonl and qrels/test.tsv (or any other split there).

    Raises:
        InputError: a file is missing or malformed.
    """
    corpus, doc_ids = _merged(_json_lines(folder / "corpus.jsonl", _beir_document))
    asked = dict(_json_lines(folder / "queries.jsonl", lambda row: (str(row["_id"]), _text(row, "text"))))
    judgements = next(
        (p for name in ("test", "dev", "train") if (p := folder / "qrels" / f"{name}.tsv").is_file()), None
    )
    if judgements is None:
        raise InputError(f"{folder}: qrels/test.tsv is missing")
    relevant: dict[str, set[str]] = {}
    for number, row in enumerate(csv.reader(_read(judgements).splitlines(), delimiter="\t"), 1):
        if number == 1 and row[-1:] and not row[-1].isdigit():
            continue
        if len(row) != 3 or row[0] not in asked or row[1] not in doc_ids or not row[2].lstrip("-").isdigit():
            raise InputError(f"{judgements}:{number}: not a query, a document of the corpus and a score")
        if int(row[2]) > 0:
            relevant.setdefault(row[0], set()).add(doc_ids[row[1]])
    questions = tuple(
        Question(
            own, asked[own], written_language(asked[own]) or "en", "answerable", "answered", relevant=frozenset(ids)
        )
        for own, ids in relevant.items()
    )
    return Dataset(f"beir:{folder.name}", questions, corpus)


def _beir_document(row: dict[str, Any]) -> tuple[str, str]:
    title = _text(row, "title") if row.get("title") else ""
    return str(row["_id"]), f"{title}\n\n{_text(row, 'text')}" if title else _text(row, "text")


def _merged(documents: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts by new id, equal ones once as the pipeline keeps them, and the new id of each own id."""
    corpus: dict[str, str] = {}
    new_ids: dict[str, str] = {}
    ids_by_text: dict[str, str] = {}
    for number, (own, text) in enumerate(documents):
        new_ids[own] = ids_by_text.setdefault(text, f"{number:06d}.txt")
        corpus.setdefault(new_ids[own], text)
    return corpus, new_ids


def load_autorag(places: str) -> Dataset:
    """Load AutoRAG's two files: QA (qid, query, retrieval_gt, generation_gt) and corpus (doc_id, contents).

    Raises:
        InputError: a file is missing or malformed.
    """
    qa_path, comma, corpus_path = places.partition(",")
    if not comma:
        raise InputError(f"autorag:{places}: name two files, QA.parquet,CORPUS.parquet")

    def document(row: dict[str, Any]) -> tuple[str, str]:
        return str(row["doc_id"]), _text(row, "contents")

    corpus, doc_ids = _merged(_parquet_rows(Path(corpus_path), ["doc_id", "contents"], document))

    def question(row: dict[str, Any]) -> Question:
        relevant = frozenset(doc_ids[str(own)] for group in row["retrieval_gt"] for own in group)
        text = _text(row, "query")
        # Their answers are written, not quoted, so they are no keys.
        answers = _texts(row["generation_gt"])
        language = written_language(text) or "en"
        return Question(str(row["qid"]), text, language, "answerable", "answered", answers=answers, relevant=relevant)

    columns = ["qid", "query", "retrieval_gt", "generation_gt"]
    questions = tuple(_parquet_rows(Path(qa_path), columns, question))
    return Dataset(f"autorag:{Path(qa_path).name}", questions, corpus)


# ----- reading rows, each error with its place -----------------------------------------------------------------------

Row = TypeVar("Row")


def _parquet_rows(path: Path, columns: list[str], parse: Callable[[dict[str, Any]], Row]) -> list[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path, columns=columns).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        wanted = ", ".join(columns)
        raise InputError(f"{path}: not a Parquet file with the columns {wanted}: {_reason(error)}") from error
    return [_parsed(row, parse, f"{path}: row {number}") for number, row in enumerate(rows)]


def _json_lines(path: Path, parse: Callable[[dict[str, Any]], Row]) -> list[Row]:
    def parse_line(line: str) -> Row:
        return parse(json.loads(line))

    # Not splitlines(), which would cut a valid line at U+2028.
    lines = enumerate(_read(path).split("\n"), 1)
    return [_parsed(line, parse_line, f"{path}:{number}") for number, line in lines if line.strip()]


def _parsed(row: Any, parse: Callable[[Any], Row], place: str) -> Row:
    try:
        return parse(row)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{place}: {_reason(error)}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {_reason(error)}") from error


def _text(row: dict[str, Any], key: str) -> str:
    value = row[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} must be text")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("a list of texts is expected")
    return tuple(values)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


_LOADERS: dict[str, Callable[[str], Dataset]] = {
    "gold": lambda place: load_gold(),
    "squad": lambda place: load_squad(Path(place)),
    "beir": lambda place: load_beir(Path(place)),
    "autorag": load_autorag,
}
