"""What is kept in one database: the feedback of askers, and what the staff did. Without it everything else goes on."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from index.errors import StorageError, UsageError

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


class Storage:
    """The database at an SQLAlchemy URL. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = create_engine(url, pool_pre_ping=True)
        except (SQLAlchemyError, ImportError) as error:
            raise UsageError(f"MUNDAP_DATABASE_URL can't be used: {type(error).__name__}; see the README") from error
        self._lock = threading.Lock()
        self._is_prepared = False

    def keep_feedback(self, feedback: Feedback) -> None:
        """Keep `feedback` instead of what was said of the same answer before.

        Raises:
            StorageError: the database can't be reached or written; nothing is kept.
        """
        row = asdict(feedback) | {"sent": datetime.now(UTC)}
        try:
            self._prepare()
            with self._engine.begin() as connection:
                connection.execute(delete(_feedback).where(_feedback.c.answer_id == feedback.answer_id))
                connection.execute(insert(_feedback).values(row))
        except (SQLAlchemyError, OSError) as error:
            _log.error("feedback can't be kept: %s", error)
            raise StorageError("The feedback can't be kept at the moment; try again later") from error

    def feedback(self) -> list[Feedback]:
        """Return all that is kept, the newest first."""
        self._prepare()
        columns = [column for column in _feedback.c if column.name != "sent"]
        with self._engine.connect() as connection:
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

    def keep_audit(self, action: str, subject: str, outcome: str) -> None:
        """Keep what the staff did, with the time.

        Raises:
            StorageError: the database can't be reached or written; nothing is kept.
        """
        row = {"at": datetime.now(UTC), "action": action[:20], "subject": subject[:300], "outcome": outcome[:40]}
        try:
            self._prepare()
            with self._engine.begin() as connection:
                connection.execute(insert(_audit).values(row))
        except (SQLAlchemyError, OSError) as error:
            _log.error("%s of %r (%s) can't be kept in the audit log: %s", action, subject, outcome, error)
            raise StorageError("The audit log can't be written at the moment") from error

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

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            self._prepare()
            with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            _log.error("the database can't be read: %s", error)
            raise StorageError("The database can't be read at the moment; try again later") from error

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._lock:
            if not self._is_prepared:
                if self._engine.url.get_backend_name() == "sqlite" and (database := self._engine.url.database):
                    Path(database).parent.mkdir(parents=True, exist_ok=True)
                _metadata.create_all(self._engine)
                self._is_prepared = True


def _in_utc(time: datetime) -> datetime:
    # SQLite forgets the zone.
    return time if time.tzinfo else time.replace(tzinfo=UTC)
