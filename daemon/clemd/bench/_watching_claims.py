"""From a writer's last byte to the claimed job, by what the profile promises."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from ._figures import percentile
from ._pipeline_daemon import Daemon, look_into, serving
from ._table import Row
from ._watching_images import draw
from ._watching_service import Root, prepare, warm_up

GAP_S = 0.25
"""Between two files: they come one at a time."""
PROMISED_GOAL_S = 0.1
SETTLE_S, POLL_S = 3.0, 2.0
SCAN_S = 0.1
"""Time for the looks themselves, beside the waits between them."""
FINISH_LIMIT_S = 120.0
ROOTS = (
    Root(name="close", ready="close", settle_s=SETTLE_S, poll_s=POLL_S),
    Root(name="rename", ready="rename", settle_s=SETTLE_S, poll_s=POLL_S),
    Root(name="settle", settle_s=SETTLE_S, poll_s=POLL_S),
)

Say = Callable[[str], None]


def measure_claimed(folder: Path, *, trials: int, seed: int, say: Say) -> list[Row]:
    """A real daemon with three roots; files are written to each by turns."""
    daemon = prepare(folder, ROOTS)
    written_s: dict[tuple[str, str], float] = {}
    with serving(daemon):
        for root in ROOTS:
            warm_up(daemon, root.name)
        for number in range(trials):
            for root in ROOTS:
                name = f"{number:05}.tif"
                dice = random.Random(f"{seed}/{number}/{root.name}")  # noqa: S311
                data = draw("tiff", dice).data
                written_s[root.name, name] = _write(daemon, root, name, data)
                time.sleep(GAP_S)
            if number % 100 == 99:
                say(f"{number + 1} of {trials} files to each root")
        daemon.wait_until_idle(FINISH_LIMIT_S)
        daemon.stop()
    moments, read_s = dict(_moments(daemon.state)), dict(_read_s(daemon.log))
    rows = []
    for root in ROOTS:
        mine = [key for key in written_s if key[0] == root.name and key in moments]
        queued = [moments[key][0] - written_s[key] for key in mine]
        kept = [moments[key][1] - written_s[key] for key in mine]
        claimed = [k - read_s.get(key, 0.0) for key, k in zip(mine, kept, strict=True)]
        rows += _rows(root, queued, claimed, kept, trials)
    return rows


def _write(daemon: Daemon, root: Root, name: str, data: bytes) -> float:
    """By the habit that the root promises; the wall clock after the last byte."""
    path = daemon.export(root.name) / name
    partial = path.with_name(f"{name}.part") if root.ready == "rename" else path
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        ended_s = time.time()
    if partial != path:
        partial.replace(path)
    return ended_s


def _moments(state: Path) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """(root, name) -> wall clock when its job was queued, and when its frame was kept.

    The job is claimed between the two: not later than the second, less the time that
    the reader took for the file.
    """
    with closing(look_into(state)) as connection:
        rows = connection.execute(
            "SELECT files.root, files.relative, jobs.created_at, frames.created_at "
            "FROM files JOIN frames ON frames.file_id = files.id "
            "AND frames.revision = files.revision "
            "JOIN jobs ON jobs.key = 'read:' || files.id || ':' || files.revision"
        ).fetchall()
    for root, relative, queued, kept in rows:
        yield (root, relative.decode()), (_seconds(queued), _seconds(kept))


def _read_s(log: Path) -> Iterator[tuple[tuple[str, str], float]]:
    """(root, name) -> seconds that the reader took for it, from the daemon's log."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"file_read"' in line:
            said = json.loads(line)
            yield (said["root"], said["file"]), float(said["seconds"])


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _rows(
    root: Root,
    queued: list[float],
    claimed: list[float],
    kept: list[float],
    files: int,
) -> list[Row]:
    goal_s, goal = PROMISED_GOAL_S, f"p99 <= {1e3 * PROMISED_GOAL_S:g} ms"
    if root.ready == "settle":
        goal_s = SETTLE_S + 2 * POLL_S + SCAN_S
        goal = f"<= settle + two polls = {SETTLE_S + 2 * POLL_S:g} s"
    worst_s = percentile(claimed, 99) or 0.0
    what = f"ready = {root.ready}: last byte to"
    return [
        _row(f"{what} job queued", queued),
        Row(
            part="claimed",
            what=f"{what} job claimed, at most",
            value=f"{_in_ms(claimed)} of {files}",
            goal=goal,
            met=worst_s <= goal_s and len(claimed) == files,
            figure=worst_s,
        ),
        _row(f"{what} frame read and kept", kept),
    ]


def _row(what: str, seconds: list[float]) -> Row:
    return Row(
        part="claimed",
        what=what,
        value=_in_ms(seconds),
        figure=percentile(seconds, 99),
    )


def _in_ms(seconds: list[float]) -> str:
    p50, p99 = (1e3 * (percentile(seconds, q) or 0.0) for q in (50, 99))
    most = 1e3 * max(seconds, default=0.0)
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {most:.0f} ms, n = {len(seconds)}"
