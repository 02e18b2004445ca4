"""`clemd bench sessions`: predictions, their radius, events, targets, long sessions.

Geometry with truth (`_session_world`), thousands of images in seconds; what the pixels
add is measured by `clemd bench registration` and `clemd bench pipeline`.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clemd.errors import UsageError
from clemd.geometry import as_matrix, corner_errors
from clemd.sessions import Event, Predicted, Session, Standing, target, to_text

from ._figures import Share, in_words, percentile
from ._machine import this_machine
from ._session_world import FIELD_UM, MAP, SHAPE, Shot, World
from ._table import table
from ._trial import FIRST_REPORTING_SEED

AFTER = (1, 2, 3, 5, 10, 20)
"""Registered images before the prediction that is looked at."""
CALM = 24
"""Images of a calm session."""
SETTLED = 10
"""Images before an event."""
LONG = 10_000


def run_sessions(trials: int, seed: int, *, as_json: bool, long: int = LONG) -> int:
    """Run `trials` calm sessions and as many events of each kind; print the tables.

    Raises:
        UsageError: a tuning seed.
    """
    if seed < FIRST_REPORTING_SEED:
        raise UsageError(
            "tuning seeds are not reported",
            f"--seed {seed}",
            f"use {FIRST_REPORTING_SEED} or more",
        )
    seeds = range(seed, seed + trials)
    facts: dict[str, Any] = {
        "schema": "clemd.bench.sessions/1",
        "machine": this_machine().as_json(),
        "seeds": [seeds[0], seeds[-1]],
        "calm": _calm(seeds),
        "events": {kind: _events(change, seeds) for kind, change in EVENTS.items()},
        "long": _long(seed, long),
    }
    if as_json:
        words = json.dumps(facts, default=Share.as_json)
    else:
        words = _report(facts)
    sys.stdout.write(words + "\n")
    return 0


@dataclass(slots=True)
class _Counted:
    """Predictions after so many registered images."""

    errors: list[float] = field(default_factory=list)
    radii: list[float] = field(default_factory=list)
    silent: int = 0


def _calm(seeds: range) -> dict[str, Any]:
    """Nothing changes: errors fall, radii hold, nobody cries wolf."""
    counted: defaultdict[int, _Counted] = defaultdict(_Counted)
    alarms = folded = 0
    off_um: list[float] = []
    off_lm_px: list[float] = []
    held = 0
    for seed in seeds:
        world, session = World.drawn(seed), Session()
        for index in range(CALM):
            shot = world.shoot()
            _note(counted[index], session, shot)
            step = session.folded(shot.sighting, shot.observed)
            session, folded = step.session, folded + 1
            alarms += step.event in {Event.RETIRED, Event.RESUMED}
            world = world.later(8.0)
        if session.standing is not Standing.TRUSTED:
            continue
        for _ in range(5):
            spot = world.rng.uniform(0.3, 0.7, 2) * np.array(MAP[::-1])
            found = target(session, (float(spot[0]), float(spot[1])))
            true = world.stage_for(spot) + world.rng.normal(0, world.stage_sigma_um, 2)
            off = float(np.linalg.norm(np.subtract(found.stage_um, true)))
            sure = float(
                np.linalg.norm(np.subtract(found.stage_um, world.stage_for(spot)))
            )
            off_um.append(off)
            off_lm_px.append(sure * math.sqrt(abs(np.linalg.det(world.to_map))))
            held += off <= found.radius_um.p95
    return {
        "predictions": [
            {
                "after": n,
                "silent": Share(counted[n].silent, len(seeds)),
                "covered": Share(
                    sum(
                        e <= r
                        for e, r in zip(
                            counted[n].errors, counted[n].radii, strict=True
                        )
                    ),
                    len(counted[n].errors),
                ),
                "error_lm_px": percentile(counted[n].errors, 50),
                "radius_lm_px": percentile(counted[n].radii, 50),
            }
            for n in AFTER
            if n in counted
        ],
        "false_alarms": Share(alarms, folded),
        "targets": {
            "reached_um": percentile(off_um, 50),
            "lm_px": percentile(off_lm_px, 50),
            "covered": Share(held, len(off_um)),
        },
    }


def _note(counted: _Counted, session: Session, shot: Shot) -> None:
    found = session.predict(shot.sighting, MAP)
    if not isinstance(found, Predicted):
        counted.silent += 1
        return
    error = corner_errors(as_matrix(found.em_to_lm), shot.true, SHAPE).max()
    counted.errors.append(float(error))
    counted.radii.append(found.error_lm_px.p95)


def _events(change: Callable[[World], World], seeds: range) -> dict[str, Share]:
    """Something happens after ten images: is it noticed with the next one?"""
    noticed = harmless = after = wrong_after = 0
    for seed in seeds:
        world, session = World.drawn(seed), Session()
        for _ in range(SETTLED):
            shot = world.shoot()
            session = session.folded(shot.sighting, shot.observed).session
            world = world.later(8.0)
        world = change(world)
        shot = world.shoot()
        seen = _Counted()
        _note(seen, session, shot)
        step = session.folded(shot.sighting, shot.observed)
        was_seen = step.event is Event.RETIRED
        within = bool(seen.errors) and seen.errors[0] <= seen.radii[0]
        noticed += was_seen
        harmless += within and not was_seen
        session = step.session
        for _ in range(3):
            world = world.later(8.0)
            shot, seen = world.shoot(), _Counted()
            _note(seen, session, shot)
            after += len(seen.errors)
            wrong_after += sum(
                e > 2 * r for e, r in zip(seen.errors, seen.radii, strict=True)
            )
            session = session.folded(shot.sighting, shot.observed).session
    return {
        "noticed": Share(noticed, len(seeds)),
        "harmless": Share(harmless, len(seeds)),
        "caught": Share(noticed + harmless, len(seeds)),
        "wrong_after": Share(wrong_after, after),
    }


EVENTS: dict[str, Callable[[World], World]] = {
    "remount, 0.5 to 180 degrees": lambda w: w.remounted(
        float(np.exp(w.rng.uniform(math.log(0.5), math.log(180))))
    ),
    "slip of 1 to 40 LM px": lambda w: w.shifted(
        float(np.exp(w.rng.uniform(0.0, math.log(40))))
    ),
    "scan mirrored": World.mirrored,
    "pixel size changed by 0.5 to 5 %": lambda w: w.rescaled(
        float(w.rng.choice([-1, 1]) * np.exp(w.rng.uniform(-5.3, -3.0)))
    ),
    "stage homed again, 10 to 1000 um": lambda w: w.homed(
        float(np.exp(w.rng.uniform(math.log(10), math.log(1000))))
    ),
}


def _long(seed: int, images: int) -> dict[str, Any]:
    """One session of very many images: the last must cost what the first did."""
    world, session = World.drawn(seed), Session()
    seconds: list[float] = []
    for _ in range(images):
        shot = world.shoot(world.rng.uniform(-FIELD_UM / 2, FIELD_UM / 2, 2))
        began = time.perf_counter()
        session.predict(shot.sighting, MAP)
        session = session.folded(shot.sighting, shot.observed).session
        seconds.append(time.perf_counter() - began)
        world = world.later(1.0)
    tenth = max(1, images // 10)
    return {
        "images": images,
        "ms_by_tenth": [
            round(1e3 * statistics.median(seconds[i : i + tenth]), 3)
            for i in range(0, images, tenth)
        ][:10],
        "state_bytes": len(to_text(session)),
    }


def _report(facts: dict[str, Any]) -> str:
    calm, long = facts["calm"], facts["long"]
    first, last = facts["seeds"]
    predictions = table(
        ("after images", "nothing foretold", "95 % radius holds", "error", "radius"),
        [
            (
                row["after"],
                row["silent"],
                row["covered"],
                in_words(row["error_lm_px"], 2, " LM px"),
                in_words(row["radius_lm_px"], 2, " LM px"),
            )
            for row in calm["predictions"]
        ],
    )
    events = table(
        (
            "event",
            "noticed at once",
            "harmless: still in its radius",
            "caught",
            "later predictions off by twice their radius",
        ),
        [
            (kind, e["noticed"], e["harmless"], e["caught"], e["wrong_after"])
            for kind, e in facts["events"].items()
        ],
    )
    targets = calm["targets"]
    return "\n\n".join(
        [
            this_machine().in_words(),
            f"Seeds {first} to {last}; medians; intervals are Wilson's, 95 %.",
            predictions,
            f"False alarms in calm sessions: {calm['false_alarms']}.",
            f"Targets after {CALM} images: {in_words(targets['lm_px'])} LM px from "
            f"where the stage has to go; {in_words(targets['reached_um'])} µm from "
            f"where the stage then stops; radius holds {targets['covered']}.",
            events,
            f"One session of {long['images']} images: ms an image, by tenths: "
            f"{' '.join(str(m) for m in long['ms_by_tenth'])}; its state takes "
            f"{long['state_bytes'] / 1e3:.1f} kB.",
        ]
    )
