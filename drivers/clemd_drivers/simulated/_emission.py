"""Secondary electrons of a few materials, and what an energy filter lets through.

The spectrum of a clean surface falls off as Chung and Everhart (1974) found,
j(E) ∝ E / (E + φ)⁴ with the work function φ; bonds add a peak of their own, which is
what secondary electron hyperspectral imaging looks for. An image taken with the
filter at E holds every electron below E, so a series of images is the running
integral of the spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

RESOLUTION_EV = 0.25
"""Standard deviation of the filter's edge."""
_GRID_EV = np.arange(-4.0, 30.0, 0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """How one material emits."""

    name: str
    yield_: float
    """Electrons per incident electron, relative to the others."""
    work_function_ev: float
    peak_ev: float
    """Centre of the peak that its bonds add."""
    peak_width_ev: float
    peak_share: float
    """Share of all electrons that the peak holds."""


MATERIALS = (
    Material(
        name="epoxy matrix",
        yield_=0.62,
        work_function_ev=4.0,
        peak_ev=3.9,
        peak_width_ev=0.55,
        peak_share=0.30,
    ),
    Material(
        name="graphitic carbon",
        yield_=0.40,
        work_function_ev=4.6,
        peak_ev=2.7,
        peak_width_ev=0.45,
        peak_share=0.40,
    ),
    Material(
        name="amorphous carbon",
        yield_=0.52,
        work_function_ev=4.8,
        peak_ev=4.9,
        peak_width_ev=0.60,
        peak_share=0.35,
    ),
    Material(
        name="metal",
        yield_=0.95,
        work_function_ev=4.3,
        peak_ev=1.6,
        peak_width_ev=0.50,
        peak_share=0.25,
    ),
    Material(
        name="oxide",
        yield_=0.80,
        work_function_ev=3.2,
        peak_ev=5.6,
        peak_width_ev=0.70,
        peak_share=0.35,
    ),
)
FILM = Material(
    name="contamination",
    yield_=0.48,
    work_function_ev=4.4,
    peak_ev=4.3,
    peak_width_ev=0.80,
    peak_share=0.45,
)
"""The carbon that a beam writes on whatever it scans."""


def passed(material: Material, energies_ev: Curve, *, shift_ev: float = 0.0) -> Curve:
    """Electrons per incident one below each energy; charging shifts the spectrum."""
    spectrum = _spectrum(material)
    below = np.cumsum(spectrum)
    return np.asarray(
        material.yield_ * np.interp(energies_ev - shift_ev, _GRID_EV, below)
    )


def _spectrum(material: Material) -> Curve:
    """Normalised to 1 on `_GRID_EV`, the filter's edge included."""
    at = np.maximum(_GRID_EV, 0.0)
    cascade = at / (at + material.work_function_ev) ** 4
    offset = (_GRID_EV - material.peak_ev) / material.peak_width_ev
    peak = np.exp(-0.5 * offset**2) * (_GRID_EV > 0)
    share = material.peak_share
    mixed = (1 - share) * cascade / cascade.sum() + share * peak / peak.sum()
    reach = round(4 * RESOLUTION_EV / 0.02)
    edge = np.exp(-0.5 * (np.arange(-reach, reach + 1) * 0.02 / RESOLUTION_EV) ** 2)
    return np.asarray(np.convolve(mixed, edge / edge.sum(), "same"))
