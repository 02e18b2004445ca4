"""One trial, one arm, one row."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import as_matrix, decompose
from clemd.model import Matrix, PosePrior, Registration
from clemd.preparing import prepare
from clemd.registration import EngineContext, engine_named, noting, recheck

from ._trial import SUCCESS, Spec, Trial

OURS = "ours"
Row = dict[str, Any]
"""Plain values for JSON; None where a number is infinite or there is none."""


def solve(spec: Spec, trial: Trial, arm: str, *, threads: int) -> Row:
    """What `arm` makes of a trial; a defect is a row too, and ends nothing."""
    facts = _facts(spec, trial) | {"arm": arm}
    started = time.perf_counter()
    try:
        return facts | (
            _ours(trial) if arm == OURS else _peer(trial, arm, threads, spec)
        )
    except Exception as failed:  # noqa: BLE001 - a campaign of hours goes on
        seconds = time.perf_counter() - started
        defect = f"{type(failed).__name__}: {failed}".splitlines()[0]
        return facts | _answer(trial, None) | {"seconds": seconds, "defect": defect}


def _peer(trial: Trial, arm: str, threads: int, spec: Spec) -> Row:
    """One of the other arms; they take 8 bits."""
    from .arms import arm_named

    found = arm_named(arm).register(
        in_8_bits(trial.em),
        in_8_bits(trial.lm),
        ratio=trial.ratio,
        threads=threads,
        seed=spec.seed,
    )
    answer = _answer(trial, found.em_to_lm)
    return answer | {"seconds": found.seconds, "note": found.note}


def in_8_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Stretched between the 0.1 and the 99.9 percentile; 8 bits are left alone."""
    if image.dtype == np.uint8:
        return image
    low, high = np.percentile(image, [0.1, 99.9])
    scaled = (image.astype(np.float32) - low) / max(float(high - low), 1e-6)
    return np.asarray(np.rint(255 * np.clip(scaled, 0, 1)), np.uint8)


def _facts(spec: Spec, trial: Trial) -> Row:
    return {
        "key": spec.key,
        "source": spec.source,
        "pair": spec.pair or f"simulated-{spec.seed}",
        "tier": spec.tier,
        "kind": spec.kind,
        "seed": spec.seed,
        "size": spec.size,
        "negative": trial.is_negative,
        "floor": trial.floor_px,
        "truth_p95_lm_px": trial.truth_p95_lm_px,
    }


def _ours(trial: Trial) -> Row:
    started = time.perf_counter()
    found, alarm = _register(trial)
    seconds = time.perf_counter() - started
    if found is None:
        return _answer(trial, None) | {"seconds": seconds, "verdict": "rejected"}
    guess = None if found.best_guess is None else as_matrix(found.best_guess)
    radius = found.error_lm_px
    return _answer(trial, guess) | {
        "seconds": seconds,
        "verdict": found.verdict.value,
        "alarm": alarm,
        "confidence": found.confidence,
        "radius_p50": None if radius is None else radius.p50,
        "radius_p95": None if radius is None else radius.p95,
        "reasons": list(found.reasons),
        "evidence": {k: float(v) for k, v in found.evidence.items()},
    }


def _register(trial: Trial) -> tuple[Registration | None, str]:
    """Our engine's answer, and what the checks of the device first complained of.

    None where it refuses the images. The device is taken to be well, so that every
    complaint is a false alarm; the verdict is the one that would be published.
    """
    prior = PosePrior(
        pixel_size_ratio=trial.ratio,
        mirror=trial.mirror,
        rotation_deg=trial.rotation_deg,
    )
    em, lm = prepare([trial.em], reduction=trial.ratio), prepare([trial.lm])
    try:
        with noting() as complaints:
            found = engine_named("auto").register(em, lm, prior, EngineContext())
    except RegistrationRefusedError:
        return None, ""
    told = recheck(em, lm, found)
    if told is not found:
        complaints.append(told.warnings[-1])
    return told, complaints[0] if complaints else ""


def _answer(trial: Trial, found: Matrix | None) -> Row:
    """How far off a matrix is; errors are means over the corners of the EM field."""
    row: Row = {"error": None, "error_lm_px": None, "right": False}
    if found is None or trial.is_negative or not np.isfinite(found).all():
        return row
    errors = trial.errors_lm_px(found)
    mean = float(errors.mean())
    assert trial.em_to_lm is not None
    true_scale, scale = decompose(trial.em_to_lm).scale, decompose(found).scale
    return {
        "error": mean / trial.width_lm_px,
        "error_lm_px": mean,
        "error_most_lm_px": float(errors.max()),
        "width_lm_px": trial.width_lm_px,
        "overlap": trial.overlap,
        "ratio_error": abs(true_scale / scale - 1) if scale > 0 else None,
        "right": mean < SUCCESS * trial.width_lm_px,
    }


def error_of(row: Row) -> float:
    """Mean corner error / EM field width; infinite without a right answer."""
    return math.inf if row["error"] is None else float(row["error"])
