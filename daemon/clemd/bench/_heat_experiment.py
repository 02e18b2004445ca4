"""`clemd bench heat-experiment`: does a hot device compute worse?

The same seeded pairs are registered by our engine and by `mine`, the engine whose
third run in a row is said to fail: on a cool device, on one that was heated until its
temperature no longer rose, and on one whose power is limited (which somebody with the
right to do so has set before; `scripts/heat_experiment` does). What is compared is the
corner error, whether it diverged, and whether the matrix has the same bits as cool.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Self

import numpy as np
import torch

from clemd.driver_api import Sensor, load_drivers
from clemd.errors import RegistrationRefusedError, SensorLostError, UsageError
from clemd.geometry import as_matrix, corner_errors
from clemd.model import PosePrior, ThermalReading
from clemd.preparing import prepare
from clemd.registration import Engine, EngineContext, engine_named, resolve_device

from . import _specimens
from ._campaign import fingerprint
from ._figures import Share, percentile
from ._machine import this_machine
from ._rows import Row, open_rows, read_rows
from ._table import table

SCHEMA = "clemd.bench.heat-experiment/1"
CONDITIONS = ("cool", "soaked", "limited")
ENGINES = ("multimodal", "mine")
DIVERGED = 0.02
"""Mean corner error, share of the EM width, from which on a run has diverged."""
COOL_WITHIN_C = 3.0
"""Of the lowest temperature seen since the start."""
COOL_WAIT_S = 600.0
SOAK_WAIT_S = 900.0
STEADY_C, STEADY_S = 1.0, 30.0
"""Heated long enough when it rose by less in so much time."""
BURN_S = 10.0
"""Heated again before each soaked repeat."""
BLIND_SOAK_S = 60.0
"""Heated for so long where no thermometer answers."""
_SIDE = 4096
_LOOK_S = 0.5


@dataclass(slots=True)
class Thermometer:
    """The device's sensor, looked at by a thread while something runs."""

    sensor: Sensor | None
    lowest_c: float | None = None
    highest_c: float | None = None
    reasons: set[str] = field(default_factory=set)
    power_limit_w: float | None = None
    _thread: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, device: str) -> Self:
        """The first sensor that says it is that device's; none where there is none."""
        for driver in load_drivers("clemd.sensors"):
            for sensor in driver.discover():
                with suppress(SensorLostError, OSError):
                    if sensor.read().device == device:
                        return cls(sensor)
                sensor.close()
        return cls(None)

    def look(self) -> float | None:
        """Degrees now; None where nobody knows."""
        if self.sensor is None:
            return None
        try:
            said: ThermalReading = self.sensor.read()
        except (SensorLostError, OSError):
            return None
        now_c = said.temperature_c
        self.reasons.update(said.throttle_reasons)
        self.power_limit_w = said.power_limit_w
        if now_c is not None:
            self.lowest_c = min(now_c, self.lowest_c or now_c)
            self.highest_c = max(now_c, self.highest_c or now_c)
        return now_c

    def __enter__(self) -> Self:
        """From now on `highest_c` and `reasons` are those of what runs."""
        self.highest_c, self.reasons = None, set()
        self._ended.clear()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """It has run."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while True:
            self.look()
            if self._ended.wait(_LOOK_S):
                return


def burn(device: str, seconds: float) -> None:
    """Keep `device` as busy as it can be."""
    one = torch.randn(_SIDE, _SIDE, device=device)
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        one = torch.tanh(one @ one / _SIDE)
        if device != "cpu":
            torch.cuda.synchronize()


def make_cool(meter: Thermometer) -> None:
    """Wait until the device is about as cool as it ever was."""
    until_s = time.monotonic() + COOL_WAIT_S
    while time.monotonic() < until_s:
        now_c = meter.look()
        if now_c is None or meter.lowest_c is None:
            return
        if now_c <= meter.lowest_c + COOL_WITHIN_C:
            return
        time.sleep(2.0)


def soak(device: str, meter: Thermometer) -> None:
    """Heat the device until it is no longer getting hotter."""
    before_c = meter.look()
    if before_c is None:
        burn(device, BLIND_SOAK_S)
        return
    until_s = time.monotonic() + SOAK_WAIT_S
    while time.monotonic() < until_s:
        burn(device, STEADY_S)
        now_c = meter.look()
        if now_c is None or now_c - before_c < STEADY_C:
            return
        before_c = now_c


def run_heat_experiment(
    trials: int,
    seed: int,
    *,
    conditions: Sequence[str],
    rows: Path | None,
    from_rows: Path | None,
    as_json: bool,
) -> int:
    """Run the repeats that `rows` lacks, or none with `from_rows`; print the table.

    Raises:
        UsageError: an unknown condition, or rows of another engine.
    """
    for one in conditions:
        if one not in CONDITIONS:
            raise UsageError(
                "no such condition", one, f"choose among {', '.join(CONDITIONS)}"
            )
    if from_rows is not None:
        saved = read_rows(from_rows)
    else:
        device = resolve_device("auto")
        facts = {
            "run": "clemd.bench.rows/1",
            "engine": fingerprint(with_model=True),
            "device": device,
            "card": torch.cuda.get_device_name(device) if device != "cpu" else "",
            "machine": this_machine().as_json(),
        }
        saved, add = open_rows(rows, facts)
        meter = Thermometer.of(device)
        for row in _repeats(device, meter, conditions, trials, seed, saved.done, _say):
            add(row)
    lines = table(HEAD, summary(saved.rows))
    last = saved.runs[-1]
    if as_json:
        sys.stdout.write(
            json.dumps({"schema": SCHEMA, "run": last, "rows": saved.rows}) + "\n"
        )
        return 0
    where = last.get("card") or "the CPU: a rehearsal, it says nothing of GPUs"
    sys.stdout.write(f"on {where}; engine {last['engine']}; seeds from {seed}\n\n")
    sys.stdout.write(lines + "\n")
    return 0


def _repeats(
    device: str,
    meter: Thermometer,
    conditions: Sequence[str],
    trials: int,
    seed: int,
    done: set[tuple[str, str]],
    say: Callable[[str], None],
) -> Iterator[Row]:
    """One row for each repeat that is missing, in the order that heats least often."""
    for condition in conditions:
        is_hot = False
        for number in range(seed, seed + trials):
            for name in ENGINES:
                key = f"{name}-{number}"
                if (key, condition) in done:
                    continue
                say(f"\r{condition}: {key}   ")
                if condition == "cool":
                    make_cool(meter)
                elif condition == "soaked":
                    burn(device, BURN_S) if is_hot else soak(device, meter)
                    is_hot = True
                yield {"key": key, "arm": condition, "engine": name} | repeat(
                    _engine(name), device, meter, number
                )
    say("\n")


def _engine(name: str) -> Engine:
    if name == "mine":  # every repeat learns anew: nothing is kept from the last one
        from clemd.registration.mine import MineEngine

        return MineEngine(networks=None)
    return engine_named(name)


def repeat(engine: Engine, device: str, meter: Thermometer, seed: int) -> Row:
    """One registration, and how warm the device was."""
    trial = _specimens.positive("mild", "small", seed)
    em = prepare([trial.em], reduction=trial.ratio)
    lm = prepare([trial.lm], reduction=1.0)
    prior = PosePrior(pixel_size_ratio=trial.ratio, mirror=trial.mirror)
    began_s, matrix = time.perf_counter(), None
    with meter:
        try:
            found = engine.register(em, lm, prior, EngineContext(device=device))
            verdict, matrix = found.verdict.value, found.best_guess
        except RegistrationRefusedError as refused:
            verdict = f"refused: {refused.reason}"
    error = error_px = None
    truth, shape = trial.em_to_lm, em.full_shape
    if truth is not None and matrix is not None and np.isfinite(matrix).all():
        off = corner_errors(as_matrix(matrix), truth, shape)
        width = float(np.hypot(*truth[:2, 0])) * shape[1]
        error, error_px = float(off.mean()) / width, float(off.mean())
    return {
        "seconds": time.perf_counter() - began_s,
        "verdict": verdict,
        "error": error,
        "error_lm_px": error_px,
        "matrix": None if error is None else [list(row) for row in matrix or ()],
        "highest_c": meter.highest_c,
        "slowed": sorted(meter.reasons),
        "power_limit_w": meter.power_limit_w,
    }


HEAD = (
    "condition",
    "engine",
    "repeats",
    "highest °C, median",
    "slowed",
    "error LM px, median / 95 %",
    "diverged",
    "same bits as cool",
    "s, median",
)


def summary(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """One line for each condition and engine."""
    lines: list[tuple[str, ...]] = []
    cool = {row["key"]: row["matrix"] for row in rows if row["arm"] == "cool"}
    for condition in CONDITIONS:
        for engine in ENGINES:
            of = [r for r in rows if (r["arm"], r["engine"]) == (condition, engine)]
            if not of:
                lines.append((condition, engine, "not measured", *[""] * 6))
                continue
            warm = [r["highest_c"] for r in of if r["highest_c"] is not None]
            errors = [r["error_lm_px"] for r in of if r["error_lm_px"] is not None]
            lost = sum(r["error"] is None or r["error"] > DIVERGED for r in of)
            known = [r for r in of if r["key"] in cool]
            same = sum(r["matrix"] == cool[r["key"]] for r in known)
            lines.append(
                (
                    condition,
                    engine,
                    str(len(of)),
                    f"{median(warm):.0f}" if warm else "unknown",
                    str(Share(sum(bool(r["slowed"]) for r in of), len(of))),
                    f"{median(errors):.3f} / {percentile(errors, 95):.3f}"
                    if errors
                    else "-",
                    str(Share(lost, len(of))),
                    "" if condition == "cool" else str(Share(same, len(known))),
                    f"{median(r['seconds'] for r in of):.1f}",
                )
            )
    return lines


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()
