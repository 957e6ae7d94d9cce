"""How the API writes its log: lines of JSON on standard error, without any key. Not here: what is logged."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from ecom_assets.api.keys import PREFIX

_KEY = re.compile(rf"{PREFIX}[0-9a-f]{{8}}_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=://)[^/\s@]*@")
HIDDEN = "***"

Event = MutableMapping[str, Any]


def hide_secrets(text: str) -> str:
    """Return a text without keys, tokens, or passwords of addresses, should one have got into it."""
    return _KEY.sub(HIDDEN, text)


def write_json_lines(stream: TextIO | None = None) -> None:
    """Have everything that the API and its server log written as JSON, one object a line."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _hide,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    # Its lines hold the query; ours (`request_log.py`) do not.
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)


def _hide(_logger: object, _method: str, event: Event) -> Event:
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = hide_secrets(value)
    return event
