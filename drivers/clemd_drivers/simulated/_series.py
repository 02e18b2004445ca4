"""Energy-filtered image series of one specimen at several fields of view.

One composite (`_composite`), scanned from the largest field to the smallest as an
operator zooms in. Every series drifts while its bands are taken; every scan leaves a
film of carbon where it went, so that smaller fields, taken later, differ from what
the larger ones saw; every image has its own gain, offset and charging.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, invert, middle_of, similarity, translation
from clemd.model import Matrix

from ._composite import Composite, draw_composite
from ._emission import FILM, MATERIALS, passed

SHADING = 0.15
"""How much brighter one side of an image is than the other: detector and charge."""
FIELDS_UM = (100.0, 75.0, 40.0, 30.0)
"""Widths, in the order in which they are taken."""
SIZES = {"full": (1000, 1500), "small": (320, 480)}
"""(height, width) in px."""
BANDS = 49
ENERGIES_EV = (-2.0, 8.2)
EV_PER_V, EV_AT_ZERO_V = -0.4446, 6.0
"""How the simulated mirror bends electrons back: eV = V x slope + intercept."""
ELECTRONS_PER_PX = 80.0
"""Detected per px and band from a material of yield 1 with the filter open."""
DETECTOR_GREYS = 1.5
"""Deviation of the detector's own noise, of 255 greys."""
BEAM_PX = 0.75
"""Deviation of beam and pixel together, px of the image."""
DRIFT_PX = 3.0
"""Way of a series from its first band to its last, px of the finest field."""
FILM_PER_SCAN = 0.10
"""Film left by the largest field; smaller ones leave more, the dose being denser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySeries:
    """One image series, as taken, and the truth about it."""

    field_um: float
    """Width as the file states it."""
    bands: NDArray[np.uint8]
    """(band, height, width)."""
    mirror_v: NDArray[np.float64]
    """Voltage of the mirror electrode for every band, as recorded."""
    to_specimen: tuple[Matrix, ...]
    """Px -> specimen µm, for every band: they drift."""

    @property
    def pixel_um(self) -> float:
        """As the file states it."""
        return float(self.field_um / self.bands.shape[2])

    @property
    def energies_ev(self) -> NDArray[np.float64]:
        """By the calibration the simulated mirror really has."""
        return EV_PER_V * self.mirror_v + EV_AT_ZERO_V


def em_to_lm(em: EnergySeries, lm: EnergySeries, em_band: int, lm_band: int) -> Matrix:
    """The truth between two bands: px of the one -> px of the other."""
    return compose(invert(lm.to_specimen[lm_band]), em.to_specimen[em_band])


def render_series(
    seed: int, *, size: str = "full", fields_um: tuple[float, ...] = FIELDS_UM
) -> tuple[EnergySeries, ...]:
    """All fields of one specimen, in the order taken; the same seed, the same bits."""
    shape = SIZES[size]
    specimen = draw_composite(seed, min(FIELDS_UM) / shape[1])
    film = np.zeros(specimen.material.shape, np.float32)
    taken = []
    for index, field_um in enumerate(fields_um):
        rng = np.random.default_rng([seed, 1 + index])
        taken.append(_scan(rng, specimen, film, field_um, shape))
        _leave_film(film, specimen, taken[-1])
    return tuple(taken)


def _scan(
    rng: np.random.Generator,
    specimen: Composite,
    film: NDArray[np.float32],
    field_um: float,
    shape: tuple[int, int],
) -> EnergySeries:
    energies = np.linspace(*ENERGIES_EV, BANDS)
    poses = _poses(rng, field_um, shape, specimen.pitch_um)
    still = _still(specimen, film, poses[len(poses) // 2], shape)
    still *= _shading(rng, shape)
    curves = _curves(rng, energies)
    full = float(np.quantile(np.tensordot(curves[:, -1], still, 1)[::4, ::4], 0.995))
    gain = rng.uniform(0.86, 0.98) * 235.0 / (full * ELECTRONS_PER_PX)
    offset = rng.uniform(6.0, 14.0)
    middle = poses[len(poses) // 2]
    bands = np.empty((BANDS, *shape), np.uint8)
    for band, pose in enumerate(poses):
        signal = np.tensordot(curves[:, band].astype(np.float32), still, 1)
        moved = compose(invert(middle), pose)  # px of this band -> px of the still one
        drifted = cv2.warpAffine(
            signal,
            moved[:2],
            shape[::-1],
            flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        bands[band] = _detected(rng, np.asarray(drifted), gain, offset)
    return EnergySeries(
        field_um=field_um,
        bands=bands,
        mirror_v=np.round((energies - EV_AT_ZERO_V) / EV_PER_V, 4),
        to_specimen=tuple(poses),
    )


def _shading(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Slow change of brightness over an image, another in each."""
    coarse = rng.uniform(1 - SHADING, 1 + SHADING, (3, 4)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC))


def _poses(
    rng: np.random.Generator, field_um: float, shape: tuple[int, int], pitch_um: float
) -> list[Matrix]:
    """Px -> µm of every band: off centre, a little turned, magnified not quite so."""
    pixel_um = field_um / shape[1] * (1 + rng.uniform(-0.015, 0.015))
    pose = similarity(
        scale=pixel_um,
        rotation_deg=rng.uniform(-3, 3),
        about=middle_of(shape),
        onto=tuple(rng.uniform(-0.03, 0.03, 2) * field_um),
    )
    heading = rng.uniform(0, 2 * math.pi)
    way = np.linspace(-0.5, 0.5, BANDS) + 0.12 * np.sin(
        np.linspace(0, 2 * math.pi, BANDS) + rng.uniform(0, 6)
    )
    drift = DRIFT_PX * way[:, None] * [math.cos(heading), math.sin(heading)]
    drift = pitch_um * (drift + rng.normal(0, 0.04, (BANDS, 2)))
    return [compose(translation(*step), pose) for step in drift]


def _still(
    specimen: Composite,
    film: NDArray[np.float32],
    pose: Matrix,
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Emission of every material per px, (materials + film, height, width)."""
    to_grid, part = _window(specimen, pose, shape)
    material, glow = specimen.material[part], specimen.glow[part]
    covered = film[part]
    step_px = math.sqrt(abs(float(np.linalg.det(to_grid[:2, :2]))))
    planes = [
        (material == kind) * glow * (1 - covered) for kind in range(len(MATERIALS))
    ]
    return np.stack(
        [
            cv2.warpAffine(
                cv2.GaussianBlur(plane.astype(np.float32), (0, 0), BEAM_PX * step_px),
                to_grid[:2],
                shape[::-1],
                flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT,
            )
            for plane in [*planes, glow * covered]
        ]
    )


def _window(
    specimen: Composite, pose: Matrix, shape: tuple[int, int]
) -> tuple[Matrix, tuple[slice, slice]]:
    """The part of the grid that a field sees, and px -> px of that part."""
    to_grid = compose(_to_grid(specimen), pose)
    rows, columns = specimen.material.shape
    edge = apply(to_grid, [[0, 0], [shape[1], 0], [0, shape[0]], shape[::-1]])
    margin = 8 + 4 * BEAM_PX * to_grid[0, 0]
    x0, y0 = np.maximum(np.floor(edge.min(0) - margin), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(edge.max(0) + margin), [columns, rows]).astype(int)
    part = (slice(int(y0), int(y1)), slice(int(x0), int(x1)))
    return compose(translation(-x0, -y0), to_grid), part


def _to_grid(specimen: Composite) -> Matrix:
    return similarity(
        scale=1 / specimen.pitch_um,
        rotation_deg=0.0,
        onto=middle_of(specimen.material.shape),
    )


def _curves(
    rng: np.random.Generator, energies: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Electrons passed per material and band; gain and charge waver a little."""
    shift_ev = rng.normal(0, 0.06)
    wavering = 1 + rng.normal(0, 0.008, BANDS)
    return np.stack(
        [
            passed(material, energies, shift_ev=shift_ev + rng.normal(0, 0.03))
            * wavering
            for material in (*MATERIALS, FILM)
        ]
    )


def _detected(
    rng: np.random.Generator, signal: NDArray[np.float32], gain: float, offset: float
) -> NDArray[np.uint8]:
    """Shot noise, amplifier noise, rows that differ a little, eight bits."""
    electrons = rng.poisson(np.maximum(signal, 0) * ELECTRONS_PER_PX)
    grey = gain * electrons + offset
    grey += DETECTOR_GREYS * rng.standard_normal(signal.shape, dtype=np.float32)
    grey += 0.4 * rng.standard_normal((signal.shape[0], 1), dtype=np.float32)
    return np.asarray(np.clip(np.round(grey), 0, 255), np.uint8)


def _leave_film(
    film: NDArray[np.float32], specimen: Composite, series: EnergySeries
) -> None:
    """Carbon where the beam went: as much as the dose, up to all of it."""
    rows, columns = series.bands.shape[1:]
    middle = series.to_specimen[len(series.to_specimen) // 2]
    outline = [[0, 0], [columns, 0], [columns, rows], [0, rows]]
    at = apply(compose(_to_grid(specimen), middle), outline)
    scanned = np.zeros(film.shape, np.float32)
    cv2.fillPoly(scanned, [np.round(at).astype(np.int32)], 1.0)
    dose = FILM_PER_SCAN * (max(FIELDS_UM) / series.field_um) ** 0.5
    film += dose * scanned * (1 - film)
