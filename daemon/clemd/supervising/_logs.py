"""One log, one line an event: structlog's and everybody else's, on standard error.

Event names are plain words (`file refused`), facts are keys (`file=`, `reason=`).
Standard output is never written to: it belongs to `--json`.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from clemd.model import display_name

_LINE_KEYS = frozenset({"exception", "stack"})
"""Tracebacks keep their line breaks; JSON escapes them anyway."""


def configure_logging(
    level: str = "INFO", *, json: bool = True, stream: TextIO | None = None
) -> None:
    """Send structlog's and the standard library's logs to standard error.

    Watchdog reports a lost event only through `logging`; it must not go unseen.
    May be called again; the last call holds.

    Raises:
        ValueError: `level` is not a level's name.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level must be one of DEBUG ... CRITICAL, got {level!r}")
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(_formatter(shared, json=json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def escape_controls(
    _logger: WrappedLogger, _method: str, event: EventDict
) -> EventDict:
    """Make every text safe to print: a file name may hold line breaks or escapes."""
    return {key: _escaped(key, value) for key, value in event.items()}


def _escaped(key: str, value: object) -> object:
    if isinstance(value, bytes):
        return display_name(value)
    if isinstance(value, (int, float)) or value is None:
        return value
    if isinstance(value, dict):
        return {str(k): _escaped(str(k), v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_escaped(key, part) for part in value]
    text = value if isinstance(value, str) else str(value)
    if key in _LINE_KEYS:
        return "\n".join(display_name(line) for line in text.splitlines())
    return display_name(text)


def _formatter(
    shared: list[Processor], *, json: bool
) -> structlog.stdlib.ProcessorFormatter:
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.ExtraAdder(),
            *shared,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            escape_controls,
            renderer,
        ],
    )
