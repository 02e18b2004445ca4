"""Twelve habits at once against a real daemon, then every claim against the truth."""

from __future__ import annotations

import heapq
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ._figures import Share, in_words, percentile
from ._pipeline_daemon import Daemon, serving
from ._table import Row, table
from ._watching_habits import HABITS, MOST_S, Story
from ._watching_service import Claim, Root, claims, counted, prepare, warm_up

SCALE = 20.0
"""Every second of the writers and of the profile lasts a twentieth."""
SETTLE_S, POLL_S, INCOMPLETE_S, SIDECAR_S = 3.0, 2.0, 180.0, 30.0
"""The profile's defaults, before they are scaled."""
BEGIN_PER_S = 15.0
"""Files that begin in a second: fewer than the reader can take."""
MOST_WAITING = 5
"""Read jobs in the queue beyond which no further file begins."""
FINISH_LIMIT_S = 900.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Told:
    """What became of the files of one habit."""

    files: int = 0
    completed: int = 0
    found: int = 0
    """Of the completed ones: the last version was read."""
    claimed: int = 0
    """Results, of every version."""
    wrong: int = 0
    """Results whose pixels, or pixel size, were never those of a complete version."""
    lags_s: list[float] = field(default_factory=list)
    """From a file's last byte to its frame, as the clock showed it."""
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Played:
    """One run."""

    told: dict[str, Told]
    late_s: list[float]
    """How much longer than wished the writers paused, real seconds."""
    seconds: float
    exit_code: int


def measure_habits(
    folder: Path, *, trials: int, seed: int, say: Say
) -> tuple[list[Row], str]:
    """Rows with goals and the table by habit."""
    root = Root(
        name="em",
        settle_s=SETTLE_S / SCALE,
        poll_s=POLL_S / SCALE,
        more={
            "incomplete_s": INCOMPLETE_S / SCALE,
            "sidecar_wait_s": SIDECAR_S / SCALE,
        },
    )
    daemon = prepare(folder / "service", [root])
    stories = list(_stories(daemon.export("em"), trials, seed))
    began = time.monotonic()
    with serving(daemon):
        warm_up(daemon, "em")
        late_s = _write(stories, daemon, say)
        say("all written; waiting for the daemon")
        daemon.wait_until_idle(FINISH_LIMIT_S)
        exit_code = daemon.stop()
    played = Played(
        told=judge(stories, claims(daemon.state)),
        late_s=late_s,
        seconds=time.monotonic() - began,
        exit_code=exit_code,
    )
    return _rows(played), _table(played)


def _stories(folder: Path, trials: int, seed: int) -> Iterator[tuple[str, Story]]:
    """Habits by turns, so that all of them meet at any time."""
    for name in HABITS:
        (folder / _folder_of(name)).mkdir()
    for number in range(trials):
        for habit in HABITS:
            dice = random.Random(f"{seed}/{habit}/{number}")  # noqa: S311 - repeatable
            path = folder / _folder_of(habit) / f"{number:05}.tif"
            yield habit, Story(path=path, dice=dice, born_s=time.time())


def _folder_of(habit: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in habit)


def _write(stories: list[tuple[str, Story]], daemon: Daemon, say: Say) -> list[float]:
    """Let every writer do its steps when they are due."""
    heap: list[tuple[float, int, Iterator[float]]] = []
    late_s: list[float] = []
    begun, next_s, look_s, is_held = 0, time.monotonic(), 0.0, False
    while heap or begun < len(stories):
        now_s = time.monotonic()
        if now_s >= look_s:
            daemon.check_running()
            is_held, look_s = _is_behind(daemon), now_s + 0.5
        if begun < len(stories) and now_s >= next_s:
            next_s = now_s + 1 / BEGIN_PER_S
            if not is_held:
                habit, story = stories[begun]
                heapq.heappush(heap, (now_s, begun, HABITS[habit](story)))
                begun += 1
                if begun % 500 == 0:
                    say(f"{begun} of {len(stories)} files begun")
        while heap and heap[0][0] <= now_s:
            due_s, number, steps = heapq.heappop(heap)
            late_s.append(now_s - due_s)
            with suppress(StopIteration):
                pause_s = next(steps)
                now_s = time.monotonic()
                heapq.heappush(heap, (now_s + pause_s / SCALE, number, steps))
        until_s = min(heap[0][0] if heap else next_s, next_s, look_s)
        time.sleep(max(0.0, min(0.05, until_s - time.monotonic())))
    return late_s


def _is_behind(daemon: Daemon) -> bool:
    """Does the reader have more to do than it can take at once?"""
    queued = "SELECT COUNT(*) FROM jobs WHERE state = 'queued'"
    return counted(daemon.state, queued) > MOST_WAITING


def judge(
    stories: list[tuple[str, Story]], claimed: Iterator[Claim]
) -> dict[str, Told]:
    """Every claim against the versions that were complete."""
    by_name: defaultdict[str, list[Claim]] = defaultdict(list)
    for claim in claimed:
        by_name[claim.relative].append(claim)
    told = {habit: Told() for habit in HABITS}
    for habit, story in stories:
        one = told[habit]
        relative = f"{story.path.parent.name}/{story.path.name}"
        ours = by_name[relative]
        one.files += 1
        one.claimed += len(ours)
        true = frozenset().union(*(v.planes for v in story.versions))
        for claim in ours:
            if not claim.planes or not claim.planes <= true or _is_odd(claim, story):
                one.wrong += 1
                one.examples.append(f"{relative} revision {claim.revision}")
        if story.is_left:
            one.completed += 1
            last = story.versions[-1].sha256
            newest = max(ours, key=lambda c: c.revision, default=None)
            is_found = newest is not None and newest.sha256 == last
            if is_found and story.pixel_um is not None:
                is_found = newest is not None and newest.pixel_um is not None
            one.found += is_found
            if is_found and newest is not None:
                one.lags_s.append(newest.at_s - story.ended_at_s)
            if not is_found:
                one.examples.append(f"{relative} not found")
    return told


def _is_odd(claim: Claim, story: Story) -> bool:
    """A pixel size that no text has stated; none at all is honest."""
    if claim.pixel_um is None:
        return False
    true = story.pixel_um
    return true is None or abs(claim.pixel_um - true) > 1e-3 * true


def _rows(played: Played) -> list[Row]:
    every = played.told.values()
    completed = sum(t.completed for t in every)
    found = Share(sum(t.found for t in every), completed)
    wrong = Share(sum(t.wrong for t in every), sum(t.claimed for t in every))
    late_s = percentile(played.late_s, 99.9) or 0.0
    return [
        Row(
            part="habits",
            what="results with wrong pixels",
            value=str(wrong),
            goal="0",
            met=not wrong.hits,
            figure=wrong.hits,
        ),
        Row(
            part="habits",
            what="completed files found",
            value=str(found),
            goal="100 %",
            met=found.hits == found.of,
            figure=found.value,
        ),
        Row(
            part="habits",
            what=f"pauses of up to {MOST_S:g} s, all times 1/{SCALE:g}",
            value=f"{played.seconds:.0f} s in all; p99.9 of a step's lateness "
            f"{1e3 * late_s:.0f} ms",
        ),
    ]


def _table(played: Played) -> str:
    lines = [
        (
            habit,
            t.files,
            Share(t.found, t.completed),
            t.claimed,
            t.wrong,
            in_words(percentile(t.lags_s, 50), 2, " s"),
            "; ".join(t.examples[:3]),
        )
        for habit, t in played.told.items()
    ]
    head = (
        "habit",
        "files",
        "completed and found",
        "results",
        "wrong",
        "last byte to frame, median",
        "for example",
    )
    return table(head, lines)
