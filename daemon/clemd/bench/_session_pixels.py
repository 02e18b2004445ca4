"""`clemd bench sessions --pixels`: a real daemon serves sessions of large images.

Every figure is taken outside the daemon: the exporter closes the file, and a client of
the bus notes when which message came. Where the time went is told beside it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clemd.client import Client
from clemd.geometry import as_matrix, corner_errors

from ._figures import Share, in_words, percentile
from ._machine import this_machine
from ._pipeline_daemon import Daemon, serving
from ._pipeline_session import Stash, export, render_stash
from ._session_nesting import measure_nesting, nesting_report
from ._table import table

PLAN = "large"
THREADS = 2
LIMIT_S = 180.0
PREDICTED_GOAL_S, ACCEPTED_GOAL_S = 0.2, 1.5
PHASES = ("read", "search", "refine", "verdict", "total")


@dataclass(slots=True)
class _Heard:
    """What was heard of the images of all sessions."""

    predicted_s: list[float] = field(default_factory=list)
    accepted_s: list[float] = field(default_factory=list)
    phases_s: dict[str, list[float]] = field(
        default_factory=lambda: {name: [] for name in PHASES}
    )
    foretold: int = 0
    held: int = 0
    images: int = 0
    accepted: int = 0
    wrong: int = 0
    load: list[float] = field(default_factory=list)


def run_pixels(trials: int, seed: int, *, as_json: bool) -> int:
    """Serve `trials` sessions, nest images of as many specimens; print the tables."""
    began = this_machine()
    heard = _Heard()
    for number in range(trials):
        with tempfile.TemporaryDirectory(prefix="clemd-bench-") as folder:
            stash = render_stash(Path(folder) / "stash", plan=PLAN, seed=seed + number)
            daemon = Daemon.prepare(Path(folder) / "service", threads=THREADS)
            with serving(daemon):
                _serve(daemon, stash, heard)
    nests = measure_nesting(range(seed, seed + trials))
    facts: dict[str, Any] = {
        "schema": "clemd.bench.sessions-pixels/1",
        "machine": began.as_json(),
        "seeds": [seed, seed + trials - 1],
        "daemon": _daemon_facts(heard),
        "nesting": nests,
    }
    if as_json:
        words = json.dumps(facts, default=Share.as_json)
    else:
        words = f"{began.in_words()}\n\n{_daemon_report(facts['daemon'])}\n\n"
        words += nesting_report(nests)
    sys.stdout.write(words + "\n")
    return 0


def _serve(daemon: Daemon, stash: Stash, heard: _Heard) -> None:
    """The map, then image after image, each when all is quiet."""
    (lm_file,) = stash.files("lm")
    export(lm_file, daemon.export("lm") / lm_file.name)
    daemon.wait_until_idle(LIMIT_S)
    for em_file in stash.files("em"):
        heard.load.append(os.getloadavg()[0])
        with Client(state=daemon.state) as client:
            updates = client.messages(["prediction", "registration"], timeout_s=LIMIT_S)
            closed_s = export(em_file, daemon.export("em") / em_file.name)
            _listen(updates, closed_s, stash.truth["em"][em_file.name], heard)
        daemon.wait_until_idle(LIMIT_S)


def _listen(
    updates: Any, closed_s: float, truth: dict[str, Any], heard: _Heard
) -> None:
    (true,) = map(as_matrix, truth["em_to_lm"].values())
    shape = (int(truth["shape"][0]), int(truth["shape"][1]))
    was_foretold = False
    heard.images += 1
    for update in updates:
        waited_s, body = time.monotonic() - closed_s, update.body
        if body["topic"] == "prediction":
            was_foretold = True
            heard.predicted_s.append(waited_s)
            heard.foretold += 1
            off = corner_errors(as_matrix(body["em_to_lm"]), true, shape).max()
            heard.held += bool(off <= body["error_lm_px"]["p95"])
            continue
        found = body["registration"]
        if body["verdict"] == "accepted":
            heard.accepted += 1
            off = corner_errors(as_matrix(found["em_to_lm"]), true, shape).max()
            heard.wrong += bool(off > 0.02 * shape[1] / found["pixel_size_ratio"])
        if was_foretold:
            heard.accepted_s.append(waited_s)
            for name in PHASES:
                heard.phases_s[name].append(found["seconds"][name])
        return


def _daemon_facts(heard: _Heard) -> dict[str, Any]:
    return {
        "images": heard.images,
        "accepted": Share(heard.accepted, heard.images),
        "wrong_but_accepted": heard.wrong,
        "foretold": Share(heard.foretold, heard.images),
        "held": Share(heard.held, heard.foretold),
        "predicted_s": _spread(heard.predicted_s),
        "registered_s": _spread(heard.accepted_s),
        "engine_s": {name: _spread(values) for name, values in heard.phases_s.items()},
        "load": _spread(heard.load),
    }


def _spread(values: list[float]) -> dict[str, float | None]:
    return {f"p{q}": percentile(values, q) for q in (0, 50, 99)}


def _daemon_report(facts: dict[str, Any]) -> str:
    def line(what: str, spread: dict[str, float | None], goal: str = "") -> list[str]:
        return [what, *(in_words(spread[f"p{q}"], 3, " s") for q in (0, 50, 99)), goal]

    lines = [
        line(
            "file complete to `prediction`",
            facts["predicted_s"],
            f"99 % <= {PREDICTED_GOAL_S:g} s",
        ),
        line(
            "file complete to its result, if foretold",
            facts["registered_s"],
            f"median <= {ACCEPTED_GOAL_S:g} s",
        ),
    ]
    lines += [line(f"of it: {n}", s) for n, s in facts["engine_s"].items()]
    load = facts["load"]
    return (
        f"{facts['images']} images of 5120x3840 with stage data, a daemon with "
        f"{THREADS} threads; load average least {in_words(load['p0'])}, median "
        f"{in_words(load['p50'])}, most {in_words(load['p99'])}.\n\n"
        + table(("measure", "least", "median", "99 %", "goal"), lines)
        + f"\n\nForetold: {facts['foretold']}; within the 95 % radius: "
        f"{facts['held']}. "
        f"Accepted: {facts['accepted']}; wrong but accepted: "
        f"{facts['wrong_but_accepted']}."
    )
