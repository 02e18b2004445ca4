"""The poses of one session: a specimen that is remounted once between microscopes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from clemd.geometry import compose, invert, middle_of, similarity, translation
from clemd.model import Matrix

from ._field import Field
from ._pair import metadata_errors, place_inside
from ._plans import Plan
from ._shots import ElectronShot, LightShot, Stage

_STAGE_JITTER_UM = 0.8
_ROTATION_JITTER_DEG = 0.15
_ELSEWHERE_UM = 900.0
_FIRST_SHOT = datetime(2026, 3, 12, 9, 30, 5, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that will be taken, in the order of export."""

    plan: Plan
    seed: int
    light: LightShot
    electrons: tuple[ElectronShot, ...]
    rotation_deg: float
    """EM -> LM, clockwise as displayed, before the jitter of single images."""
    mirrored: bool

    def shots(self) -> list[LightShot | ElectronShot]:
        """The shots as their files will appear."""
        early = self.plan.em_before_lm
        return [*self.electrons[:early], self.light, *self.electrons[early:]]

    def em_to_lm(self, shot: ElectronShot) -> Matrix | None:
        """Stored EM px -> LM px; None for an image that is not on the map."""
        if shot.elsewhere:
            return None
        return compose(self.light.field.px_from_um, shot.field.um_from_px)


def plan_session(plan: Plan, *, seed: int) -> Session:
    """Draw the poses of a session by lot; the same seed gives the same session."""
    rng = np.random.default_rng([seed, 9])
    rotation_deg = float(rng.uniform(-180, 180))
    mirrored = bool(rng.uniform() < 0.5)
    sample = f"S{int(rng.integers(10, 99))}-B{int(rng.integers(1, 9))}"
    em_error, lm_error = metadata_errors(rng)
    home = (float(rng.uniform(3e4, 6e4)), float(rng.uniform(3e4, 6e4)))
    light = LightShot(
        name=f"{sample}_map01.ome.tif",
        field=Field.at(shape=plan.lm_shape, pixel_um=plan.lm_pixel_um),
        metadata_pixel_um=plan.lm_pixel_um * lm_error,
        stage=Stage(
            x_um=float(rng.uniform(1e3, 9e3)), y_um=float(rng.uniform(1e3, 9e3))
        ),
        acquired_at=_FIRST_SHOT,
        sample=sample,
        habit=plan.lm_habit,
        seed=seed,
    )
    electrons = tuple(
        _electron_shot(
            np.random.default_rng([seed, 10, index]),
            plan,
            light,
            index=index,
            seed=seed,
            rotation_deg=rotation_deg,
            mirrored=mirrored,
            em_error=em_error,
            home_um=home,
        )
        for index in range(plan.em_count)
    )
    return Session(
        plan=plan,
        seed=seed,
        light=light,
        electrons=electrons,
        rotation_deg=rotation_deg,
        mirrored=mirrored,
    )


def _electron_shot(
    rng: np.random.Generator,
    plan: Plan,
    light: LightShot,
    *,
    index: int,
    seed: int,
    rotation_deg: float,
    mirrored: bool,
    em_error: float,
    home_um: tuple[float, float],
) -> ElectronShot:
    vendor = plan.vendors[index % len(plan.vendors)]
    height = plan.em_shape[0]
    elsewhere = index in plan.elsewhere
    pixel_um = _pixel_um(rng, plan)
    field = place_inside(
        rng,
        light.field,
        plan.em_shape,
        pixel_um,
        rotation_deg=rotation_deg + float(rng.normal(0, _ROTATION_JITTER_DEG)),
        mirrored=mirrored,
    )
    if elsewhere:
        away = translation(_ELSEWHERE_UM, 0.6 * _ELSEWHERE_UM)
        field = Field(field.shape, compose(away, field.um_from_px))
    return ElectronShot(
        name=f"{light.sample}_{vendor}_{index + 1:03d}.tif",
        vendor=vendor,
        field=field,
        bar_rows=round(height * (0.078 if vendor == "zeiss" else 0.066)),
        # Every magnification is calibrated a little differently.
        metadata_pixel_um=pixel_um * em_error * float(rng.normal(1, 0.002)),
        stage=_em_stage(rng, field, rotation_deg, mirrored, home_um),
        acquired_at=_FIRST_SHOT + timedelta(minutes=95 + 4 * index),
        sample=light.sample,
        habit=plan.habits[index % len(plan.habits)],
        invert=vendor == "zeiss",
        sixteen_bit=vendor == "thermo" and index % 4 == 1,
        elsewhere=elsewhere,
        seed=seed * 1000 + index,
    )


def _pixel_um(rng: np.random.Generator, plan: Plan) -> float:
    """Operators change the magnification in steps, not freely."""
    coverage = float(rng.choice(np.linspace(*plan.coverage, 5)))
    return coverage * plan.lm_shape[1] * plan.lm_pixel_um / plan.em_shape[1]


def _em_stage(
    rng: np.random.Generator,
    field: Field,
    rotation_deg: float,
    mirrored: bool,
    home_um: tuple[float, float],
) -> Stage:
    """Where the EM stage stands: X grows to the right of the image, Y upwards."""
    middle = field.um_from_px @ np.array([*middle_of(field.shape), 1.0])
    mount = similarity(scale=1.0, rotation_deg=rotation_deg, mirrored=mirrored)
    right, down = (invert(mount) @ middle)[:2]
    jitter = rng.normal(0, _STAGE_JITTER_UM, 2)
    return Stage(
        x_um=home_um[0] + float(right + jitter[0]),
        y_um=home_um[1] - float(down + jitter[1]),
        z_um=float(12_300 + rng.normal(0, 20)),
        rotation_deg=12.5,
    )
