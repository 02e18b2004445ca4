"""What one cell contains, in µm; the same whichever image looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ._bodies import Bodies, cristae, grow_bodies, tubes
from ._field import Points
from ._layout import Outline
from ._nucleus import Cytoplasm, Star, nucleus_in, wobbly


class CellKind(StrEnum):
    """How a cell looks at low magnification."""

    PLAIN = "plain"
    DARK = "dark"
    """Shrunken, densely stained."""
    VESSEL = "vessel"
    """An empty space, mostly with a red blood cell in it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the specimen."""

    number: tuple[int, int]
    kind: CellKind
    contour_um: Points
    shade: float
    """Density of the cytoplasm, 0..1."""
    label: float
    """How strongly the mitochondrial label took, 0..1."""
    nucleus_um: Points | None
    nucleoli_um: tuple[Points, ...]
    blood_um: Points | None
    mitochondria_um: Points
    """(n, k, 2) closed contours."""
    lysosomes_um: Points
    lipid_um: Points
    reticulum_um: Points
    """(n, k, 2) open lines: endoplasmic reticulum and Golgi stacks."""
    interior: Interior

    @cached_property
    def fine(self) -> FineStructure:
        """What only electrons can see; built when first asked for."""
        return self.interior.fine_structure()


@dataclass(frozen=True, kw_only=True)
class FineStructure:
    """Structure far below the resolution of light."""

    cristae_um: Points
    """(n, 3, 2) short lines across mitochondria."""
    vesicles_um: Points
    """(n, 2) centres."""
    vesicle_radii_um: NDArray[np.float64]
    particles_um: Points
    """(n, 2) electron-dense nanoparticles."""


@dataclass(frozen=True)
class Interior:
    """The room of a cell and what lies in it, from which details are grown."""

    room: Cytoplasm
    bodies: Bodies
    key: tuple[int, int, int]
    """Seed, column and row: what the details depend on."""
    is_empty: bool

    def fine_structure(self) -> FineStructure:
        """The same details whenever it is called."""
        rng = np.random.default_rng([*self.key, 1])
        count = 0 if self.is_empty else int(rng.integers(60, 150))
        vesicles = self.room.scatter(rng, count)
        vesicles = vesicles[self.room.clearance(vesicles) > 0.15]
        lysosomes = self.bodies.rounds(self.bodies.lysosome)
        return FineStructure(
            cristae_um=cristae(rng, self.bodies),
            vesicles_um=vesicles,
            vesicle_radii_um=rng.gamma(6.0, 0.010, len(vesicles)) + 0.02,
            particles_um=_particles(rng, lysosomes),
        )


def build_cell(outline: Outline, *, seed: int) -> Cell:
    """Fill the membrane of a cell; every number depends on `seed` and cell alone."""
    column, row = outline.number
    key = (seed, column + 2**31, row + 2**31)
    rng = np.random.default_rng([*key, 0])
    cell = Star.around(outline.contour_um, outline.centre_um)
    kind = _kind(float(rng.uniform()))
    empty = kind is CellKind.VESSEL
    nucleus = nucleus_in(rng, cell) if not empty and rng.uniform() < 0.74 else None
    room = Cytoplasm.of(cell, nucleus)
    bodies = Bodies.none() if empty else grow_bodies(rng, room)
    return Cell(
        number=outline.number,
        kind=kind,
        contour_um=outline.contour_um,
        shade=float(rng.normal(0.5, 0.17)) + 0.35 * (kind is CellKind.DARK),
        label=float(np.clip(rng.normal(0.65, 0.18), 0.15, 1.0)),
        nucleus_um=None if nucleus is None else nucleus.contour(),
        nucleoli_um=() if nucleus is None else _nucleoli(rng, nucleus),
        blood_um=_blood(rng, cell) if empty and rng.uniform() < 0.7 else None,
        mitochondria_um=bodies.rounds(bodies.mitochondrion),
        lysosomes_um=bodies.rounds(bodies.lysosome),
        lipid_um=bodies.rounds(bodies.lipid),
        reticulum_um=np.empty((0, 2, 2)) if empty else tubes(rng, room),
        interior=Interior(room, bodies, key, empty),
    )


def _kind(chance: float) -> CellKind:
    if chance < 0.05:
        return CellKind.VESSEL
    return CellKind.DARK if chance < 0.13 else CellKind.PLAIN


def _nucleoli(rng: np.random.Generator, nucleus: Star) -> tuple[Points, ...]:
    size = float(nucleus.radii_um.mean())
    found = []
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45) * size
        centre = nucleus.centre_um + far * np.array([np.cos(angle), np.sin(angle)])
        blob = wobbly(rng, centre, float(rng.uniform(0.17, 0.29)) * size, 0.12)
        found.append(blob.contour())
    return tuple(found)


def _blood(rng: np.random.Generator, vessel: Star) -> Points:
    room = float(vessel.radii_um.min())
    return wobbly(rng, vessel.centre_um, 0.8 * room, 0.10).contour()


def _particles(rng: np.random.Generator, lysosomes: Points) -> Points:
    """Particles that were taken up: clusters inside some of the lysosomes."""
    if not len(lysosomes):
        return np.empty((0, 2))
    loaded = lysosomes[rng.uniform(size=len(lysosomes)) < 0.4]
    middles = loaded.mean(axis=1)
    spread = rng.normal(0, 0.07, (len(middles), 9, 2))
    return np.asarray((middles[:, None] + spread).reshape(-1, 2))
