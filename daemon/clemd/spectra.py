"""What a cube shows at one place: its spectrum, with its axis and their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.model import MOST_SPECTRUM_RADIUS_PX, Frame
from clemd.series import DEFAULT_LINE, EnergyLine, energies_ev

Values = tuple[float | None, ...]
"""None where no pixel has a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """One place of a cube, along its axis upwards."""

    axis: tuple[float, ...]
    axis_name: str
    unit: str
    values: Values
    """The spectrum: mean values as measured; of an energy series, whose bands hold all
    electrons below their energy, the slope of these per eV, the ends one-sided."""
    values_name: str
    passed: Values
    """Mean value per band, as measured."""
    pixels: int
    """How many were averaged."""

    @property
    def is_of_energies(self) -> bool:
        """Is it that of an energy series?"""
        return self.values_name == EMITTED

    def as_json(self) -> dict[str, Any]:
        """The fields of `clemd.spectrum/1`; three more of energy series."""
        told = {
            "axis": [float(f"{value:.7g}") for value in self.axis],
            "axis_name": self.axis_name,
            "unit": self.unit,
            "values": _rounded(self.values),
            "values_name": self.values_name,
            "pixels": self.pixels,
        }
        if not self.is_of_energies:
            return told
        return told | {
            "energies_ev": told["axis"],
            "passed": _rounded(self.passed),
            "emitted_per_ev": told["values"],
        }


EMITTED, MEASURED = "emitted per eV", "mean value"


def spectrum_at(
    frame: Frame,
    planes: Sequence[NDArray[Any]],
    at_px: tuple[float, float],
    *,
    radius_px: int = 2,
    line: EnergyLine = DEFAULT_LINE,
) -> Spectrum:
    """The spectrum around a px (x, y), mean over a square of 2 radius + 1 px.

    `line` turns the mirror volts of an energy series into eV.

    Raises:
        UsageError: no spectrum in the points, or the place is off the image.
    """
    part = _square(frame, len(planes), at_px, radius_px)
    axis = energies_ev(frame, line) if frame.is_energy_series else frame.spectral_axis
    order = np.argsort(axis, kind="stable")
    along = np.array(axis, np.float64)[order]
    if (np.diff(along) <= 0).any():
        raise UsageError(
            "two bands lie at one place of the axis", frame.path, "mend its axis"
        )
    means = np.array([_mean(planes[i][part]) for i in order])
    values, name, unit = means, frame.spectral_name, frame.spectral_unit
    if frame.is_energy_series:
        values, name, unit = np.gradient(means, along), "energy", "eV"
    return Spectrum(
        axis=tuple(along.tolist()),
        axis_name=name,
        unit=unit,
        values=_known(values),
        values_name=EMITTED if frame.is_energy_series else MEASURED,
        passed=_known(means),
        pixels=int(planes[0][part].size),
    )


def _square(
    frame: Frame, bands: int, at_px: tuple[float, float], radius_px: int
) -> tuple[slice, slice]:
    """Rows and columns around a px, as far as they are on the specimen."""
    if not frame.is_cube or bands != len(frame.spectral_axis):
        raise UsageError(
            "no spectrum in its points", frame.path, "choose a cube or an energy series"
        )
    if not 0 <= radius_px <= MOST_SPECTRUM_RADIUS_PX:
        raise UsageError(
            "radius out of range",
            f"{radius_px} px",
            f"use 0 to {MOST_SPECTRUM_RADIUS_PX}",
        )
    width, height = frame.shape[1], frame.shape[0] - frame.info_bar_rows
    x, y = round(at_px[0]), round(at_px[1])
    if not (0 <= x < width and 0 <= y < height):
        raise UsageError(
            f"({x}, {y}) is off the image",
            f"{width} x {height} px",
            "choose a place on it",
        )
    return (
        slice(max(0, y - radius_px), min(y + radius_px + 1, height)),
        slice(max(0, x - radius_px), x + radius_px + 1),
    )


def _mean(part: NDArray[Any]) -> float:
    """Of what is a number; not a number where nothing is."""
    values = np.asarray(part, np.float64)
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan


def _known(values: NDArray[np.float64]) -> Values:
    return tuple(v if math.isfinite(v) else None for v in values.tolist())


def _rounded(values: Values) -> list[float | None]:
    return [None if v is None else float(f"{v:.6g}") for v in values]


__all__ = ["EMITTED", "Spectrum", "spectrum_at"]
