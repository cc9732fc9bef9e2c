"""The builds of the index as everyone sees them: each has a file that the process which builds keeps up to date.

<data>/builds/<id>.json      what it does or did; replaced by an atomic rename
<data>/builds/<id>.sources   size and time of each source file as it began
<data>/builds/<id>.log       what it said; locked as long as its process lives

So the server sees builds that were started elsewhere, each of its workers sees all of them, and one whose process died
is known by its lock, which the operating system takes away.
"""

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from index.errors import IndexBusy, MundapError, StaffError
from index.loaders import UPLOAD_PREFIX

BUILDS_KEPT = 50
LINES_SHOWN = 12
_SECONDS_BETWEEN_WRITES = 0.25
_SECONDS_TO_END = 10.0
_STOPPED = "It was stopped before it was done"
_ROOT = Path(__file__).parents[1]
_log = logging.getLogger("mundap")

SourceStamps = dict[str, tuple[int, int]]
"""Of each source file its size in bytes and the time of its last change in nanoseconds."""


class BuildState(StrEnum):
    """What a build is at: a running one may also have died, see `Builds.records`."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Gate:
    """What became of one gate of the evaluation; `text` says it with its value."""

    text: str
    broken: bool


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a built index did on the questions. `figures` are name → (value, low, high, number of questions).

    `problem` says why there is none, where the questions could not be asked.
    """

    dataset: str = ""
    questions: int = 0
    figures: dict[str, tuple[float, float, float, int]] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    problem: str = ""

    @property
    def broken(self) -> list[str]:
        """The texts of the gates that don't hold."""
        return [gate.text for gate in self.gates if gate.broken]


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """One build. Times are seconds since 1970.

    Of the `total` parts of `step`, `done` are done, and `step_from` were when it was first told of at `step_began`.
    `evaluate` and `hold` are what was asked for. `report` is that of `index.build` as a dict, None until it is done.
    """

    build_id: str
    evaluate: bool
    hold: bool
    began: float
    updated: float
    state: BuildState = BuildState.RUNNING
    pid: int = 0
    step: str = ""
    step_began: float = 0.0
    step_from: int = 0
    done: int = 0
    total: int = 0
    report: dict[str, Any] | None = None
    evaluation: Evaluation | None = None
    error: str = ""
    said: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """The version that it built or found to be up to date, or ""."""
        return str(self.report["version"]) if self.report else ""

    @property
    def per_second(self) -> float:
        """How many parts of the step are done in a second; 0.0 where that isn't known yet."""
        passed = self.updated - self.step_began
        return (self.done - self.step_from) / passed if passed > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the step goes on at this rate."""
        return (self.total - self.done) / self.per_second if self.per_second else None


class Build:
    """A build that this process does, and writes down. Its file is written when there is something to tell."""

    def __init__(self, builds: "Builds", record: BuildRecord, stamps: SourceStamps, log: int | None) -> None:
        self._builds = builds
        self._record = record
        self._stamps = stamps
        self._log = log
        self._is_written = False

    def progress(self, step: str, done: int, total: int) -> None:
        """Note how far it is; to be given to `build_index`."""
        now, is_new = time.time(), step != self._record.step
        passed = now - self._record.updated
        later = replace(self._record, step=step, done=done, total=total)
        if is_new:
            later = replace(later, step_began=now, step_from=done)
        if is_new or done >= total or passed > _SECONDS_BETWEEN_WRITES:
            self._write(later)
        else:
            self._record = later

    def evaluated(self, evaluation: Evaluation) -> None:
        """Note how the built index did."""
        self._write(replace(self._record, evaluation=evaluation))

    def finished(self, report: dict[str, Any] | None) -> None:
        """Note that it is done; without a report there was nothing to do, and nothing is noted."""
        if report:
            self._write(replace(self._record, state=BuildState.DONE, report=report))

    def failed(self, error: str) -> None:
        """Note why it ended early."""
        self._write(replace(self._record, state=BuildState.FAILED, error=error))

    def _write(self, record: BuildRecord) -> None:
        self._record = replace(record, updated=time.time())
        try:
            if not self._is_written:
                self._builds.folder.mkdir(parents=True, exist_ok=True)
                self._log = self._log if self._log is not None else self._builds.lock(record.build_id)
                self._builds.write_stamps(record.build_id, self._stamps)
            self._builds.write(self._record)
            self._is_written = True
        except OSError as error:
            # Not worth the build: what it lacks too, it will say itself.
            _log.warning("the progress of the build can't be written: %s", error.strerror)

    def close(self) -> None:
        """Let the others know that this process no longer builds."""
        if self._log is not None:
            os.close(self._log)


class Builds:
    """The builds of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "builds"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    # ----- read

    def records(self) -> list[BuildRecord]:
        """Return all builds that are kept, newest first. One whose process died has failed, with its last words."""
        return [record for build_id in self._ids() if (record := self.record(build_id))]

    def record(self, build_id: str) -> BuildRecord | None:
        """Return one build, or None where there is none of that id."""
        record = self._read(build_id)
        if record and record.state is BuildState.RUNNING and not self._lives(build_id):
            record = self._read(build_id)  # it may have ended properly in between
            if record and record.state is BuildState.RUNNING:
                return replace(record, state=BuildState.FAILED, said=self._last_lines(build_id))
        return record

    def running(self) -> BuildRecord | None:
        """Return the build that goes on at the moment."""
        living = (self.record(build_id) for build_id in self._ids() if self._lives(build_id))
        return next((record for record in living if record and record.state is BuildState.RUNNING), None)

    def stamps_of(self, version: str) -> SourceStamps | None:
        """Return what the source files were like when `version` was last built, or None where nobody knows."""
        for record in self.records():
            if version and record.version == version:
                try:
                    stored = json.loads(self._path(record.build_id, "sources").read_text(encoding="utf-8"))
                    return {name: (size, changed) for name, (size, changed) in stored.items()}
                except (OSError, ValueError):
                    continue
        return None

    # ----- write

    @contextmanager
    def recorded(self, evaluate: bool, hold: bool, stamps: SourceStamps, build_id: str = "") -> Iterator[Build]:
        """Keep a file for the build that is done in the `with` block; what ends the block early is noted.

        `build_id` is that of a build whose file and lock there are already, see `start`.
        """
        now = time.time()
        record = BuildRecord(build_id or _new_id(), evaluate, hold, began=now, updated=now, pid=os.getpid())
        build = Build(self, record, stamps, log=os.dup(2) if build_id else None)
        try:
            yield build
        except MundapError as error:
            build.failed(str(error))
            raise
        except (KeyboardInterrupt, SystemExit):
            build.failed(_STOPPED)
            raise
        except BaseException as error:
            build.failed(f"It failed ({type(error).__name__}); what it said is in {record.build_id}.log")
            raise
        finally:
            build.close()

    def start(self, environment: Mapping[str, str], evaluate: bool, hold: bool) -> BuildRecord:
        """Start a build in a process of its own: what happens to it, happens to no answer.

        `environment` is given to it beside this process's own.

        Raises:
            IndexBusy: another build is running.
            StaffError: no process can be started, or the data folder can't be written.
        """
        options = (["--gate"] if evaluate else []) + (["--hold"] if hold else [])
        try:
            with self._starting():
                if self.running():
                    raise IndexBusy("A build is running already; wait until it is done, or stop it")
                self._thin()
                build_id = _new_id()
                log = self.lock(build_id)
                try:
                    # The lock lives in the file that the child says everything to, and so as long as the child.
                    child = subprocess.Popen(  # noqa: S603 - our own module, nothing that was sent
                        [sys.executable, "-P", "-m", "server.cli", "index", "build", "--record", build_id, *options],
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=child_environment(environment),
                    )  # fmt: skip
                finally:
                    os.close(log)
                now = time.time()
                record = BuildRecord(build_id, evaluate, hold, began=now, updated=now, pid=child.pid)
                self.write(record)
        except OSError as error:
            _log.error("a build can't be started: %s", error)
            raise StaffError("build_not_started", "The build can't be started; check the data folder") from error
        with self._lock:
            self._children[build_id] = child
        # Somebody has to wait for it, or it stays a zombie.
        threading.Thread(target=child.wait, daemon=True).start()
        return record

    def stop(self, build_id: str) -> None:
        """Ask a running build to end; nothing of it stays.

        Raises:
            StaffError: it isn't running.
        """
        record = self.record(build_id)
        if record is None or record.state is not BuildState.RUNNING:
            raise StaffError("build_not_running", "This build isn't running")
        try:
            os.kill(record.pid, signal.SIGTERM)
        except (ProcessLookupError, PermissionError) as error:
            raise StaffError("build_not_running", "This build can't be stopped from here") from error

    def close(self) -> None:
        """End the builds that this process started, so that none goes on without a server that shows it."""
        with self._lock:
            children, self._children = list(self._children.values()), {}
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def lock(self, build_id: str) -> int:
        """Make the log of a build, and return a descriptor that holds its lock until it is closed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path(build_id, "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def write(self, record: BuildRecord) -> None:
        """Keep `record` instead of what was written of this build before."""
        self._replace(self._path(record.build_id, "json"), asdict(record))

    def write_stamps(self, build_id: str, stamps: SourceStamps) -> None:
        """Keep what the source files are like at the start of a build."""
        self._replace(self._path(build_id, "sources"), stamps)

    def _replace(self, path: Path, content: object) -> None:
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        temporary.replace(path)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Let only one of the server's workers start a build at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "starting").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            yield

    def _thin(self) -> None:
        for build_id in self._ids()[BUILDS_KEPT - 1 :]:
            for suffix in ("json", "sources", "log"):
                self._path(build_id, suffix).unlink(missing_ok=True)

    def _ids(self) -> list[str]:
        return sorted((path.stem for path in self.folder.glob("[!.]*.json")), reverse=True)

    def _path(self, build_id: str, suffix: str) -> Path:
        return self.folder / f"{build_id}.{suffix}"

    def _read(self, build_id: str) -> BuildRecord | None:
        if not build_id.replace("-", "").isalnum():
            return None
        try:
            stored = json.loads(self._path(build_id, "json").read_text(encoding="utf-8"))
            if evaluation := stored["evaluation"]:
                evaluation["gates"] = tuple(Gate(**gate) for gate in evaluation["gates"])
                stored["evaluation"] = Evaluation(**evaluation)
            stored["state"] = BuildState(stored["state"])
            return BuildRecord(**stored)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _lives(self, build_id: str) -> bool:
        try:
            with self._path(build_id, "log").open("rb") as log:
                fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _last_lines(self, build_id: str) -> tuple[str, ...]:
        """Return the end of the log without traces of the program's insides, which are for the log alone."""
        try:
            with self._path(build_id, "log").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 20_000))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ()
        shown = [line for line in lines if line.strip() and not line.startswith((" ", "Traceback")) and "━" not in line]
        return tuple(line[:300] for line in shown[-LINES_SHOWN:])


def stamps_below(source: Path) -> SourceStamps:
    """Return size and time of every file below `source`, by its `doc_id`; nothing where it can't be listed."""
    stamps: SourceStamps = {}
    for folder, _, names in os.walk(source):
        for name in names:
            if name.startswith(UPLOAD_PREFIX):
                continue
            path = Path(folder, name)
            try:
                status = path.stat()
            except OSError:
                continue
            doc_id = path.relative_to(source).as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            stamps[doc_id] = (status.st_size, status.st_mtime_ns)
    return stamps


def _new_id() -> str:
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{os.getpid()}"


def child_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that runs the same code as this one, wherever that was started."""
    paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **given, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
