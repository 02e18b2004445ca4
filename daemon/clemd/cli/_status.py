"""`clemd status`: what a state folder holds, whether a daemon runs on it or not."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from clemd.jobs import JobQueue, JobRow, boottime_s, owner_name
from clemd.model import display_name
from clemd.publishing import read_card
from clemd.store import FileRow, FrameRow, Reader, RegistrationRow
from clemd.supervising import configure_logging

LISTED, RESULTS = 20, 10
ALL = 1_000_000
LOCK, TOKEN = "clemd.lock", "page-token"
LOCKS = Path("/proc/locks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """The process that holds a state folder."""

    pid: int | None
    page: str | None
    """Address of its page, token included where we may read it."""


def show_status(state: Path, *, as_json: bool) -> int:
    """Print what is known; exit code 0.

    Raises:
        StateFolderError: no state folder there, or of another version.
        StoreDamagedError: its database cannot be read.
    """
    configure_logging("ERROR", json=False)
    with Reader.open(state) as reader, reader.consistent_view():
        found = look_at(reader, state)
    text = json.dumps(found) if as_json else "\n".join(_in_words(found))
    sys.stdout.write(text + "\n")
    return 0


def look_at(reader: Reader, state: Path) -> dict[str, Any]:
    """The `clemd.state/1` object."""
    # The queue is only asked: it never writes unless told to claim.
    queue = JobQueue(reader.connection, owner=owner_name(), clock=boottime_s)
    frames = reader.frames(limit=ALL)
    counts = reader.counts()
    daemon = find_daemon(state)
    card = read_card(state) if daemon else None
    troubled = queue.jobs(("poisoned", "deferred"), limit=LISTED)
    # a job that runs says something only where heat slows, moves or parks it
    troubled += [job for job in queue.jobs(("leased",), limit=LISTED) if job.reason]
    thermal = reader.newest_thermal()
    return {
        "schema": "clemd.state/1",
        "state_folder": display_name(os.fsencode(state.resolve())),
        "running": daemon is not None,
        "pid": daemon and daemon.pid,
        "page": daemon and daemon.page,
        "bus": card
        and {"publish": card.endpoints.publish, "command": card.endpoints.command},
        "files": reader.file_counts(),
        "waiting": [_file(r) for r in reader.files_in_state("waiting", limit=LISTED)],
        "refused": [_file(r) for r in reader.files_in_state("refused", limit=LISTED)],
        "frames": {"em": 0, "lm": 0} | Counter(row.side for row in frames),
        "unpaired": list(_unpaired(reader, frames)),
        "pairs": dict(Counter(pair.state for pair in reader.pairs(limit=ALL))),
        "verdicts": {v: counts[v] for v in ("accepted", "review", "rejected")},
        "results": [_result(reader, r) for r in reader.registrations(limit=RESULTS)],
        "jobs": queue.counts(),
        "troubled_jobs": [_job(job) for job in troubled],
        "thermal": thermal
        and {
            "state": thermal.state,
            "sensor": thermal.sensor,
            "temperature_c": thermal.temperature_c,
            "reason": thermal.reason,
            "duty": thermal.duty,
            "at": thermal.at,
        },
        "unpublished": counts["unpublished"],
    }


def find_daemon(state: Path) -> Daemon | None:
    """The daemon that holds the state folder's lock; None if nobody does."""
    lock = state / LOCK
    try:
        with lock.open("rb") as stream:
            inode = os.fstat(stream.fileno()).st_ino
            said = stream.read(32).decode("ascii", "replace").strip()
            if not _is_locked(stream.fileno(), inode):
                return None
    except OSError:
        return None
    pid = int(said) if said.isdecimal() else None
    return Daemon(pid=pid, page=None if pid is None else _page(state, pid))


def _is_locked(fd: int, inode: int) -> bool:
    try:
        # Reading the kernel's list cannot get in the way of a daemon that starts now,
        # as taking the lock to try it could.
        held = [line.split() for line in LOCKS.read_text("ascii").splitlines()]
        return any(
            "FLOCK" in words and any(w.endswith(f":{inode}") for w in words)
            for words in held
        )
    except OSError:
        pass
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _page(state: Path, pid: int) -> str | None:
    """Where that process listens for browsers; None if we may not know."""
    card = read_card(state)
    bus = f"{card.endpoints.publish} {card.endpoints.command}" if card else ""
    try:
        listening = [
            c.laddr
            for c in psutil.Process(pid).net_connections(kind="tcp")
            if c.status == psutil.CONN_LISTEN and f":{c.laddr.port}" not in bus
        ]
        token = (state / TOKEN).read_text(encoding="ascii").strip()
    except (psutil.Error, OSError):
        return None
    if not listening:
        return None
    host, port = listening[0].ip, listening[0].port
    host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/?token={token}"


def _file(row: FileRow) -> dict[str, Any]:
    return {
        "root": row.root,
        "file": display_name(row.relative),
        "reason": row.reason,
        "since": row.noticed_at,
    }


def _job(job: JobRow) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "kind": job.kind,
        "state": job.state,
        "attempts": job.attempts,
        "reason": job.reason,
    }


def _unpaired(reader: Reader, frames: list[FrameRow]) -> Iterator[dict[str, Any]]:
    """Frames that wait for a partner, each with what it waits for."""
    paired = {
        frame_id
        for pair in reader.pairs(limit=ALL)
        if pair.state != "overruled"
        for frame_id in (pair.em_frame_id, pair.lm_frame_id)
    }
    newest = {row.frame_id: row for row in reader.newest_decisions()}
    for row in frames:
        said = newest.get(row.id)
        waits = said is not None and said.state in {"waiting", "exhausted"}
        if row.id in paired and not (waits and row.side == "em"):
            continue
        yield {
            "frame_id": row.id,
            "file": _name(row),
            "side": row.side,
            "session": display_name(row.session),
            "reason": said.reasons[0] if said else "no partner has arrived yet",
        }


def _result(reader: Reader, row: RegistrationRow) -> dict[str, Any]:
    found = row.registration
    return {
        "registration_id": row.id,
        "verdict": row.verdict.value,
        "decided_by": row.decided_by,
        "em_file": _name(reader.frame(row.em_frame_id)),
        "lm_file": _name(reader.frame(row.lm_frame_id)),
        "confidence": found.confidence,
        "error_p95_um": found.error_um and found.error_um.p95,
        "error_p95_lm_px": found.error_lm_px and found.error_lm_px.p95,
        "best": row.is_best,
        "seconds": found.seconds.total,
        "reason": row.decided_reason or (found.reasons[0] if found.reasons else ""),
        "at": row.created_at,
    }


def _name(row: FrameRow) -> str:
    return PurePosixPath(row.frame.path).name


def _in_words(found: dict[str, Any]) -> Iterator[str]:
    yield _headline(found)
    if found["page"]:
        yield f"  page      {found['page']}"
    for root, states in sorted(found["files"].items()):
        yield f"  files     {root}: {_tally(states)}"
    yield from _list("  waiting   ", found["waiting"], "{file}: {reason}")
    yield from _list("  refused   ", found["refused"], "{file}: {reason}")
    yield f"  frames    {found['frames']['em']} EM, {found['frames']['lm']} LM"
    yield from _list(
        "  alone     ", found["unpaired"][:LISTED], "{file}: {reason}, id {frame_id}"
    )
    if found["pairs"]:
        yield f"  pairs     {_tally(found['pairs'])}"
    yield f"  results   {_tally(found['verdicts'])}"
    for result in found["results"]:
        yield from _wrapped("            ", _result_line(result))
    yield f"  jobs      {_tally(found['jobs'])}"
    yield from _list(
        "  trouble   ", found["troubled_jobs"], "{kind} job {job_id} {state}: {reason}"
    )
    if found["unpublished"]:
        yield f"  bus       {found['unpublished']} messages not sent yet"
    yield f"  heat      {_heat(found['thermal'])}"


def _headline(found: dict[str, Any]) -> str:
    if not found["running"]:
        return f"no daemon runs on {found['state_folder']}"
    return f"running as process {found['pid']} on {found['state_folder']}"


def _result_line(result: dict[str, Any]) -> str:
    line = f"{result['verdict']} {result['em_file']} on {result['lm_file']}"
    um, px = result["error_p95_um"], result["error_p95_lm_px"]
    if result["verdict"] != "rejected" and (um or px):
        line += f", ±{um:.3g} µm" if um else f", ±{px:.2f} LM px"
    if result["decided_by"] != "engine":
        line += f", decided by {result['decided_by']}"
    return f"{line}, {result['seconds']:.1f} s, id {result['registration_id']}"


def _heat(thermal: dict[str, Any] | None) -> str:
    if thermal is None:
        return "never looked"
    if thermal["temperature_c"] is None:
        return f"{thermal['state']}: {thermal['reason'] or 'no sensor answers'}"
    said = f"{thermal['state']}: {thermal['temperature_c']:.0f} °C"
    if thermal["reason"].startswith(f"{thermal['temperature_c']:.0f} °C"):
        said = f"{thermal['state']}: {thermal['reason']}"
    return f"{said} ({thermal['sensor']})"


def _tally(numbers: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in numbers.items() if n) or "none"


def _list(label: str, rows: Iterable[dict[str, Any]], form: str) -> Iterator[str]:
    for row in rows:
        yield from _wrapped(label, form.format(**row).removesuffix(": "))


def _wrapped(label: str, text: str) -> list[str]:
    width = max(40, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        text,
        width,
        initial_indent=label,
        subsequent_indent=" " * len(label),
        break_on_hyphens=False,
    )
