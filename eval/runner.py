"""Asks a dataset's questions of the chat that ships, and keeps what came of each."""

import resource
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from eval import metrics
from eval.datasets import Dataset, Question, check_gold, squeeze
from eval.metrics import Figure
from index.build import Progress as BuildProgress
from index.build import build_index
from index.documents import Passage
from index.errors import InputError, QuestionError
from index.publication import Publication
from index.retriever import Retriever
from index.scripts import written_language
from server.answer import Answer, AnswerStatus
from server.answerers.verification import Verifier
from server.chat import Chat, Models
from server.conversation import Turn

RETRIEVED = 10
STAGES = ("embed", "search", "answer", "total")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Record:
    """What came of one question. `mode` is "asked", or "near" and "far" when what answers it was hidden before.

    `values` are per-question figures by name; `retrieved` are passage ids, best first.
    """

    question_id: str
    mode: str
    question: str
    language: str
    kind: str
    split: str
    expect: str
    expected: tuple[tuple[str, ...], ...]
    status: str
    confidence: float
    quotes: tuple[str, ...]
    retrieved: tuple[str, ...]
    values: dict[str, float]
    timings_ms: dict[str, float] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether the documents were said to answer."""
        return self.status == AnswerStatus.ANSWERED

    @property
    def key(self) -> str:
        """What tells this record from all others of a run."""
        return f"{self.question_id} {self.mode}"

    @property
    def failed(self) -> bool:
        """Whether a person would call it wrong: not answered though it should be, wrongly, or though it should not."""
        if self.expect == "answered":
            return self.values.get("right", 0.0) < 1.0
        return self.answered if self.expect == "abstain" else self.status != AnswerStatus.SMALLTALK


@contextmanager
def open_dataset(
    dataset: Dataset,
    served: Chat | None,
    models: Models,
    progress: BuildProgress = lambda step, done, total: None,
) -> Iterator[Chat]:
    """Yield the chat to ask: the served one, or one over the dataset's own corpus, indexed by the shipped pipeline.

    Raises:
        InputError: the project's own questions are about documents that the index doesn't hold.
    """
    if served and not dataset.corpus:
        texts = {summary.doc_id: served.document(summary.doc_id).text for summary in served.index.corpus.documents()}
        problems = check_gold(dataset, texts)
        if problems:
            raise InputError(f"The questions don't fit the indexed documents ({len(problems)} problems): {problems[0]}")
        yield served
        return
    with tempfile.TemporaryDirectory(prefix="mundap-eval-") as folder:
        source = Path(folder) / "source"
        dataset.write_corpus(source)
        publication = Publication(Path(folder) / "data")
        report = build_index(source, publication, models.embedder, progress=progress)
        if report.skipped:
            doc_id, reason = next(iter(report.skipped.items()))
            raise InputError(f"The dataset {dataset.name} has documents that can't be indexed: {doc_id}: {reason}")
        yield Chat(Retriever(publication.open(models.embedder), models.embedder), models.reader, models.writer)


def run(dataset: Dataset, chat: Chat, task: str = "all", progress: Progress = lambda done, total: None) -> list[Record]:
    """Ask every question and, where the dataset has a corpus, again with what answers it hidden: near and far."""
    modes = ("asked", "near", "far") if dataset.corpus and task != "retrieval" else ("asked",)
    jobs = [(q, mode) for q in dataset.questions for mode in modes if mode == "asked" or q.expect == "answered"]
    records = []
    for done, (question, mode) in enumerate(jobs, 1):
        hidden = _hidden(dataset, question, mode)
        history = [Turn(*turn) for turn in question.history]
        try:
            answer = chat.answer_question(question.text, history, exclude=hidden)
        except QuestionError:
            # One that can't be asked, too long say, is a question without an answer, not the end of the run.
            answer = Answer("", AnswerStatus.REFUSED, question.language, "", chat.index.manifest.version)
        records.append(_record(question, mode, answer, chat, task))
        progress(done, len(jobs))
    return records


def _hidden(dataset: Dataset, question: Question, mode: str) -> Sequence[str]:
    if mode == "near":
        return sorted(question.relevant)
    if mode == "far":
        return dataset.documents_of(question.topic) if question.topic else sorted(question.relevant)
    return ()


def _record(question: Question, mode: str, answer: Answer, chat: Chat, task: str) -> Record:
    expect = question.expect if mode == "asked" else "abstain"
    passages = [hit.passage for hit in answer.retrieval.hits] if answer.retrieval else []
    values: dict[str, float] = {}
    if expect == "answered" and task in ("all", "retrieval"):
        values |= metrics.ranking_values(passages, _relevant_passages(question, chat))
    if task in ("all", "answer"):
        values |= _answer_values(question, expect, answer, chat)
    return Record(
        question.question_id, mode, question.text, question.language, question.kind, question.split, expect,
        question.keys or tuple((text,) for text in question.answers), answer.status.value, round(answer.confidence, 4),
        tuple(citation.quote for citation in answer.citations),
        tuple(passage.passage_id for passage in passages[:RETRIEVED]), values, answer.timings_ms,
    )  # fmt: skip


def _relevant_passages(question: Question, chat: Chat) -> list[Passage]:
    """Return the passages that hold an evidence sentence or an answer string.

    Only those of the relevant documents, where these are known; a relevant document without any
    such string is relevant as a whole.
    """
    corpus = chat.index.corpus
    ordinals = corpus.ordinals_of(question.relevant) if question.relevant else range(chat.index.manifest.passages)
    passages = [stored.passage for stored in corpus.passages(ordinals)]
    strings = [squeeze(string) for group in question.evidence or question.keys for string in group]
    holding = [passage for passage in passages if any(string in squeeze(passage.text) for string in strings)]
    return holding or (passages if question.relevant else [])


def _answer_values(question: Question, expect: str, answer: Answer, chat: Chat) -> dict[str, float]:
    quotes = [citation.quote for citation in answer.citations]
    answered = answer.status is AnswerStatus.ANSWERED
    values = {"answered": float(answered)}
    if answered:
        exact = [chat.document(c.doc_id).text[c.start : c.end] == c.quote for c in answer.citations]
        values["quote_exactness"] = float(bool(exact) and all(exact))
        if chat.writer:
            values |= _written_values(question, expect, answer, Verifier(chat.index, chat.writer.embedder))
    if expect != "answered":
        return values
    if question.keys:
        ranked = [candidate.text for candidate in answer.ranked]
        values["sentence@1"] = float(metrics.key_recall(question, ranked[:1]) == 1.0)
        values["sentence@3"] = float(metrics.key_recall(question, ranked[:3]) == 1.0)
        values["key_recall"] = metrics.key_recall(question, quotes)
        values["right"] = float(values["key_recall"] == 1.0)
    elif question.relevant:
        values["right"] = float(any(citation.doc_id in question.relevant for citation in answer.citations))
    if question.answers:
        prediction = _prediction(answer)
        values["exact_match"] = metrics.exact_match(prediction, question.answers)
        values["character_f1"] = metrics.character_f1(prediction, question.answers)
    if question.evidence and answered:
        values |= metrics.citation_values(question, quotes)
    return values


def _written_values(question: Question, expect: str, answer: Answer, verifier: Verifier) -> dict[str, float]:
    """Return what is measured of an answer that a language model should have written.

    `fallback`: whether it is the extractive one after all. Of its written sentences, the share that is not supported
    by the checker's own criteria when they are checked again, as shown; whose numbers are altered; and whose citations
    hold no sentence of the gold evidence, which knows nothing of the checker. Where they are in the language of the
    documents, `written_key_recall` is the share of the gold keys that stand in them.
    """
    values = {"fallback": float(answer.mode == "extractive")}
    if answer.mode == "extractive":
        return values
    gold = {squeeze(sentence) for group in question.evidence for sentence in group}
    unverified, altered, unsupported = 0, 0, 0
    for sentence in answer.sentences:
        cited = [citation for citation in answer.citations if citation.n in sentence.citations]
        quotes = [citation.quote for citation in cited]
        passages = [
            [candidate for candidate in answer.ranked if candidate.hit.passage.passage_id == passage_id]
            for passage_id in dict.fromkeys(citation.passage_id for citation in cited)
        ]
        unverified += bool(verifier.verify(sentence.text, answer.lang, passages).problem)
        altered += metrics.altered_numbers(sentence.text, quotes)
        unsupported += not gold & {squeeze(quote) for quote in quotes}
    count = len(answer.sentences)
    values |= {"unverified_sentences": unverified / count, "altered_numbers": altered / count}
    if question.evidence and expect == "answered":
        values["unsupported_sentences"] = unsupported / count
    if question.keys and expect == "answered" and written_language(answer.citations[0].quote) == answer.lang:
        values["written_key_recall"] = metrics.key_recall(question, [sentence.text for sentence in answer.sentences])
    return values


def _prediction(answer: Answer) -> str:
    """Return the phrase that answers where one is named, else what is quoted."""
    named = [c.quote[c.focus[0] : c.focus[1]] for c in answer.citations if c.focus]
    return named[0] if named else " ".join(citation.quote for citation in answer.citations)


# ----- figures of a run ----------------------------------------------------------------------------------------------


def summarise(records: Sequence[Record]) -> dict[str, Figure]:
    """Return the headline figures of a run, each with its interval."""
    figures = {}
    for name in sorted({name for record in records for name in record.values} - {"answered"}):
        figures[name] = metrics.figure([record.values[name] for record in records if name in record.values])
    answerable = [record for record in records if record.expect == "answered" and "answered" in record.values]
    if answerable:
        figures["answer_rate"] = metrics.figure([float(record.answered) for record in answerable])
    for group, asked in _unanswerable(records).items():
        figures[f"false_answers_{group}"] = metrics.figure([float(record.answered) for record in asked])
        if answerable and group in ("near", "far"):
            known, unknown = [r.confidence for r in answerable], [r.confidence for r in asked]
            figures[f"auroc_{group}"] = metrics.area_under_curve(known, unknown)
            figures[f"false_answers_{group}_at_90"] = metrics.false_answers_at(0.9, known, unknown)
    judged = _judged(records)
    if answerable and len(judged) > len(answerable):
        figures["calibration_error"] = metrics.calibration_error(
            [record.confidence for record in judged], [record.expect == "answered" for record in judged]
        )
    talk = [record for record in records if record.expect == "smalltalk"]
    if talk:
        figures["smalltalk"] = metrics.figure([float(not record.failed) for record in talk])
    return figures


def _unanswerable(records: Sequence[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    names = {"near": "near", "impossible": "near", "offtopic": "far", "adversarial": "adversarial"}
    for record in records:
        if record.expect == "abstain" and "answered" in record.values:
            group = record.mode if record.mode != "asked" else names.get(record.kind, "near")
            groups.setdefault(group, []).append(record)
    return groups


def _judged(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.expect in ("answered", "abstain") and "answered" in record.values]


def risk_coverage(records: Sequence[Record]) -> list[tuple[float, float]]:
    """Return the risk-coverage curve of all questions: answering an unanswerable one, or wrongly, is an error."""
    judged = _judged(records)
    wrong = [record.expect == "abstain" or record.values.get("right", 0.0) < 1.0 for record in judged]
    return metrics.risk_coverage([record.confidence for record in judged], wrong) if judged else []


def latencies(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """Return p50 and p95 in milliseconds of each stage, over the questions that were searched for."""
    searched = [record.timings_ms for record in records if record.timings_ms.get("embed")]
    if len(searched) < 2:
        return {}
    found = {}
    for stage in STAGES:
        cuts = quantiles([timings[stage] for timings in searched], n=20)
        found[stage] = {"p50": round(cuts[9], 2), "p95": round(cuts[18], 2)}
    return found


def peak_memory_mb() -> int:
    """Return the most memory that this process has held, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
