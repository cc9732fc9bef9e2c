"""What keeps the server from starting, found before anything is loaded and told all at once."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from index.errors import InputError, UsageError
from server.settings import Settings, read_what_holds
from server.storage import Storage


def checked_settings(host: str | None, port: int | None) -> tuple[Settings, str, int]:
    """Return the settings, and where to listen: on `host` and `port`, or where the settings say.

    Before, find out whether the server can listen there, read its documents, and keep what it has to.

    Raises:
        UsageError: something is in its way; all of it is named.
        InputError: the folders alone are, or the file `.env` can't be read.
    """
    settings, problem = read_what_holds()
    host, port = host or settings.host, port or settings.port
    wrong, unusable = list(_wrong_settings(settings, host, port)), list(_unusable_folders(settings))
    if problem:
        wrong.insert(0, problem)
    if wrong:
        raise UsageError("; ".join([*wrong, *unusable]))
    if unusable:
        raise InputError("; ".join(unusable))
    return settings, host, port


def check_address(host: str, port: int) -> None:
    """Find out whether a server can listen on `host` and `port`.

    Raises:
        UsageError: it can't.
    """
    if problem := _address_problem(host, port):
        raise UsageError(problem)


def _wrong_settings(settings: Settings, host: str, port: int) -> Iterator[str]:
    if problem := _address_problem(host, port):
        yield problem
    for name, model in (("EMBEDDING_MODEL", settings.embedding_model), ("READER", settings.reader)):
        if Path(model).is_absolute() and not Path(model).is_dir():
            yield f"The folder {model} does not exist; check MUNDAP_{name}"
    try:
        # Only whether it can be meant: the server answers without a database that is away.
        Storage(settings.database).close()
    except UsageError as error:
        yield str(error)


def _unusable_folders(settings: Settings) -> Iterator[str]:
    if settings.admin_token.get_secret_value():
        # The staff fill it.
        with suppress(OSError):
            settings.source_dir.mkdir(parents=True, exist_ok=True)
    if not settings.source_dir.is_dir():
        yield f"The source folder {settings.source_dir} does not exist; create it or set MUNDAP_SOURCE_DIR"
    elif not os.access(settings.source_dir, os.R_OK | os.X_OK):
        yield f"The source folder {settings.source_dir} can't be read; check its permissions"
    if problem := _folder_problem(settings.data_dir):
        yield problem


def _address_problem(host: str, port: int) -> str:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return f"Can't listen on {host}:{port} ({error.strerror}); choose another address by --host and --port"
    return ""


def _folder_problem(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return f"The data folder {folder} can't be written ({error.strerror}); check MUNDAP_DATA_DIR"
    return ""
