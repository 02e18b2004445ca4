"""Closed shapes seen from a centre: the cell, its nucleus, its nucleolus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._field import Points

_ANGLES = np.linspace(-np.pi, np.pi, 120, endpoint=False)


@dataclass(frozen=True)
class Star:
    """A closed curve given by its radius in every direction."""

    centre_um: Points
    radii_um: NDArray[np.float64]
    """At 120 directions from -pi on."""

    @classmethod
    def around(cls, contour_um: Points, centre_um: Points) -> Star:
        """The curve through a contour that has no overhang seen from `centre_um`."""
        offsets = contour_um - centre_um
        angles = np.arctan2(offsets[:, 1], offsets[:, 0])
        order = np.argsort(angles)
        radii = np.hypot(offsets[:, 0], offsets[:, 1])[order]
        return cls(
            centre_um, np.interp(_ANGLES, angles[order], radii, period=2 * np.pi)
        )

    def radius(self, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Radius in µm at `angles` (radians, any shape)."""
        at = (angles + np.pi) * (len(_ANGLES) / (2 * np.pi))
        low = np.floor(at).astype(int)
        part = at - low
        first = self.radii_um[low % len(_ANGLES)]
        second = self.radii_um[(low + 1) % len(_ANGLES)]
        return np.asarray(first + part * (second - first))

    def depth(self, points_um: Points) -> NDArray[np.float64]:
        """µm from each point outwards to the curve; negative outside."""
        offsets = points_um - self.centre_um
        angles = np.arctan2(offsets[..., 1], offsets[..., 0])
        return np.asarray(
            self.radius(angles) - np.hypot(offsets[..., 0], offsets[..., 1])
        )

    def contour(self) -> Points:
        """The curve as a closed polygon."""
        rays = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
        return np.asarray(self.centre_um + self.radii_um[:, None] * rays)


def wobbly(
    rng: np.random.Generator, centre_um: Points, radius_um: float, roughness: float
) -> Star:
    """A rounded irregular shape: an ellipse with a few harmonics."""
    orders = np.arange(2, 9)
    sizes = rng.normal(0, roughness, 7) / (orders - 1.0) ** 0.9
    phases = rng.uniform(0, 2 * np.pi, 7)
    waves = np.cos(orders[:, None] * _ANGLES + phases[:, None])
    return Star(centre_um, radius_um * np.maximum(0.35, 1 + sizes @ waves))


@dataclass(frozen=True)
class Cytoplasm:
    """The room between a nucleus and the membrane, seen from one centre."""

    core: Star
    outer: Star
    has_nucleus: bool

    @classmethod
    def of(cls, cell: Star, nucleus: Star | None) -> Cytoplasm:
        """A cell without a nucleus has a small core that nothing need avoid."""
        if nucleus is None:
            return cls(Star(cell.centre_um, cell.radii_um * 0.05), cell, False)
        return cls(nucleus, Star.around(cell.contour(), nucleus.centre_um), True)

    def scatter(self, rng: np.random.Generator, count: int) -> Points:
        """`count` points spread evenly, (n, 2)."""
        angles = rng.uniform(-np.pi, np.pi, count)
        low, high = self.core.radius(angles), self.outer.radius(angles)
        radii = np.sqrt(low**2 + rng.uniform(size=count) * (high**2 - low**2))
        rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return np.asarray(self.core.centre_um + radii[:, None] * rays)

    def clearance(self, points_um: Points) -> NDArray[np.float64]:
        """µm from each point to the nearer wall; negative outside."""
        offsets = points_um - self.core.centre_um
        angles = np.arctan2(offsets[..., 1], offsets[..., 0])
        far = np.hypot(offsets[..., 0], offsets[..., 1])
        room = self.outer.radius(angles) - far
        if self.has_nucleus:
            room = np.minimum(room, far - self.core.radius(angles))
        return np.asarray(room)


def nucleus_in(rng: np.random.Generator, cell: Star) -> Star:
    """A nucleus that stays clear of the membrane of its cell."""
    inner = float(np.percentile(cell.radii_um, 20))
    shift = rng.normal(0, 0.10 * inner, 2)
    free = wobbly(
        rng, cell.centre_um + shift, float(rng.uniform(0.55, 0.70)) * inner, 0.09
    )
    limit = np.maximum(cell.depth(free.centre_um), 0.5) * 0.9
    room = Star.around(cell.contour(), free.centre_um).radii_um * 0.84
    return Star(
        free.centre_um, np.minimum(free.radii_um, np.maximum(room, 0.3 * limit))
    )
