"""Kill the daemon again and again while sixty files arrive; nothing may be lost.

Files drip in; a daemon starts, is killed at a random moment, starts again, and so on;
afterwards it gets one life to the end.
"""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ._pipeline_checks import Expected, Findings, check_state, sha256_of
from ._pipeline_daemon import Daemon, DaemonFailedError, look_into, unfinished
from ._pipeline_session import Stash, render_stash, write_slowly
from ._table import Row

LIFE_S = (0.3, 8.0)
"""Least and most time between a start and its SIGKILL."""
LONG_LIFE_S = (8.0, 24.0)
"""Every fourth life: long enough to be killed while registering and writing."""
DRIP_SHARE = 0.8
"""The files come during this part of the lives that end early."""
FINISH_LIMIT_S = 1800.0
THREADS = 2

Say = Callable[[str], None]


@dataclass(slots=True)
class KillRun:
    """What happened, before the state is looked at."""

    kills: int = 0
    survivors: list[str] = field(default_factory=list)
    """Children that outlived their daemon."""
    own_ends: list[str] = field(default_factory=list)
    """Lives that ended before their SIGKILL."""
    done_while_dying: int = 0
    """Registrations that were there before the last, undisturbed life."""
    read_while_dying: int = 0
    seconds: float = 0.0
    exit_code: int = 0
    """Of the last life, which was asked to stop."""


def measure_kills(
    folder: Path, *, kills: int, seed: int, say: Say
) -> tuple[list[Row], KillRun, Findings]:
    """Run it; rows, what happened, and what the state folder looks like."""
    say("rendering the session of sixty files")
    stash = render_stash(folder / "stash", plan="sixty", seed=seed)
    daemon = Daemon.prepare(folder / "service", threads=THREADS)
    run = KillRun()
    moments = random.Random(seed)  # noqa: S311 - moments, not secrets
    lives = [
        moments.uniform(*(LONG_LIFE_S if number % 4 == 3 else LIFE_S))
        for number in range(kills)
    ]
    began = time.monotonic()
    try:
        with dripping(stash, daemon, within_s=DRIP_SHARE * sum(lives)) as drip:
            for life in lives:
                _live_and_die(daemon, life, run)
                if run.kills % 10 == 0:
                    say(f"{run.kills} kills, {_progress(daemon)}")
            drip.join()
        run.read_while_dying, run.done_while_dying = _done(daemon)
        say(f"one life to the end, {_progress(daemon)}")
        daemon.start()
        daemon.wait_until_ready()
        daemon.wait_until_idle(FINISH_LIMIT_S)
    except DaemonFailedError as failed:
        run.own_ends.append(str(failed))
    finally:
        run.exit_code = daemon.stop()
        run.seconds = time.monotonic() - began
    findings = check_state(daemon.state, expected_files(stash, daemon))
    return kill_rows(run, findings), run, findings


def _live_and_die(daemon: Daemon, life_s: float, run: KillRun) -> None:
    process = daemon.start()
    try:
        code = process.wait(life_s)
    except subprocess.TimeoutExpired:
        run.survivors += daemon.kill()
        run.kills += 1
    else:
        run.own_ends.append(f"ended by itself with {code}: {daemon.last_words()}")


@contextmanager
def dripping(
    stash: Stash, daemon: Daemon, *, within_s: float
) -> Iterator[threading.Thread]:
    """Files arrive one after the other, by two habits, whether or not anyone looks."""
    stop = threading.Event()
    waiting = [("lm", p) for p in stash.files("lm")]
    waiting += [("em", p) for p in stash.files("em")]
    pause_s = within_s / len(waiting)

    def drip() -> None:
        for number, (side, source) in enumerate(waiting):
            target = daemon.export(side) / source.name
            # Every other one under a temporary name, as half of the exporters do.
            name = target.with_name(f"{target.name}.part") if number % 2 else target
            for _ in write_slowly(source, name, pause_s=min(0.02, pause_s)):
                pass
            name.replace(target)
            if stop.wait(pause_s):
                return

    thread = threading.Thread(target=drip, name="drip")
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join()


def expected_files(stash: Stash, daemon: Daemon) -> dict[str, Expected]:
    """What was exported, by file name."""
    return {
        source.name: Expected(
            side=side, path=daemon.export(side) / source.name, sha256=sha256_of(source)
        )
        for side in ("em", "lm")
        for source in stash.files(side)
    }


def kill_rows(run: KillRun, findings: Findings) -> list[Row]:
    """The figures of a finished run."""
    counts = (
        f"{findings.files} files, {findings.registrations} registrations, "
        f"{findings.outputs} outputs, {findings.messages} messages"
    )
    before = f"{run.read_while_dying} read, {run.done_while_dying} registered"
    return [
        _row("SIGKILLs", f"{run.kills} in {run.seconds:.0f} s", figure=run.kills),
        _row("before the last, undisturbed life", before),
        _row("afterwards", counts),
        _row("lost, doubled, torn", f"{len(findings.problems)}", findings.problems),
        _row("children that outlived it", f"{len(run.survivors)}", run.survivors),
        _row("lives that ended by themselves", f"{len(run.own_ends)}", run.own_ends),
        _row("exit code of the last life", f"{run.exit_code}", run.exit_code),
    ]


def _row(
    what: str, value: str, faults: object = None, *, figure: float | None = None
) -> Row:
    if faults is None:
        return Row(part="kills", what=what, value=value, figure=figure)
    return Row(
        part="kills",
        what=what,
        value=value,
        goal="0",
        met=not faults,
        figure=float(value),
    )


def _done(daemon: Daemon) -> tuple[int, int]:
    """Frames and registrations so far."""
    connection = look_into(daemon.state)
    try:
        frames, results = (
            int(connection.execute(f"SELECT COUNT(*) FROM {t}").fetchone()[0])  # noqa: S608
            for t in ("frames", "registrations")
        )
    finally:
        connection.close()
    return frames, results


def _progress(daemon: Daemon) -> str:
    if unfinished(daemon.state).get("database"):
        return "no database yet"
    frames, results = _done(daemon)
    return f"{frames} read, {results} registered"
