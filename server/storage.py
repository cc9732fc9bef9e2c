"""What is kept in one database: the questions and feedback of askers, and what the staff did.

Without it everything else goes on. Text of askers comes in here masked.
"""

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Integer,
    MetaData,
    NullPool,
    Select,
    String,
    Table,
    case,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError, TimeoutError

from index.errors import StorageError, UsageError

# No asker waits longer than this for the database, whatever has become of it; and for so long after a failure nobody
# does, since askers that wait for a database that doesn't answer take the threads that answer others.
PATIENCE_SECONDS = 3
TRY_AGAIN_SECONDS = 2.0
# What says that the database is away or doesn't answer, and not that it was asked for something wrong.
_LOST = (OperationalError, InterfaceError, TimeoutError, OSError)
_UPSERTS: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
UNANSWERED = ("related", "not_found")
_REMOVED_AT_ONCE = 5_000
_NOT_REMOVED = "Nothing can be removed at the moment; try again later"
_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number that no other program locks the same PostgreSQL database with.
_MIGRATION_LOCK = 7_237_118

_log = logging.getLogger("mundap")
_metadata = MetaData()
_feedback = Table(
    "feedback",
    _metadata,
    Column("answer_id", String(32), primary_key=True),
    Column("sent", DateTime(timezone=True), nullable=False, index=True),
    Column("helpful", Boolean, nullable=False),
    Column("reason", String(20), nullable=False),
    Column("comment", String(1_000), nullable=False),
    Column("question", String(500), nullable=False),
)
_audit = Table(
    "audit",
    _metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("action", String(20), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("outcome", String(40), nullable=False),
)
_questions = Table(
    "questions",
    _metadata,
    Column("answer_id", String(32), primary_key=True),
    Column("asked", DateTime(timezone=True), nullable=False, index=True),
    Column("question", String(500), nullable=False),
    Column("status", String(20), nullable=False),
    Column("lang", String(10), nullable=False),
    Column("mode", String(20), nullable=False),
    Column("way", String(20), nullable=False),
    Column("masked", String(200), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("milliseconds", Float, nullable=False),
    Column("index_version", String(80), nullable=False),
)
_TIMES = {"questions": _questions.c.asked, "feedback": _feedback.c.sent, "audit": _audit.c.at}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What an asker thinks of one answer. `reason`, `comment` and `question` are "" where nothing was said."""

    answer_id: str
    helpful: bool
    reason: str = ""
    comment: str = ""
    question: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that the staff did or tried: the action, what it was done to, and "done" or the code of what was wrong.

    Nothing says who: there is one token, and addresses are not kept.
    """

    at: datetime
    action: str
    subject: str
    outcome: str


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with its personal data masked, and how it ended; nothing says who asked.

    `way` is "page", "api" or "completions"; `masked` holds the kinds of personal data, separated by spaces.
    """

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


class Storage:
    """The database at an SQLAlchemy URL. Safe to use from several threads and processes.

    `on_failure` is told of each call that failed.
    """

    def __init__(self, url: str, on_failure: Callable[[], None] = lambda: None) -> None:
        try:
            self._engine = _open(url)
        except (SQLAlchemyError, ImportError) as error:
            raise UsageError(f"MUNDAP_DATABASE_URL can't be used: {type(error).__name__}; see the README") from error
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._is_prepared = False
        # Whether a call has failed since the last that wrote: of a full disk one can read.
        self.is_failing = False
        self._try_again_at = 0.0

    # ----- feedback --------------------------------------------------------------------------------------------------

    def keep_feedback(self, feedback: Feedback) -> None:
        """Keep `feedback`, its texts cut to what fits, instead of what was said of the same answer before.

        Raises:
            StorageError: the database can't be reached or written; nothing is kept.
        """
        row = _fitting(_feedback, asdict(feedback) | {"sent": datetime.now(UTC)})
        with self._writing("The feedback can't be kept at the moment; try again later") as connection:
            # At once: the same feedback that comes twice, by a double click say, must not meet itself in between.
            if upsert := _UPSERTS.get(connection.dialect.name):
                kept = upsert(_feedback).values(row)
                connection.execute(kept.on_conflict_do_update(index_elements=["answer_id"], set_=row))
            else:
                connection.execute(delete(_feedback).where(_feedback.c.answer_id == feedback.answer_id))
                connection.execute(insert(_feedback).values(row))

    def feedback(self) -> list[Feedback]:
        """Return all that is kept, the newest first.

        Raises:
            StorageError: the database can't be read.
        """
        columns = [column for column in _feedback.c if column.name != "sent"]
        with self._reading() as connection:
            return [Feedback(*row) for row in connection.execute(select(*columns).order_by(_feedback.c.sent.desc()))]

    def feedback_page(self, first: int, count: int) -> list[tuple[datetime, Feedback]]:
        """Return `count` of what is kept, the newest first, from number `first` on; each with the time it was sent.

        Raises:
            StorageError: the database can't be read.
        """
        columns = [column for column in _feedback.c if column.name != "sent"]
        newest = select(_feedback.c.sent, *columns).order_by(_feedback.c.sent.desc()).offset(first).limit(count)
        with self._reading() as connection:
            return [(_in_utc(sent), Feedback(*row)) for sent, *row in connection.execute(newest)]

    def feedback_counts(self) -> tuple[int, int]:
        """Return how many answers were said to have helped, and how many not.

        Raises:
            StorageError: the database can't be read.
        """
        with self._reading() as connection:
            rows = connection.execute(select(_feedback.c.helpful, func.count()).group_by(_feedback.c.helpful))
            counts = {bool(helpful): count for helpful, count in rows}
        return counts.get(True, 0), counts.get(False, 0)

    # ----- what the staff did ----------------------------------------------------------------------------------------

    def keep_audit(self, action: str, subject: str, outcome: str) -> None:
        """Keep what the staff did, with the time.

        Raises:
            StorageError: the database can't be reached or written; nothing is kept.
        """
        entry = {"at": datetime.now(UTC), "action": action, "subject": subject, "outcome": outcome}
        try:
            with self._writing("The audit log can't be written at the moment") as connection:
                connection.execute(insert(_audit).values(_fitting(_audit, entry)))
        except StorageError:
            _log.error("%s of %r (%s) can't be kept in the audit log", action, subject, outcome)
            raise

    def audit_page(self, first: int, count: int) -> tuple[list[AuditEntry], int]:
        """Return `count` entries of the audit log, the newest first, from number `first` on; and how many there are.

        Raises:
            StorageError: the database can't be read.
        """
        columns = (_audit.c.at, _audit.c.action, _audit.c.subject, _audit.c.outcome)
        newest = select(*columns).order_by(_audit.c.entry_id.desc()).offset(first).limit(count)
        with self._reading() as connection:
            entries = [AuditEntry(_in_utc(at), *row) for at, *row in connection.execute(newest)]
            return entries, connection.execute(select(func.count()).select_from(_audit)).scalar_one()

    # ----- questions -------------------------------------------------------------------------------------------------

    def keep_questions(self, questions: Iterable[AskedQuestion]) -> None:
        """Keep `questions`; one that is kept already, by an attempt whose end was not seen, is kept once.

        Raises:
            StorageError: the database can't be reached or written; none of them is kept.
        """
        rows = [_fitting(_questions, asdict(question)) for question in questions]
        with self._writing("Questions can't be kept at the moment") as connection:
            ids = [row["answer_id"] for row in rows]
            connection.execute(delete(_questions).where(_questions.c.answer_id.in_(ids)))
            connection.execute(insert(_questions), rows)

    def questions_page(
        self, first: int, count: int, statuses: Collection[str] = ()
    ) -> tuple[list[tuple[AskedQuestion, bool | None]], int]:
        """Return `count` questions from number `first` on and how many there are; those without an answer come first.

        Each comes with whether its asker said that the answer helped, or None. The newest come before older ones.
        With `statuses` only those that ended so.

        Raises:
            StorageError: the database can't be read.
        """
        matches = _questions.c.status.in_(statuses) if statuses else _questions.c.status.is_not(None)
        found = self._questions_with_feedback().where(matches).offset(first).limit(count)
        with self._reading() as connection:
            total = connection.execute(select(func.count()).select_from(_questions).where(matches)).scalar_one()
            return [_read_question(row) for row in connection.execute(found)], total

    def each_question(self) -> Iterator[tuple[AskedQuestion, bool | None]]:
        """Yield every question that is kept, in the order of `questions_page`, without holding all in memory.

        Raises:
            StorageError: the database can't be read.
        """
        # By one query: questions that come meanwhile would move the pages of several.
        with self._reading() as connection:
            for row in connection.execution_options(yield_per=1_000).execute(self._questions_with_feedback()):
                yield _read_question(row)

    def _questions_with_feedback(self) -> Select[Any]:
        """Select questions, those without an answer first, and then the newest."""
        columns = [_questions.c[field.name] for field in fields(AskedQuestion)]
        said = _feedback.c.answer_id == _questions.c.answer_id
        is_answered = case((_questions.c.status.in_(UNANSWERED), 0), else_=1)
        return (
            select(*columns, _feedback.c.helpful)
            .join(_feedback, said, isouter=True)
            .order_by(is_answered, _questions.c.asked.desc())
        )

    # ----- all of it -------------------------------------------------------------------------------------------------

    def export(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield every row of "questions", "feedback" or "audit", the oldest first, with its columns by name.

        Raises:
            StorageError: the database can't be read.
        """
        table = _metadata.tables[kind]
        with self._reading() as connection:
            for row in connection.execution_options(yield_per=1_000).execute(select(table).order_by(_TIMES[kind])):
                yield {
                    name: _in_utc(value).isoformat() if isinstance(value, datetime) else value
                    for name, value in row._mapping.items()
                }

    def purge(self, before: datetime) -> dict[str, int]:
        """Remove questions and feedback from before `before`; return how many of each. The audit log stays.

        Raises:
            StorageError: the database can't be written; what was removed until then stays so.
        """
        # By and by: all at once may take longer than the database is given for it.
        removed = {}
        for table, is_old in ((_questions, _questions.c.asked < before), (_feedback, _feedback.c.sent < before)):
            some = select(table.c.answer_id).where(is_old).limit(_REMOVED_AT_ONCE)
            removed[table.name] = 0
            while True:
                with self._writing(_NOT_REMOVED) as connection:
                    count = connection.execute(delete(table).where(table.c.answer_id.in_(some))).rowcount
                removed[table.name] += count
                if count < _REMOVED_AT_ONCE:
                    break
        return removed

    def forget_answer(self, answer_id: str) -> dict[str, int]:
        """Remove the question and the feedback of one answer; return how many of each there were.

        Raises:
            StorageError: the database can't be written; nothing is removed.
        """
        with self._writing(_NOT_REMOVED) as connection:
            return {
                table.name: connection.execute(delete(table).where(table.c.answer_id == answer_id)).rowcount
                for table in (_questions, _feedback)
            }

    # ----- the database ----------------------------------------------------------------------------------------------

    def probe(self) -> None:
        """Find out whether the database can be written, by writing what is removed at once.

        Raises:
            StorageError: it can't.
        """
        # The longest feedback that there is: a disk may have room for a few bytes more, and for nothing else.
        answer_id = uuid.uuid4().hex
        long = {"reason": "", "comment": "가" * 1_000, "question": "가" * 500}
        row = {"answer_id": answer_id, "sent": datetime.now(UTC), "helpful": False, **long}
        with self._writing("Nothing can be written at the moment; try again later") as connection:
            connection.execute(insert(_feedback).values(row))
            connection.execute(delete(_feedback).where(_feedback.c.answer_id == answer_id))

    @contextmanager
    def _writing(self, problem: str) -> Iterator[Connection]:
        with self._telling("written", problem):
            self._prepare()
            with self._engine.begin() as connection:
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._telling("read", "The database can't be read at the moment; try again later"):
            self._prepare()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def _telling(self, done: str, problem: str) -> Iterator[None]:
        try:
            if time.monotonic() < self._try_again_at:
                raise StorageError(problem)
            yield
        except (SQLAlchemyError, OSError, StorageError) as error:
            self.is_failing = True
            self._on_failure()
            if isinstance(error, StorageError):
                raise
            if not isinstance(error, DataError | IntegrityError):
                # Whatever comes back may be another database, or one that lacks the tables.
                self._is_prepared = False
            if isinstance(error, _LOST):
                self._try_again_at = time.monotonic() + TRY_AGAIN_SECONDS
            _log.error("the database can't be %s: %s", done, _without_values(error))
            raise StorageError(problem) from error
        if done == "written":
            self.is_failing = False

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def _prepare(self) -> None:
        """Bring the tables up to date. Of several processes one does it, and the others wait."""
        with self._lock:
            if self._is_prepared:
                return
            if time.monotonic() < self._try_again_at:
                raise OSError("it could not be reached a moment ago")
            if self._engine.url.get_backend_name() == "sqlite" and (database := self._engine.url.database):
                Path(database).parent.mkdir(parents=True, exist_ok=True)
                if not Path(database).exists():
                    # What askers wrote is for nobody else on the machine. SQLite gives its other files the same mode.
                    Path(database).touch(mode=0o600)
            with self._engine.begin() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                elif connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                _migrate(connection)
            self._is_prepared = True


def _open(url: str) -> Engine:
    backend = url.partition(":")[0].partition("+")[0]
    if backend == "postgresql":
        options = f"-c statement_timeout={PATIENCE_SECONDS * 1000} -c lock_timeout={PATIENCE_SECONDS * 1000}"
        given = {
            "connect_timeout": PATIENCE_SECONDS, "options": options, "application_name": "mundap",
            # A server or network that went away without a word would be waited for for a quarter of an hour.
            "tcp_user_timeout": PATIENCE_SECONDS * 1000, "keepalives_idle": PATIENCE_SECONDS,
            "keepalives_interval": 1, "keepalives_count": PATIENCE_SECONDS,
        }  # fmt: skip
        return create_engine(
            url, pool_pre_ping=True, pool_timeout=PATIENCE_SECONDS, hide_parameters=True, connect_args=given
        )
    if backend != "sqlite":
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    # A connection that stays open would go on writing to a file that was moved away or replaced.
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": PATIENCE_SECONDS})

    @event.listens_for(engine, "connect")
    def read_beside_writing(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        # What is purged is not left in the file's free pages.
        connection.execute("PRAGMA secure_delete = ON")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    # Of connections that turn a new file to WAL at once, SQLite lets all but one fail without waiting.
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _fitting(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return `row` with each text cut to the length of its column."""
    return {
        name: value[: getattr(table.c[name].type, "length", None)] if isinstance(value, str) else value
        for name, value in row.items()
    }


def _without_values(error: Exception) -> str:
    """Return what went wrong without what was to be written, which people typed."""
    return str(getattr(error, "orig", None) or type(error).__name__)


def _read_question(row: Any) -> tuple[AskedQuestion, bool | None]:
    answer_id, asked, *rest, helpful = row
    return AskedQuestion(answer_id, _in_utc(asked), *rest), helpful


def _in_utc(time: datetime) -> datetime:
    # SQLite forgets the zone.
    return time if time.tzinfo else time.replace(tzinfo=UTC)
