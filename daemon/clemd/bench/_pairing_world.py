"""Sessions at two microscopes as a facility sees them: files, names, clocks, no pixels.

Two specimens lie in one holder and are imaged by turns. What ties files together
differs from session to session (ids, names, folders, only the stage), a third of the
files has lost its metadata on the way, both clocks are off by up to a day, and the
files arrive in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.config import NameRule, PairingSettings
from clemd.model import Frame, Modality, PixelSize, Side, StagePose
from clemd.pairing import Arrived, session_of
from clemd.sessions import Observed, Sighting

from ._session_world import FIELD_UM, LM_PIXEL_UM, MAP, SHAPE, World

HABITS = ("ids", "names", "folders", "stage", "ids and names")
STRIPPED = 0.3
SKEW_H = 24.0
HOMELESS = 0.03
"""Images that lie on no map at all."""
MISNAMED = 0.02
"""Files whose name follows no rule."""
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
NAMES = (
    NameRule(em="{sample}_{area}_em{n:#}.tif", lm="{sample}_{area}_map{version:#}.czi"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imaged:
    """One EM image in truth: the maps it lies on, and what its pixels would say."""

    arrived: Arrived
    area: str
    """Empty: it lies on no map."""
    sighting: Sighting | None
    """As the file states it; None where its metadata are lost."""
    observed: Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One session with its truth."""

    habit: str
    settings: PairingSettings
    images: dict[str, Imaged]
    maps: dict[str, Arrived]
    area_of: dict[str, str]
    """Map -> its area."""
    order: tuple[str, ...]
    """Ids of all files as they arrive."""


@dataclass(slots=True)
class _Draw:
    rng: np.random.Generator
    habit: str
    settings: PairingSettings
    skew_h: dict[Side, float]
    came: int = 0


def visit(seed: int) -> Visit:
    """Draw one session."""
    rng = np.random.default_rng([seed, 11])
    habit = HABITS[seed % len(HABITS)]
    named = habit in {"names", "ids and names"}
    ids = {"ids": ("sample", "stage_label")} if "ids" in habit else {}
    draw = _Draw(
        rng,
        habit,
        PairingSettings(
            **ids,  # type: ignore[arg-type]
            names=NAMES if named else (),
            session_from="folder" if habit == "folders" else "none",
        ),
        {side: float(rng.uniform(-SKEW_H, SKEW_H)) for side in Side},
    )
    number = int(rng.integers(10, 90))
    samples = (f"S{number}", f"S{number + int(rng.integers(1, 4))}")
    worlds = _worlds(seed, samples, rng)
    maps: dict[str, Arrived] = {}
    area_of: dict[str, str] = {}
    images: dict[str, Imaged] = {}
    for k, area in enumerate(worlds):
        place = np.array([k * 900.0, float(rng.uniform(-200, 200))])
        for version in range(1, 2 + (rng.random() < 0.2)):
            found = _map(draw, area, version, place)
            maps[found.frame_id], area_of[found.frame_id] = found, area
    shots = [a for a in worlds for _ in range(int(rng.integers(5, 13)))]
    for n, k in enumerate(rng.permutation(len(shots))):
        one = _image(draw, worlds, shots[k], n)
        images[one.arrived.frame_id] = one
    every = [*images, *maps]
    return Visit(
        habit=habit,
        settings=draw.settings,
        images=images,
        maps=maps,
        area_of=area_of,
        order=tuple(every[k] for k in rng.permutation(len(every))),
    )


def _worlds(
    seed: int, samples: tuple[str, str], rng: np.random.Generator
) -> dict[str, World]:
    """One geometry for each area; all share the stage."""
    whole = World.drawn(seed)
    found = {}
    for k, sample in enumerate(samples):
        at = np.array([k * rng.uniform(3e3, 6e3), rng.uniform(-500, 500)])
        for letter in "AB"[: int(rng.integers(1, 3))]:
            found[f"{sample}/{letter}"] = replace(whole, home_um=whole.home_um + at)
            at = at + np.array([0.0, rng.uniform(900, 2000)])
    return found


def _map(draw: _Draw, area: str, version: int, place: NDArray[np.float64]) -> Arrived:
    sample, letter = area.split("/")
    facts: dict[str, Any] = {
        "pixel_size": _size(LM_PIXEL_UM),
        "stage": StagePose(x_um=float(place[0]), y_um=float(place[1])),
        "acquired_at": _time(draw, Side.LM, -3 + version),
    }
    if "ids" in draw.habit:
        facts |= {"sample": sample, "ids": {"stage_label": letter}}
    name = f"{sample}_{letter}_map{version}.czi"
    if draw.rng.random() < MISNAMED:
        name = f"Image {draw.rng.integers(1, 99)}.czi"
    return _file(draw, Side.LM, sample, name, MAP, facts)


def _image(draw: _Draw, worlds: dict[str, World], area: str, n: int) -> Imaged:
    rng = draw.rng
    homeless = rng.random() < HOMELESS
    world = replace(worlds[area], at_s=600.0 * n)
    away = np.array([0.0, -20.0 * FIELD_UM]) if homeless else np.zeros(2)
    shot = world.shoot(rng.uniform(-FIELD_UM / 2, FIELD_UM / 2, 2) + away)
    sample, letter = area.split("/")
    x, y = shot.sighting.stage_um
    facts: dict[str, Any] = {
        "pixel_size": _size(shot.sighting.pixel_um[0]),
        "stage": StagePose(x_um=x, y_um=y),
        "acquired_at": _time(draw, Side.EM, n / 6),
    }
    if "ids" in draw.habit:
        facts["sample"] = sample
        if rng.random() < 0.8:
            facts["ids"] = {"stage_label": letter}
    name = f"{sample}_{letter}_em{n:03d}.tif"
    if rng.random() < MISNAMED:
        name = f"untitled{n}.tif"
    found = _file(draw, Side.EM, sample, name, SHAPE, facts)
    states = found.frame.stage is not None
    return Imaged(
        arrived=found,
        area="" if homeless else area,
        sighting=replace(shot.sighting, frame_id=found.frame_id) if states else None,
        observed=shot.observed,
    )


def _file(
    draw: _Draw,
    side: Side,
    sample: str,
    name: str,
    shape: tuple[int, int],
    facts: dict[str, Any],
) -> Arrived:
    if draw.rng.random() < STRIPPED:
        facts = {}
    if draw.habit not in {"names", "ids and names"}:
        name = f"Image_{draw.came:04d}.tif"
    relative = f"{sample}/{name}" if draw.habit == "folders" else name
    frame = Frame(
        path=f"/{side.value}/{relative}",
        driver="bench",
        driver_version="1",
        modality=Modality.SEM if side is Side.EM else Modality.CLSM,
        shape=shape,
        dtype="uint8",
        channels=(),
        **facts,
    )
    session, told = session_of(frame, relative.encode(), draw.settings, side=side)
    draw.came += 1
    return Arrived(
        frame_id=f"{side.value}{draw.came:04d}",
        side=side,
        session=session,
        told=told,
        frame=frame,
        relative=relative,
        arrived_at=NOON + timedelta(hours=float(draw.rng.uniform(0, 48))),
    )


def _size(um: float) -> PixelSize:
    return PixelSize(x_um=um, y_um=um, source="bench")


def _time(draw: _Draw, side: Side, hours: float) -> datetime:
    return NOON + timedelta(hours=hours + draw.skew_h[side])
