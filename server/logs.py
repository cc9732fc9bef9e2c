"""The log of the server: one JSON object a line, with the id of the request that it belongs to."""

import logging.config
import sys
from typing import Any

import structlog
from structlog.typing import Processor

LEVELS = ("debug", "info", "warning", "error")


def formatter() -> logging.Formatter:
    """Return what writes a record of `logging`, whichever library made it; for a terminal as people read it."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    written: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if sys.stderr.isatty():
        written.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        written += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=written)


def logging_config(level: str) -> dict[str, Any]:
    """Return how the server and each of its workers log, in the form of `logging.config`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "server.logs.formatter"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines", "stream": "ext://sys.stderr"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "mundap": {"level": level.upper()},
            # Whoever sends what is no HTTP would fill the disk with warnings of it.
            "uvicorn.error": {"level": "ERROR"},
            # A line for each request is written by the app, which knows more of it and leaves addresses out.
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},
        },
    }


def configure_logging(level: str) -> None:
    """Let this process log so."""
    logging.config.dictConfig(logging_config(level))
