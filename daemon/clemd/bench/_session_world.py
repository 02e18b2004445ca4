"""A microscope with a stage, for sessions with known truth: geometry only, no pixels.

What real instruments do wrong is drawn anew for each seed: how the stage's axes lie to
the image's, how well the stage comes back, how the magnification is calibrated, and
how far registrations are off, which they state honestly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import as_rows, middle_of, similarity
from clemd.model import Matrix
from clemd.sessions import Observed, Placement, Sighting

SHAPE = (768, 1024)
LM_PIXEL_UM = 0.25
MAP = (2400, 2400)
FIELD_UM = 240.0
"""Images are taken within this square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One image: what is said of it, and what is true."""

    sighting: Sighting
    true: Matrix
    observed: Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One specimen in one pair of instruments."""

    rng: np.random.Generator = field(compare=False)
    to_map: NDArray[np.float64]
    """2x2, LM px per image µm."""
    stage_to_image: NDArray[np.float64]
    """2x2, image µm per stage µm."""
    place: NDArray[np.float64]
    """Where the stage's origin lies, LM px."""
    home_um: NDArray[np.float64]
    """What the stage reads there."""
    stage_sigma_um: float
    registered_sigma_lm_px: float
    drift_um_per_root_h: float = 0.05
    magnifications: tuple[float, ...] = (1.0,)
    at_s: float = 0.0
    shots: int = 0

    @classmethod
    def drawn(cls, seed: int) -> World:
        """A new world."""
        rng = np.random.default_rng([seed, 5])
        scale = (1 + rng.normal(0, 0.02)) / LM_PIXEL_UM
        turned = similarity(
            scale=scale,
            rotation_deg=rng.uniform(-180, 180),
            mirrored=bool(rng.random() < 0.3),
        )[:2, :2]
        bent = turned @ (np.eye(2) + rng.normal(0, 0.003, (2, 2)))
        square = np.array([[1.0, 0.0], [0.0, 1.0]])[:, rng.permutation(2)]
        square = square * rng.choice([-1.0, 1.0], 2)
        skewed = similarity(
            scale=1 + rng.normal(0, 0.01), rotation_deg=rng.normal(0, 0.5)
        )[:2, :2]
        some = rng.random() < 0.5
        return cls(
            rng=rng,
            to_map=bent,
            stage_to_image=skewed @ square,
            place=np.array(MAP[::-1]) / 2.0,
            home_um=rng.uniform(-3e4, 3e4, 2),
            stage_sigma_um=float(np.exp(rng.uniform(math.log(0.2), math.log(2.0)))),
            registered_sigma_lm_px=float(
                np.exp(rng.uniform(math.log(0.05), math.log(0.4)))
            ),
            magnifications=(1.0, 0.4) if some else (1.0,),
        )

    def later(self, minutes: float) -> World:
        """Time goes by, and the stage creeps."""
        step = self.drift_um_per_root_h * math.sqrt(minutes / 60)
        crept = self.to_map @ self.rng.normal(0, step, 2)
        return replace(self, at_s=self.at_s + 60 * minutes, place=self.place + crept)

    def shoot(self, where_um: NDArray[np.float64] | None = None) -> Shot:
        """Take an image, by default anywhere in the field."""
        rng = self.rng
        stage = (
            rng.uniform(-FIELD_UM / 2, FIELD_UM / 2, 2)
            if where_um is None
            else where_um
        )
        pixel_um = 0.05 * float(rng.choice(self.magnifications))
        reached = stage + rng.normal(0, self.stage_sigma_um, 2)
        middle = self.place + self.to_map @ self.stage_to_image @ reached
        linear = pixel_um * self.to_map @ (np.eye(2) + rng.normal(0, 3e-4, (2, 2)))
        true = _matrix(middle, linear)
        sigma = self.registered_sigma_lm_px
        slope = sigma / 1000
        variances = np.array([sigma**2] * 2 + [slope**2] * 4)
        seen = _matrix(
            middle + rng.normal(0, sigma, 2), linear + rng.normal(0, slope, (2, 2))
        )
        stated = Placement(np.zeros(6), np.diag(variances), SHAPE).radius_lm_px()
        name = f"{rng.integers(1 << 40):010x}"
        x, y = (self.home_um + stage).tolist()
        return Shot(
            sighting=Sighting(
                frame_id=name,
                shape=SHAPE,
                pixel_um=(pixel_um, pixel_um),
                stage_um=(x, y),
                at_s=self.at_s,
            ),
            true=true,
            observed=Observed(
                registration_id=name,
                em_to_lm=as_rows(seen),
                corner_covariance_lm_px2=None,
                p95_lm_px=stated.p95,
            ),
        )

    def stage_for(self, lm_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the stage would read if that LM point were in the middle, in truth."""
        to_stage = np.linalg.inv(self.to_map @ self.stage_to_image)
        return np.asarray(self.home_um + to_stage @ (lm_px - self.place))

    def remounted(self, degrees: float) -> World:
        """The specimen was taken out and put back, turned and elsewhere."""
        turn = similarity(scale=1.0, rotation_deg=degrees)[:2, :2]
        away = self.rng.uniform(-40, 40, 2)
        return replace(self, to_map=turn @ self.to_map, place=self.place + away)

    def shifted(self, lm_px: float) -> World:
        """It slipped, in any direction."""
        turn = self.rng.uniform(0, 2 * math.pi)
        step = lm_px * np.array([math.cos(turn), math.sin(turn)])
        return replace(self, place=self.place + step)

    def mirrored(self) -> World:
        """The scan runs the other way."""
        return replace(self, to_map=self.to_map @ np.diag([-1.0, 1.0]))

    def rescaled(self, fraction: float) -> World:
        """The magnification's calibration has changed; the stage's has not."""
        grown = self.to_map * (1 + fraction)
        return replace(
            self, to_map=grown, stage_to_image=self.stage_to_image / (1 + fraction)
        )

    def homed(self, um: float) -> World:
        """The stage was homed again: its numbers begin elsewhere."""
        turn = self.rng.uniform(0, 2 * math.pi)
        away = um * np.array([math.cos(turn), math.sin(turn)])
        return replace(self, home_um=self.home_um + away)


def _matrix(middle: NDArray[np.float64], linear: NDArray[np.float64]) -> Matrix:
    centre = np.array(middle_of(SHAPE))
    m = np.eye(3)
    m[:2, :2], m[:2, 2] = linear, middle - linear @ centre
    return m
