"""From the exporter's last byte to the overlay message, and what it costs.

One daemon serves all three measurements: latency, memory after that work, idleness.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import tifffile

from clemd.client import Client
from clemd.geometry import as_matrix
from clemd.model import Verdict

from ._peers import SETTINGS, has_simpleitk, register_by_mutual_information
from ._pipeline_daemon import (
    Daemon,
    DaemonFailedError,
    look_into,
    serving,
    wait_for,
)
from ._pipeline_session import Stash, error_of, export, render_stash
from ._table import Row, Spread, against_goal

THREADS = 2
LATENCY_GOAL_S = 6.0
PEER_SHARE = 1 / 3
SUPERVISOR_GOAL_MB = 250.0
WORKER_GOAL_MB = 1536.0
IDLE_GOAL_PERCENT = 2.0
IDLE_S = 20.0
RIGHT = 0.02
"""Largest error of a right answer, as a fraction of the EM field width."""
ANSWER_LIMIT_S = 120.0
BUSY_LIMIT_S = 300.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One EM image on one map."""

    seed: int
    seconds: float
    """Last byte to message."""
    verdict: str
    error: float | None
    """Fraction of the EM field width."""
    engine_seconds: float
    peer_seconds: float | None = None
    peer_error: float | None = None
    peer_error_from_truth: float | None = None
    """Where it ends when it is started at the right answer: is it set up well?"""

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(slots=True)
class ServiceFigures:
    """What one daemon was measured to do."""

    rows: list[Row]
    trials: list[Trial]


def measure_service(
    folder: Path, parts: Collection[str], *, trials: int, seed: int, say: Say
) -> ServiceFigures:
    """Run one daemon; measure the wanted ones of latency, memory and idle."""
    found = ServiceFigures(rows=[], trials=[])
    stashes = []
    if {"latency", "memory"} & set(parts):
        for number in range(trials):
            say(f"rendering pair {number + 1} of {trials}")
            stashes.append(
                render_stash(
                    folder / "stash" / str(number), plan="pipeline", seed=seed + number
                )
            )
    # Sessions by folder: each pair has its own map, none is laid on another's.
    daemon = Daemon.prepare(folder / "service", threads=THREADS, session_from="folder")
    with serving(daemon):
        for number, stash in enumerate(stashes, 1):
            trial = _time_one(daemon, stash)
            say(
                f"pair {number} of {trials}: {trial.seconds:.2f} s, {trial.verdict}, "
                f"engine {trial.engine_seconds:.2f} s"
            )
            found.trials.append(trial)
        if "memory" in parts:
            found.rows += _memory_rows(daemon)
        if "idle" in parts:
            say(f"idle for {IDLE_S:.0f} s")
            found.rows.append(_idle_row(daemon))
    if "latency" in parts:
        found.trials = [
            _with_peer(stash, trial, say)
            for stash, trial in zip(stashes, found.trials, strict=True)
        ]
        found.rows = latency_rows(found.trials) + found.rows
    return found


def _time_one(daemon: Daemon, stash: Stash) -> Trial:
    """Export one map, wait until all is quiet, export the EM image, await the word."""
    session = f"seed{stash.seed}"
    (lm_file,), (em_file,) = stash.files("lm"), stash.files("em")
    for side in ("em", "lm"):
        (daemon.export(side) / session).mkdir()
    export(lm_file, daemon.export("lm") / session / lm_file.name)
    wait_for(
        lambda: _is_read(daemon.state, f"{session}/{lm_file.name}"),
        BUSY_LIMIT_S,
        f"{lm_file.name} to be read",
    )
    daemon.wait_until_idle(BUSY_LIMIT_S)
    with Client(state=daemon.state) as client:
        subscription = client.messages(["registration"], timeout_s=ANSWER_LIMIT_S)
        closed_s = export(em_file, daemon.export("em") / session / em_file.name)
        for update in subscription:
            arrived_s = time.monotonic()
            if Path(update.body["em_file"]).name != em_file.name:
                continue
            # The files that follow are of this image too: they belong to its cost.
            daemon.wait_until_idle(BUSY_LIMIT_S)
            return _judged(stash, update.body, arrived_s - closed_s)
    raise DaemonFailedError(f"no word of {em_file.name} in {ANSWER_LIMIT_S:.0f} s")


def _is_read(state: Path, relative: str) -> bool:
    connection = look_into(state)
    try:
        row = connection.execute(
            "SELECT state FROM files WHERE relative = ?", (relative.encode(),)
        ).fetchone()
    finally:
        connection.close()
    return row is not None and row[0] == "read"


def _judged(stash: Stash, body: dict[str, Any], seconds: float) -> Trial:
    found = body["registration"]
    (em_file,), (lm_file,) = stash.files("em"), stash.files("lm")
    error = None
    if found["em_to_lm"] is not None:
        truth = stash.truth["em"][em_file.name]
        error = error_of(truth, lm_file.name, as_matrix(found["em_to_lm"]))
    return Trial(
        seed=stash.seed,
        seconds=seconds,
        verdict=body["verdict"],
        error=error,
        engine_seconds=found["seconds"]["total"],
    )


def _with_peer(stash: Stash, trial: Trial, say: Say) -> Trial:
    """The same pair by SimpleITK, where it is installed."""
    if not has_simpleitk():
        return trial
    (em_file,), (lm_file,) = stash.files("em"), stash.files("lm")
    truth = stash.truth["em"][em_file.name]
    lm_truth = stash.truth["lm"][lm_file.name]
    say(f"SimpleITK on pair {trial.seed}")
    images = tifffile.imread(em_file), tifffile.imread(lm_file)[0]
    known = {
        "ratio": lm_truth["metadata_pixel_um"] / truth["metadata_pixel_um"],
        "info_bar_rows": int(truth["info_bar_rows"]),
        "mirrored": bool(truth["mirrored"]),
        "threads": THREADS,
    }
    found = register_by_mutual_information(*images, **known)
    true = as_matrix(truth["em_to_lm"][lm_file.name])
    told = register_by_mutual_information(*images, **known, start=true)
    return replace(
        trial,
        peer_seconds=found.seconds,
        peer_error=error_of(truth, lm_file.name, found.em_to_lm),
        peer_error_from_truth=error_of(truth, lm_file.name, told.em_to_lm),
    )


def latency_rows(trials: list[Trial]) -> list[Row]:
    """The rows of finished trials, the peer's included."""
    ours = Spread.of([t.seconds for t in trials])
    rows = [
        Row(
            part="latency",
            what="5120x3840 on 1024x1024, last byte to message",
            value=ours.in_words("s"),
            goal=f"median <= {LATENCY_GOAL_S:g} s",
            met=ours.median <= LATENCY_GOAL_S,
            figure=ours.median,
        ),
        _right_row("ours", [t.error for t in trials]),
        _wrong_row(trials),
    ]
    peers = [t.peer_seconds for t in trials if t.peer_seconds is not None]
    if not peers:
        absent = "SimpleITK is not installed: pip install 'clemd[bench]'"
        return [*rows, Row(part="latency", what="SimpleITK, same pairs", value=absent)]
    theirs = Spread.of(peers)
    ratio = ours.median / theirs.median
    return [
        *rows,
        Row(
            part="latency",
            what=f"SimpleITK, same pairs, {THREADS} threads",
            value=theirs.in_words("s"),
            figure=theirs.median,
        ),
        _right_row("SimpleITK", [t.peer_error for t in trials]),
        _right_row(
            "SimpleITK started at the truth", [t.peer_error_from_truth for t in trials]
        ),
        Row(
            part="latency",
            what="our median / SimpleITK's median",
            value=f"{ratio:.3f}",
            goal=f"< {PEER_SHARE:.3f}",
            met=ratio < PEER_SHARE,
            figure=ratio,
        ),
        Row(part="latency", what="SimpleITK's settings", value=SETTINGS),
    ]


def _right_row(who: str, errors: list[float | None]) -> Row:
    known = [e for e in errors if e is not None]
    right = sum(e < RIGHT for e in known)
    spread = Spread.of([100 * e for e in known]).in_words("%") if known else "none"
    return Row(
        part="latency",
        what=f"{who}: mean corner error / EM field width",
        value=f"{spread}; {right} of {len(errors)} right (below {RIGHT:.0%})",
        figure=float(right),
    )


def _wrong_row(trials: list[Trial]) -> Row:
    wrong = sum(
        t.verdict == Verdict.ACCEPTED and (t.error is None or t.error >= RIGHT)
        for t in trials
    )
    verdicts = ", ".join(
        f"{sum(t.verdict == v for t in trials)} {v.value}" for v in Verdict
    )
    return Row(
        part="latency",
        what="verdicts; wrong but accepted",
        value=f"{verdicts}; {wrong} wrong but accepted",
        goal="0 wrong",
        met=wrong == 0,
        figure=float(wrong),
    )


def _memory_rows(daemon: Daemon) -> list[Row]:
    rows = []
    assert daemon.process is not None
    for who, pid, limit in (
        ("supervisor", daemon.process.pid, SUPERVISOR_GOAL_MB),
        ("worker", _pid(daemon, "clemd.worker"), WORKER_GOAL_MB),
        ("reader", _pid(daemon, "clemd.reading._child"), None),
    ):
        if pid is None:
            rows.append(Row(part="memory", what=who, value="does not run now"))
            continue
        peak = peak_mb(Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
        now = psutil.Process(pid).memory_info().rss / 2**20
        what = f"{who}, most resident so far ({now:.0f} MB now)"
        if limit is None:
            row = Row(part="memory", what=what, value=f"{peak:.2f} MB", figure=peak)
        else:
            row = against_goal("memory", what, peak, unit="MB", at_most=limit)
        rows.append(row)
    return rows


def _pid(daemon: Daemon, module: str) -> int | None:
    child = daemon.child(module)
    return None if child is None else child.pid


def peak_mb(status: str) -> float:
    """The high-water mark of resident memory in the text of /proc/PID/status.

    Raises:
        ValueError: it is not there.
    """
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmHWM in the process's status")


def _idle_row(daemon: Daemon) -> Row:
    assert daemon.process is not None
    daemon.wait_until_idle(BUSY_LIMIT_S)
    time.sleep(2.0)  # what the last files set in motion dies down
    before = _cpu_seconds(daemon.process.pid)
    began = time.monotonic()
    time.sleep(IDLE_S)
    passed = time.monotonic() - began
    after = _cpu_seconds(daemon.process.pid)
    used = sum(after.values()) - sum(before.get(pid, 0.0) for pid in after)
    share = 100 * used / passed
    what = f"supervisor and children over {IDLE_S:.0f} s"
    return against_goal(
        "idle", what, share, unit="% of one core", at_most=IDLE_GOAL_PERCENT
    )


def _cpu_seconds(pid: int) -> dict[int, float]:
    """Processor seconds of a process and its children, each by id."""
    root = psutil.Process(pid)
    used = {}
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used[process.pid] = times.user + times.system
    return used


__all__ = ["ServiceFigures", "Trial", "latency_rows", "measure_service", "peak_mb"]
