"""`clemd bench troubles`: workers that hang, crash and lose their device.

The service's own parts on real files and a real database, in this process, so that
the delays of its loop are seen. Every registration meets its trouble at the first
try: at the end each one must be there, and right, or refused with a reason.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from clemd.app import App
from clemd.config import Profile
from clemd.geometry import as_matrix, corner_errors
from clemd.model import Matrix, Registration, Verdict

from ._figures import Share, percentile
from ._machine import this_machine
from ._table import Row, rows_table
from ._troubled_worker import TROUBLES

SCHEMA = "clemd.bench.troubles/1"
GOAL_LOOP_S = 0.05
TIME_LIMIT_S = 20.0
"""After which a worker that hangs is killed; a registration takes a tenth of it."""
MAP_PX, EM_PX = 360, (150, 190)
PIXEL_UM = 0.2
LOOK_S = 0.02
RIGHT = 0.02
"""Largest mean corner error of a right answer, share of the EM width."""
WAIT_S = 120.0
"""For one registration, however often it begins anew."""


@dataclass(slots=True)
class Seen:
    """What was measured while the service ran."""

    lags_s: list[float] = field(default_factory=list)
    """How much later than asked the loop came back."""
    seconds: float = 0.0


def run_troubles(trials: int, seed: int, *, as_json: bool) -> int:
    """`trials` of each trouble; print the table.

    Returns:
        0, or 70 where a job ended neither right nor refused.
    """
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clemd-troubles-") as folder:
        outcomes, seen = asyncio.run(_serve(Path(folder), trials, seed, _say))
    rows = troubles_rows(outcomes, seen, trials)
    machine = this_machine()
    if as_json:
        answer: dict[str, Any] = {
            "schema": SCHEMA,
            "machine": machine.as_json(),
            "seed": seed,
            "trials": trials,
            "rows": [row.as_json() for row in rows],
        }
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        spent = time.monotonic() - began_s
        sys.stdout.write(f"{machine.in_words()}; seed {seed}, {spent:.0f} s in all\n\n")
        sys.stdout.write(rows_table(rows) + "\n")
    return 70 if any(row.met is False and row.part == "jobs" for row in rows) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the registration of one image ended."""

    trouble: str
    end: str
    """`right`, `wrong`, `review`, `rejected`, `refused` or `open`."""
    tries: int


def troubles_rows(outcomes: list[Outcome], seen: Seen, trials: int) -> list[Row]:
    """The figures, with their goals."""
    rows = []
    for trouble in TROUBLES:
        of = [one for one in outcomes if one.trouble == trouble]
        good = sum(one.end in {"right", "review", "rejected", "refused"} for one in of)
        right = sum(one.end == "right" for one in of)
        share = Share(good, len(of))
        rows.append(
            Row(
                part="jobs",
                what=f"{trouble}: ended right or refused",
                value=f"{share}; {right} right, at most "
                f"{max((one.tries for one in of), default=0)} tries",
                goal=f"{trials} of {trials}",
                met=good == trials,
                figure=share.value,
            )
        )
    p99 = percentile(seen.lags_s, 99) or 0.0
    worst = max(seen.lags_s, default=0.0)
    rows.append(
        Row(
            part="loop",
            what="delay of the daemon's loop, p99 (largest)",
            value=f"{1e3 * p99:.1f} ms ({1e3 * worst:.0f} ms, n = {len(seen.lags_s)})",
            goal=f"p99 <= {1e3 * GOAL_LOOP_S:g} ms",
            met=p99 <= GOAL_LOOP_S,
            figure=p99,
        )
    )
    return rows


async def _serve(
    folder: Path, trials: int, seed: int, say: Callable[[str], None]
) -> tuple[list[Outcome], Seen]:
    for name in ("em", "lm", "met"):
        (folder / name).mkdir()
    truths = _write_images(folder, trials, seed)
    command = (sys.executable, "-m", "clemd.bench._troubled_worker")
    app = App(
        _profile(folder), folder / "state", worker=(*command, str(folder / "met"))
    )
    seen, began_s = Seen(), time.monotonic()
    running = asyncio.create_task(app.run())
    watching = asyncio.create_task(_watch_loop(seen))
    try:
        await app.started.wait()
        last, changed_s = -1, time.monotonic()
        while (done := _count_ended(app)) < len(truths):
            if done != last:
                say(f"\r{done} of {len(truths)} ")
                last, changed_s = done, time.monotonic()
            if running.done() or time.monotonic() - changed_s > WAIT_S:
                break
            await asyncio.sleep(0.5)
        outcomes = _outcomes(app, truths)
    finally:
        watching.cancel()
        app.stop.stop("the benchmark has seen it")
        await running
    say("\n")
    seen.seconds = time.monotonic() - began_s
    return outcomes, seen


async def _watch_loop(seen: Seen) -> None:
    while True:
        began_s = time.perf_counter()
        await asyncio.sleep(LOOK_S)
        seen.lags_s.append(max(0.0, time.perf_counter() - began_s - LOOK_S))


def _jobs(app: App) -> dict[str, tuple[str, int]]:
    """Pair -> (state, attempts) of its registration job."""
    rows = app.house.store.connection.execute(
        "SELECT payload, state, attempts FROM jobs WHERE kind = 'register'"
    )
    return {json.loads(payload)["pair_id"]: (state, n) for payload, state, n in rows}


def _count_ended(app: App) -> int:
    return sum(state in {"done", "poisoned"} for state, _ in _jobs(app).values())


def _outcomes(app: App, truths: dict[str, Matrix]) -> list[Outcome]:
    """One for each image, whatever became of it."""
    store, jobs = app.house.store, _jobs(app)
    ends: dict[str, tuple[str, int]] = {}
    for pair_id, (state, tries) in jobs.items():
        pair = store.pair(pair_id)
        name = Path(store.frame(pair.em_frame_id).frame.path).stem
        ends[name] = ("refused" if state == "poisoned" else "open", tries)
        for row in store.registrations(pair_id=pair_id, best_only=True):
            ends[name] = (_end(row.registration, truths[name]), tries)
    return [
        Outcome(trouble=name.split("-")[0], end=end, tries=tries)
        for name in truths
        for end, tries in [ends.get(name, ("open", 0))]
    ]


def _end(found: Registration, truth: Matrix) -> str:
    if found.verdict is not Verdict.ACCEPTED or found.em_to_lm is None:
        return found.verdict.value
    off = float(corner_errors(as_matrix(found.em_to_lm), truth, EM_PX).mean())
    return "right" if off < RIGHT * EM_PX[1] else "wrong"


def _profile(folder: Path) -> Profile:
    roots = [
        {
            "name": side,
            "path": folder / side,
            "side": side,
            "settle_s": 0.4,
            "poll_s": 0.5,
        }
        for side in ("em", "lm")
    ]
    return Profile.model_validate(
        {
            "instrument": "troubles",
            "roots": roots,
            "registration": {"device": "cpu", "time_limit_s": TIME_LIMIT_S},
            "sessions": {"predict": False},
            "thermal": {"sensor": "none"},
            "page": {"enabled": False},
            "bus": {"enabled": False},
        }
    )


def _write_images(folder: Path, trials: int, seed: int) -> dict[str, Matrix]:
    """One map, and EM images that are parts of it, turned; name -> true matrix."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(2, MAP_PX, MAP_PX))
    grey = 6.0 * cv2.GaussianBlur(noise[0], (0, 0), 6.0)
    grey = grey + 2.5 * cv2.GaussianBlur(noise[1], (0, 0), 2.5)
    lm = np.asarray(np.clip(128 + 90 * grey, 0, 255), np.uint8)
    _write(folder / "lm" / "map.ome.tif", lm)
    truths: dict[str, Matrix] = {}
    height, width = EM_PX
    for number in range(trials):
        for trouble in TROUBLES:
            x, y = (int(rng.integers(MAP_PX - n)) for n in (width, height))
            part = lm[y : y + height, x : x + width].astype(np.float64)
            part = part[::-1, ::-1] + rng.normal(0, 6.0, EM_PX)
            name = f"{trouble}-{number:04}"
            # written at once under another name: a file is never seen half-written
            _write(folder / f"{name}.tif", np.asarray(np.clip(part, 0, 255), np.uint8))
            (folder / f"{name}.tif").rename(folder / "em" / f"{name}.tif")
            truths[name] = np.array(
                [[-1.0, 0, x + width - 1], [0, -1.0, y + height - 1], [0, 0, 1]]
            )
    return truths


def _write(path: Path, image: NDArray[np.uint8]) -> None:
    tifffile.imwrite(
        path,
        image,
        ome=True,
        metadata={
            "axes": "YX",
            "PhysicalSizeX": PIXEL_UM,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": PIXEL_UM,
            "PhysicalSizeYUnit": "µm",
        },
    )


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()
