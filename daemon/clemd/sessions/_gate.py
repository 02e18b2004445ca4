"""Is an image where the session expected it? If not, what has changed?

Five things are tested one by one, each against what the session's own doubt and the
registration's explain, because each has its own cause and its own cure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri, stdtrit

from ._coordinates import Placement
from ._estimate import Estimate
from ._facts import Sighting

DOUBT = 3e-3
"""Chance that an image which is where it belongs is called misplaced, each test."""
REMOUNT_DEG = 0.3
SETTINGS_DEG = 0.05
"""Stated angles that differ by more are other settings."""


class Change(StrEnum):
    """What is no longer as it was."""

    MIRRORED = "mirrored"
    TURNED = "turned"
    SCALED = "scaled"
    SHEARED = "sheared"
    SHIFTED = "shifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """The session and the pixels disagree: both values, and the likely cause."""

    change: Change
    reason: str


def settings_changed(now: Sighting, before: Sighting) -> str | None:
    """What the microscope itself says was changed; None if nothing was.

    Then the session transform says nothing about this image, and nothing is predicted.
    """
    if now.microscope != before.microscope:
        return f"another microscope: {now.microscope or 'unnamed'}"
    pairs = [
        ("scan rotation", now.scan_rotation_deg, before.scan_rotation_deg),
        ("stage rotation", now.stage_rotation_deg, before.stage_rotation_deg),
        ("stage tilt", now.stage_tilt_deg, before.stage_tilt_deg),
    ]
    for name, new, old in pairs:
        if new is None or old is None:
            continue
        if abs((new - old + 180) % 360 - 180) > SETTINGS_DEG:
            return f"{name} changed from {old:.2f} to {new:.2f} degrees"
    return None


def contradiction(
    estimate: Estimate, sighting: Sighting, seen: Placement
) -> Contradiction | None:
    """Test what was seen against what was expected; None if they agree."""
    expected = estimate.expected(sighting)
    linear, foretold = _linear(seen), _linear(expected)
    if np.linalg.det(linear) * np.linalg.det(foretold) < 0:
        return Contradiction(
            change=Change.MIRRORED,
            reason="the image is mirrored against the session: detector or scan "
            "direction changed, or the specimen was turned over",
        )
    degrees = max(2.0, 2 * estimate.learned.beliefs)
    spread = expected.covariance + seen.covariance
    far = float(stdtrit(degrees, 1 - DOUBT / 2))
    for change, value, sigma in _changes(linear, foretold, spread[2:, 2:]):
        if abs(value) > far * sigma:
            return Contradiction(change=change, reason=_in_words(change, value, sigma))
    moved = seen.values[:2] - expected.values[:2]
    distance = float(moved @ np.linalg.solve(spread[:2, :2], moved)) / 2
    if distance > float(fdtri(2, degrees, 1 - DOUBT)):
        px = float(np.linalg.norm(moved))
        um = px / estimate.lm_px_per_um
        doubt = math.sqrt(float(np.trace(spread[:2, :2])) / 2)
        return Contradiction(
            change=Change.SHIFTED,
            reason=f"the image lies {px:.1f} LM px ({um:.1f} µm) from where the stage "
            f"was expected (± {doubt:.1f} LM px): drift, a slipped specimen, or the "
            "stage was homed again",
        )
    return None


def _linear(placement: Placement) -> NDArray[np.float64]:
    return placement.values[2:].reshape(2, 2)


def _changes(
    linear: NDArray[np.float64],
    foretold: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> list[tuple[Change, float, float]]:
    """What the expected image would have to be changed by, with its standard error.

    Radians for a turn, fractions for the rest; about the expected image's own axes.
    """
    back = np.linalg.inv(foretold)
    change = (linear @ back - np.eye(2)).ravel()
    along = np.kron(np.eye(2), back.T)
    spread = along @ covariance @ along.T
    rows = [
        (Change.TURNED, (0.0, -0.5, 0.5, 0.0)),
        (Change.SCALED, (0.5, 0.0, 0.0, 0.5)),
        (Change.SHEARED, (0.5, 0.0, 0.0, -0.5)),
        (Change.SHEARED, (0.0, 0.5, 0.5, 0.0)),
    ]
    return [
        (name, float(change @ row), math.sqrt(float(np.array(row) @ spread @ row)))
        for name, row in rows
    ]


def _in_words(change: Change, value: float, sigma: float) -> str:
    if change is Change.TURNED:
        degrees, doubt = math.degrees(value), math.degrees(sigma)
        cause = (
            "the specimen was mounted again, or the scan turned"
            if abs(degrees) > REMOUNT_DEG
            else "the specimen or the scan turned a little"
        )
        return f"turned by {degrees:.2f} (± {doubt:.2f}) degrees: {cause}"
    if change is Change.SCALED:
        return (
            f"pixel size differs by {100 * value:+.2f} (± {100 * sigma:.2f}) %: "
            "magnification or calibration has changed"
        )
    return (
        f"sheared by {100 * value:+.2f} (± {100 * sigma:.2f}) %: tilt or scan "
        "geometry has changed"
    )
