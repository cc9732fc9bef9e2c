"""What askers send to be kept: their feedback, in one database. Without it everything else goes on."""

import logging
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Boolean, Column, DateTime, MetaData, String, Table, create_engine, delete, insert, select
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


@dataclass(frozen=True, slots=True)
class Feedback:
    """What an asker thinks of one answer. `reason`, `comment` and `question` are "" where nothing was said."""

    answer_id: str
    helpful: bool
    reason: str = ""
    comment: str = ""
    question: str = ""


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
