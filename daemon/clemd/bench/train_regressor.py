"""Train the regressor on simulated pairs; `scripts/train` runs it.

Renders the specimens, learns, calibrates the predicted deviations on specimens of
their own, and writes the weights. The same command on the same kind of processor
gives the same file; its hash is printed beside the pinned one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clemd.registration.regressor import (
    SHA256,
    WEIGHTS,
    Example,
    Progress,
    Recipe,
    Trained,
    as_bytes,
    example_of,
    sha256_of,
    train,
)

from ._posed_pairs import CALIBRATE, LEARN, WATCH, learned, wide
from ._regressor_asked import Asked, ask, standardised

SPECIMENS, WATCHED, CALIBRATED = 900, 64, 240
NORMAL_95 = 1.96
UNCALIBRATED = (1.0, 1.0, 1.0, 1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """What was typed, done; the exit code."""
    wanted = _parser().parse_args(arguments)
    began = time.monotonic(), time.process_time()
    recipe = replace(Recipe(seed=wanted.seed), steps=wanted.steps)
    _say(f"rendering {wanted.specimens} specimens to learn from", began)
    examples = rendered(range(wanted.specimens), LEARN, began)
    watched = rendered(range(wanted.watched), WATCH, began)
    _say(f"learning: {recipe}", began)
    network = train(examples, watched, recipe, lambda at: _say(_in_words(at), began))
    _say(f"calibrating on {wanted.calibrated} specimens", began)
    factors = calibrated(
        Trained(network=network, calibration=UNCALIBRATED), wanted.calibrated
    )
    content = as_bytes(network, factors)
    _write(wanted.out, content)
    found = sha256_of(content)
    _say(f"calibration {', '.join(f'{f:.3f}' for f in factors)}", began)
    same = "the pinned one" if found == SHA256 else f"pinned is {SHA256 or 'nothing'}"
    sys.stdout.write(f"{wanted.out}: {len(content)} bytes, sha256 {found} ({same})\n")
    return 0


def rendered(seeds: range, purpose: int, began: tuple[float, float]) -> list[Example]:
    """Examples of those seeds."""
    made = []
    for seed in seeds:
        pair = learned(seed, purpose)
        made.append(example_of(pair.em, pair.lm, pair.ratio, pair.em_to_lm))
        if (seed + 1) % 200 == 0:
            _say(f"{seed + 1} rendered", began)
    return made


def calibrated(trained: Trained, count: int) -> tuple[float, ...]:
    """Factors with which 95 % of the misses lie within 1.96 deviations.

    In the order of the network: x, y, rotation, scale; x and y share theirs.
    """
    rows = [ask(wide(seed, CALIBRATE), trained) for seed in range(count)]
    sure: list[Asked] = [row for row in rows if row.log_odds > 0]
    if not sure:
        return UNCALIBRATED
    missed = np.abs(standardised(sure))
    shift = float(np.quantile(missed[:, 2:].ravel(), 0.95)) / NORMAL_95
    turn, grow = (float(np.quantile(missed[:, i], 0.95)) / NORMAL_95 for i in (0, 1))
    return shift, shift, turn, grow


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _in_words(at: Progress) -> str:
    x, y, turn, grow = at.rms
    return (
        f"step {at.step}: loss {at.loss:.3f}; RMS on watched specimens x {x:.2f}, "
        f"y {y:.2f}, rotation {turn:.2f}, scale {grow:.2f} px; right places "
        f"{100 * at.places:.1f} %"
    )


def _say(words: str, began: tuple[float, float]) -> None:
    wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
    sys.stderr.write(f"[{wall / 60:5.1f} min, CPU {cpu / 60:5.1f}] {words}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/train", description=__doc__)
    parser.add_argument("--specimens", type=int, default=SPECIMENS)
    parser.add_argument("--watched", type=int, default=WATCHED)
    parser.add_argument("--calibrated", type=int, default=CALIBRATED)
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
