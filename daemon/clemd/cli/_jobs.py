"""`clemd jobs` and `clemd retry`: what is to be done, and doing it again."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clemd.client import Client
from clemd.errors import UsageError
from clemd.jobs import JobQueue, JobRow, boottime_s, owner_name
from clemd.publishing import RejectedError
from clemd.store import Reader, Store
from clemd.supervising import configure_logging

from ._status import find_daemon

LISTED = 200
_OPEN = ("leased", "queued", "deferred", "poisoned")


def show_jobs(state: Path, *, every: bool, as_json: bool) -> int:
    """Print the jobs that are not done (or all), the newest first; exit code 0.

    Raises:
        StateFolderError: no state folder there, or of another version.
    """
    configure_logging("ERROR", json=False)
    with Reader.open(state) as reader, reader.consistent_view():
        queue = JobQueue(reader.connection, owner=owner_name(), clock=boottime_s)
        states = (*_OPEN, "done") if every else _OPEN
        rows, counts = queue.jobs(states, limit=LISTED), queue.counts()
    if as_json:
        jobs = [asdict(row) for row in rows]
        text = json.dumps({"schema": "clemd.jobs/1", "counts": counts, "jobs": jobs})
    else:
        summed = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
        text = "\n".join([summed or "no jobs yet", *(_line(row) for row in rows)])
    sys.stdout.write(text + "\n")
    return 0


def _line(row: JobRow) -> str:
    subject = next(iter(row.payload.values()), "")
    tries = f", {row.attempts} tries" if row.attempts > 1 else ""
    reason = f": {row.reason}" if row.reason else ""
    return f"{row.id:6} {row.kind:9} {row.state:9} {subject}{tries}{reason}"


def retry_job(given: str, state: Path, *, as_json: bool) -> int:
    """Start one job afresh, through the daemon where one runs; exit code 0.

    Raises:
        UsageError: no such job, or it is running.
        TransientError: the daemon does not answer.
    """
    configure_logging("ERROR", json=False)
    if not given.isdecimal() or int(given) >= 1 << 62:
        raise UsageError("not a job's number", given, "clemd jobs lists them")
    job_id = int(given)
    is_running = find_daemon(state) is not None
    if is_running:
        _through_the_daemon(job_id, state)
    else:
        _by_ourselves(job_id, state)
    answer: dict[str, Any] = {"schema": "clemd.retry/1", "job_id": job_id}
    later = "" if is_running else "; it runs when clemd runs"
    text = json.dumps(answer) if as_json else f"job {job_id} is queued again{later}"
    sys.stdout.write(text + "\n")
    return 0


def _through_the_daemon(job_id: int, state: Path) -> None:
    with Client(state=state) as client:
        try:
            client.command("retry", job_id=job_id)
        except RejectedError as refused:
            raise _not_possible(job_id) from refused


def _by_ourselves(job_id: int, state: Path) -> None:
    Reader.open(state).close()  # a folder without a database is not made into one
    store = Store.open(state)
    try:
        queue = JobQueue(store.connection, owner=owner_name(), clock=boottime_s)
        queue.release_stale()
        if not queue.retry(job_id):
            raise _not_possible(job_id)
    finally:
        store.close()


def _not_possible(job_id: int) -> UsageError:
    return UsageError(
        "no such job, or it is running", str(job_id), "clemd jobs lists them"
    )
