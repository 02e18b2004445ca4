"""One line an event, on one stream, whatever the text holds."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

from clemd.supervising import configure_logging


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is global; leave it as it was found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged(stream: io.StringIO) -> list[dict[str, object]]:
    """The lines of a JSON log."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_file_name_cannot_forge_a_line_or_move_the_cursor() -> None:
    """Names come from other machines; a log that obeys them can be faked."""
    stream = io.StringIO()
    configure_logging("INFO", json=False, stream=stream)

    name = "a\nERROR all lost\x1b[2J\u202egnp.tif"
    structlog.get_logger("t").info("file refused", file=name, parts=[name])

    said = stream.getvalue()
    assert len(said.splitlines()) == 1
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "\\x0aERROR" in said


def test_third_party_logs_take_the_same_way() -> None:
    """The watcher reports lost events only through the standard library."""
    stream = io.StringIO()
    configure_logging("INFO", json=True, stream=stream)

    logging.getLogger("watchdog.observers").warning("queue %s\n", "overflowed")

    (line,) = logged(stream)
    assert line["event"] == "queue overflowed\\x0a"
    assert line["logger"] == "watchdog.observers"
    assert line["level"] == "warning"


def test_facts_stay_keys_and_context_is_carried() -> None:
    """A log is searched by job, not by reading."""
    stream = io.StringIO()
    configure_logging("INFO", json=True, stream=stream)

    with structlog.contextvars.bound_contextvars(job_id=7):
        structlog.get_logger("t").info("job done", seconds=4.5, verdict="accepted")

    (line,) = logged(stream)
    assert (line["event"], line["job_id"], line["seconds"]) == ("job done", 7, 4.5)


def test_a_traceback_stays_one_json_line() -> None:
    """Half of a traceback in the journal belongs to no event."""
    stream = io.StringIO()
    configure_logging("INFO", json=True, stream=stream)

    try:
        raise ValueError("bad\x1b[31m")
    except ValueError:
        structlog.get_logger("t").exception("job failed")

    (line,) = logged(stream)
    trace = str(line["exception"])
    assert trace.splitlines()[-1] == "ValueError: bad\\x1b[31m"


def test_the_level_is_kept_and_a_wrong_one_refused() -> None:
    """A misspelt level must not silence the log."""
    stream = io.StringIO()
    configure_logging("warning", json=True, stream=stream)

    structlog.get_logger("t").info("not shown")
    structlog.get_logger("t").warning("shown")

    assert [line["event"] for line in logged(stream)] == ["shown"]
    with pytest.raises(ValueError, match="got 'loud'"):
        configure_logging("loud")


def test_python_warnings_are_logged() -> None:
    """They would otherwise stand between the JSON lines."""
    stream = io.StringIO()
    configure_logging("INFO", json=True, stream=stream)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # pytest has put its own catcher in between
        warnings.warn("old option", UserWarning, stacklevel=1)

    assert "old option" in str(logged(stream)[0]["event"])


def test_configuring_twice_does_not_log_twice() -> None:
    """The command line configures once, the daemon again."""
    stream = io.StringIO()
    configure_logging("INFO", json=True, stream=stream)
    configure_logging("INFO", json=True, stream=stream)

    structlog.get_logger("t").info("once")

    assert len(logged(stream)) == 1
