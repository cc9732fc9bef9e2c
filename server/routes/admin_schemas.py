"""The wire types of what the staff ask for and get."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from index.publication import Manifest
from server.builds import BuildRecord, Evaluation
from server.source_folder import FileState, ListedFile
from server.storage import AskedQuestion, AuditEntry, Feedback

MOST_NAMES = 500
_KINDS = ("added", "changed", "removed", "renamed", "unchanged", "skipped")


class Action(BaseModel):
    """What came of an action. It is done even where it could not be written into the audit log (`audited`)."""

    audited: bool


class SourceFileModel(BaseModel):
    """A file of the source folder and what the published index knows of it; `reason` says why it was skipped."""

    doc_id: str
    state: FileState
    size: int | None
    changed: datetime | None
    reason: str

    @classmethod
    def of(cls, file: ListedFile) -> "SourceFileModel":
        """Return the wire form of `file`."""
        changed = None if file.changed is None else _time(file.changed)
        return cls(doc_id=file.doc_id, state=file.state, size=file.size, changed=changed, reason=file.reason)


class SourceFilesResponse(BaseModel):
    """The source folder. `upload_limit` is in bytes; `formats` are the suffixes that are read."""

    files: list[SourceFileModel]
    published: str | None
    served: str
    upload_limit: int
    formats: list[str]


class UploadResponse(Action):
    """A file that was taken."""

    doc_id: str
    size: int
    replaced: bool


class BuildRequest(BaseModel):
    """How to build: `evaluate` asks the questions of the evaluation, and publishes only when every gate holds.

    With `hold` nothing is published, whatever the gates say.
    """

    model_config = ConfigDict(extra="forbid")

    evaluate: bool = False
    hold: bool = False


class GateModel(BaseModel):
    """One gate with its value."""

    text: str
    broken: bool


class FigureModel(BaseModel):
    """A figure with its 95 % interval over `n` questions."""

    name: str
    value: float
    low: float
    high: float
    n: int


class EvaluationModel(BaseModel):
    """How a version did on the questions; `problem` says why they were not asked."""

    dataset: str
    questions: int
    figures: list[FigureModel]
    gates: list[GateModel]
    problem: str

    @classmethod
    def of(cls, evaluation: Evaluation) -> "EvaluationModel":
        """Return the wire form of `evaluation`."""
        figures = [
            FigureModel(name=name, value=value, low=low, high=high, n=n)
            for name, (value, low, high, n) in evaluation.figures.items()
        ]
        gates = [GateModel(text=gate.text, broken=gate.broken) for gate in evaluation.gates]
        return cls(
            dataset=evaluation.dataset, questions=evaluation.questions, figures=figures, gates=gates,
            problem=evaluation.problem,
        )  # fmt: skip


class SkippedModel(BaseModel):
    """A file that was left out, and why."""

    doc_id: str
    reason: str


class ReportModel(BaseModel):
    """What a build did with each file: how many, and the first names of each kind; `renamed` maps new names to old."""

    counts: dict[str, int]
    added: list[str]
    changed: list[str]
    removed: list[str]
    renamed: dict[str, str]
    skipped: list[SkippedModel]
    passages: int
    sentences: int


class BuildModel(BaseModel):
    """A build: how far it is, or what came of it. `said` are the last lines of one that died."""

    build_id: str
    state: Literal["running", "done", "failed"]
    evaluate: bool
    hold: bool
    began: datetime
    updated: datetime
    step: str
    done: int
    total: int
    per_second: float
    seconds_left: float | None
    version: str
    published: bool
    held: bool
    report: ReportModel | None
    evaluation: EvaluationModel | None
    error: str
    said: list[str]

    @classmethod
    def of(cls, record: BuildRecord) -> "BuildModel":
        """Return the wire form of `record`."""
        left = record.seconds_left
        return cls(
            build_id=record.build_id, state=record.state.value, evaluate=record.evaluate, hold=record.hold,
            began=_time(record.began), updated=_time(record.updated), step=record.step, done=record.done,
            total=record.total, per_second=round(record.per_second, 2),
            seconds_left=None if left is None else round(left, 1), version=record.version,
            published=bool(record.report and record.report["published"]),
            held=bool(record.report and record.report.get("held")),
            report=_report(record), evaluation=EvaluationModel.of(record.evaluation) if record.evaluation else None,
            error=record.error, said=list(record.said),
        )  # fmt: skip


class BuildsResponse(BaseModel):
    """The builds that are kept, newest first."""

    builds: list[BuildModel]


class LatestBuild(BaseModel):
    """The build that goes on, or else the last; null where there was none yet."""

    build: BuildModel | None


class BuildStarted(Action):
    """A build that was started."""

    build: BuildModel


class VersionModel(BaseModel):
    """A version of the index that is kept. One that is `held` was never published."""

    version: str
    created: datetime
    documents: int
    passages: int
    sentences: int
    skipped: int
    embedding_model: str
    published: bool
    served: bool
    held: bool
    evaluation: EvaluationModel | None

    @classmethod
    def of(
        cls, manifest: Manifest, published: str | None, served: str, held: set[str], evaluation: Evaluation | None
    ) -> "VersionModel":
        """Return the wire form of `manifest`, seen beside the published and the served version."""
        return cls(
            version=manifest.version, created=datetime.fromisoformat(manifest.created),
            documents=len(manifest.documents), passages=manifest.passages, sentences=manifest.sentences,
            skipped=len(manifest.skipped), embedding_model=manifest.embedding_model,
            published=manifest.version == published, served=manifest.version == served,
            held=manifest.version in held, evaluation=EvaluationModel.of(evaluation) if evaluation else None,
        )  # fmt: skip


class VersionsResponse(BaseModel):
    """The versions that are kept, newest first; which is published, and from which this process answers."""

    versions: list[VersionModel]
    published: str | None
    served: str


class PublishResponse(Action):
    """A version that was published."""

    version: str


class FeedbackModel(BaseModel):
    """What an asker said of one answer."""

    sent: datetime
    answer_id: str
    helpful: bool
    reason: str
    comment: str
    question: str

    @classmethod
    def of(cls, sent: datetime, feedback: Feedback) -> "FeedbackModel":
        """Return the wire form of `feedback`."""
        return cls(
            sent=sent, answer_id=feedback.answer_id, helpful=feedback.helpful, reason=feedback.reason,
            comment=feedback.comment, question=feedback.question,
        )  # fmt: skip


class FeedbackResponse(BaseModel):
    """One page of what is kept, newest first."""

    helpful: int
    not_helpful: int
    feedback: list[FeedbackModel]


class QuestionModel(BaseModel):
    """A question, personal data masked, how it ended, and whether its asker said that the answer helped."""

    answer_id: str
    asked: datetime
    question: str
    status: str
    lang: str
    mode: str
    way: str
    masked: str
    confidence: float
    milliseconds: float
    index_version: str
    helpful: bool | None

    @classmethod
    def of(cls, question: AskedQuestion, helpful: bool | None) -> "QuestionModel":
        """Return the wire form of `question`."""
        return cls(**asdict(question), helpful=helpful)


class QuestionsResponse(BaseModel):
    """One page of the questions that are kept: those without an answer first, newer ones before older ones."""

    total: int
    keeps_questions: bool
    retention_days: int
    questions: list[QuestionModel]


class AuditModel(BaseModel):
    """One thing that the staff did or tried; `outcome` is "done" or the code of what was wrong."""

    at: datetime
    action: str
    subject: str
    outcome: str

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditModel":
        """Return the wire form of `entry`."""
        return cls(at=entry.at, action=entry.action, subject=entry.subject, outcome=entry.outcome)


class AuditResponse(BaseModel):
    """One page of the audit log, newest first."""

    total: int
    entries: list[AuditModel]


PageNumber = Annotated[int, Field(ge=1, le=1_000_000)]


def _report(record: BuildRecord) -> ReportModel | None:
    report = record.report
    if report is None:
        return None
    renamed: dict[str, str] = report.get("renamed", {})
    skipped = [SkippedModel(doc_id=doc_id, reason=reason) for doc_id, reason in report["skipped"].items()]
    return ReportModel(
        counts={kind: len(report.get(kind, ())) for kind in _KINDS},
        added=report["added"][:MOST_NAMES], changed=report["changed"][:MOST_NAMES],
        removed=report["removed"][:MOST_NAMES], renamed=dict(list(renamed.items())[:MOST_NAMES]),
        skipped=skipped[:MOST_NAMES],
        passages=report["passages"], sentences=report["sentences"],
    )  # fmt: skip


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
