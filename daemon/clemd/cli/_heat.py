"""`clemd heat`: how warm it was, what that cost, and the operator's word about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clemd.client import Client, RejectedError
from clemd.errors import ClemdError, UsageError
from clemd.model import display_name
from clemd.store import Reader
from clemd.supervising import configure_logging

from ._status import find_daemon

WISHES = {"pause": "pause", "allow": "allow", "resume": "none"}
GAP_S = 75.0
"""A reading speaks for the time after it, but not for longer than this: the daemon
keeps one a minute at least."""
LONGEST_MIN = 480.0
ANSWER_S = 2.0
"""For a daemon that is asked how things stand; else the history has to do."""
ALL, JOBS_SHOWN = 1_000_000, 30


def say_wish(word: str, minutes: float, state: Path, *, as_json: bool) -> int:
    """Have the running daemon heed the operator for a while; exit code 0.

    Raises:
        UsageError: no such word or duration, or the daemon refuses it.
        TransientError: no daemon answers.
    """
    configure_logging("ERROR", json=False)
    if word not in WISHES:
        raise UsageError("no such word", word, f"use one of {', '.join(WISHES)}")
    if WISHES[word] != "none" and not 0 < minutes <= LONGEST_MIN:
        raise UsageError(
            "no such duration",
            f"--minutes {minutes:g}",
            f"give more than 0 and at most {LONGEST_MIN:g} minutes",
        )
    with Client(state=state) as client:
        try:
            said = client.command("thermal", wish=WISHES[word], seconds=60.0 * minutes)
        except RejectedError as refused:
            raise UsageError("the service refuses", "", str(refused)) from refused
    text = json.dumps({"schema": "clemd.heat-wish/1", **said})
    sys.stdout.write((text if as_json else str(said["message"])) + "\n")
    return 0


def show_heat(hours: float, state: Path, *, as_json: bool) -> int:
    """Print the last hours' temperatures and jobs; exit code 0.

    Raises:
        StateFolderError: no state folder there, or of another version.
        UsageError: not a number of hours.
    """
    configure_logging("ERROR", json=False)
    if not 0 < hours <= 24 * 366:
        raise UsageError("not a number of hours", f"{hours:g}", "0 to 8784")
    since = datetime.now(UTC) - timedelta(hours=hours)
    with Reader.open(state) as reader, reader.consistent_view():
        found = look_back(reader, since)
    is_running = find_daemon(state) is not None
    found |= {"hours": hours, "running": is_running}
    if is_running:
        found["now"] = _live(state) or found["now"]
    found["seconds"] = _lasted(found["readings"], is_running=is_running)
    text = json.dumps(found) if as_json else "\n".join(_in_words(found))
    sys.stdout.write(text + "\n")
    return 0


def _live(state: Path) -> dict[str, Any] | None:
    """What the running daemon sees at this moment; None where it does not say."""
    try:
        with Client(state=state) as client:
            said = client.command("status", timeout_s=ANSWER_S)
    except ClemdError:  # no bus, or not for us
        return None
    live: dict[str, Any] | None = said.get("heat")
    return live


def look_back(reader: Reader, since: datetime) -> dict[str, Any]:
    """The `clemd.heat/1` object."""
    newest = reader.newest_thermal()
    return {
        "schema": "clemd.heat/1",
        "now": None if newest is None else asdict(newest),
        "readings": [asdict(r) for r in reader.thermal_history(since, limit=ALL)],
        "jobs": [asdict(span) for span in reader.job_spans(since, limit=ALL)],
    }


def _in_words(found: dict[str, Any]) -> Iterator[str]:
    now, readings, jobs = found["now"], found["readings"], found["jobs"]
    if now is None:
        yield "nobody has looked yet"
        return
    sensor = display_name(now["sensor"] or "no sensor")
    until = "" if found["running"] else ", and nobody looks now"
    yield f"{now['state']} at {now['at'][:19]} UTC{until} ({sensor}): {now['reason']}"
    values = [r["temperature_c"] for r in readings if r["temperature_c"] is not None]
    said = f"last {found['hours']:g} h: "
    said += f"{min(values):.0f} to {max(values):.0f} °C" if values else "nothing seen"
    for state, seconds in found["seconds"].items():
        said += f", {state} for {_clock(seconds)}"
    paused_s = sum(job["paused_s"] for job in jobs)
    busy_s = sum(job["busy_s"] for job in jobs)
    cost = f"worked {_clock(busy_s)}, paused {_clock(paused_s)}"
    yield f"{said}; {len(jobs)} tries {cost}"
    for job in jobs[-JOBS_SHOWN:]:
        highest = "" if job["highest_c"] is None else f", {job['highest_c']:.0f} °C"
        yield (
            f"  {job['started_at'][:19]}  {job['outcome']:<8} {job['device']:<7} "
            f"worked {job['busy_s']:.1f} s, paused {job['paused_s']:.1f} s{highest}"
            f"  {job['subject']}"
        )


def _lasted(
    readings: list[dict[str, Any]], *, is_running: bool = False
) -> dict[str, float]:
    """Seconds in warm, hot and blind; where somebody still looks, up to now."""
    seconds: dict[str, float] = {}
    moments = [datetime.fromisoformat(r["at"]) for r in readings]
    if is_running:
        moments.append(datetime.now(UTC))
    for reading, start, end in zip(readings, moments, moments[1:], strict=False):
        if reading["state"] != "cool":
            lasted_s = min(GAP_S, (end - start).total_seconds())
            seconds[reading["state"]] = seconds.get(reading["state"], 0.0) + lasted_s
    return seconds


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
