"""The log of our servers: a line of JSON for each entry, with secrets hidden."""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import structlog

from ecom_assets.core.http_server.keys import PREFIX
from ecom_assets.core.json_text import json_text

HIDDEN: Final = "***"
_SIGNS: Final = (PREFIX, "eyJ", "@")
"""Every secret that `_SECRET` matches contains one of these;
searching for them first is much faster.
"""
_SECRET: Final = re.compile(
    rf"{PREFIX}[0-9a-f]{{8}}_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=://)[^/\s@]*@"
)
Event = MutableMapping[str, Any]


class _Out:
    """The output of the log; standard error if `stream` is None."""

    stream: TextIO | None = None


def hide_secrets(text: str) -> str:
    """Return a text with its API keys, tokens and passwords in URLs hidden."""
    return _SECRET.sub(HIDDEN, text) if any(sign in text for sign in _SIGNS) else text


def write_line(event: Event) -> None:
    """Write one line as structlog would, but in a quarter of the time,
    because every request writes one.
    """
    event["timestamp"] = datetime.now(UTC).isoformat()
    out = _Out.stream or sys.stderr
    with suppress(OSError, ValueError):  # a full disk or a closed terminal must not stop responses
        out.write(hide_secrets(json_text(event)) + "\n")
        out.flush()


_LOGGERS: Final = ("", "uvicorn", "uvicorn.error", "uvicorn.access")


@contextmanager
def json_lines(stream: TextIO | None = None) -> Iterator[None]:
    """Write the logs of the API and its server as JSON, one object per line,
    until the context ends.

    They go to a stream, by default to standard error. The end undoes the setup. Otherwise `logging`
    would keep a handler, and with it everything that this module imports, until the process ends,
    and DuckDB reports that as a leak.
    """
    before = {
        name: (logging.getLogger(name).handlers, logging.getLogger(name).level) for name in _LOGGERS
    }
    _write_json_lines(stream)
    try:
        yield
    finally:
        _Out.stream = None
        structlog.reset_defaults()
        for name, (handlers, level) in before.items():
            logging.getLogger(name).handlers = handlers
            logging.getLogger(name).setLevel(level)


def _write_json_lines(stream: TextIO | None) -> None:
    _Out.stream = stream
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, _write],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _line,
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final)
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in _LOGGERS[1:]:
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    # Its lines contain the query; those of `RequestLog` do not.
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)


def _line(_logger: object, _method: str, event: Event) -> str:
    event["timestamp"] = datetime.now(UTC).isoformat()
    return hide_secrets(json_text(event, default=repr))


def _write(_logger: object, _method: str, event: Event) -> Event:
    write_line(
        {
            name: value if isinstance(value, (int, float, bool)) else str(value)
            for name, value in event.items()
        }
    )
    raise structlog.DropEvent
