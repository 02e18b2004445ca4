"""Energy series between the file and the engine: energies, spectra, aligned cubes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError, UsageError
from clemd.exporting import write_ome_tiff
from clemd.geometry import as_matrix
from clemd.model import (
    CALIBRATIONS,
    DEFAULT_CALIBRATION,
    MOST_SPECTRUM_RADIUS_PX,
    Channel,
    ChannelKind,
    Frame,
    Registration,
)

Planes = Sequence[NDArray[Any]]
EnergyLine = tuple[float, float]
"""(eV per volt, eV at zero volt)."""
DEFAULT_LINE: EnergyLine = (
    CALIBRATIONS[DEFAULT_CALIBRATION].ev_per_v,
    CALIBRATIONS[DEFAULT_CALIBRATION].ev_at_zero_v,
)
ALIGNED = "aligned.ome.tif"
BOX_SIGMA = 0.42
"""Deviation of the Gaussian that averages as a pixel of width 1 does."""


def energies_ev(frame: Frame, line: EnergyLine = DEFAULT_LINE) -> tuple[float, ...]:
    """The frame's axis as energies, band by band; empty where it has none."""
    if frame.spectral_unit == "eV":
        return frame.spectral_axis
    if frame.spectral_unit == "V":
        return tuple(line[0] * volts + line[1] for volts in frame.spectral_axis)
    return ()


def shown_band(frame: Frame) -> int:
    """The band that people look at: of a series the one that holds all electrons."""
    if not frame.is_energy_series or len(frame.spectral_axis) != len(frame.channels):
        return 0
    return int(np.argmax(energies_ev(frame)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """What a series shows at one place, ascending energy."""

    energies_ev: tuple[float, ...]
    passed: tuple[float, ...]
    """Mean grey value per band: electrons below each energy."""
    emitted: tuple[float, ...]
    """Its central difference per eV, the spectrum itself; the ends one-sided."""
    pixels: int
    """How many were averaged."""

    def as_json(self) -> dict[str, Any]:
        """The fields of `clemd.spectrum/1`."""
        return {
            "energies_ev": [round(v, 4) for v in self.energies_ev],
            "passed": [round(v, 3) for v in self.passed],
            "emitted_per_ev": [round(v, 3) for v in self.emitted],
            "pixels": self.pixels,
        }


def spectrum_at(
    frame: Frame,
    planes: Planes,
    at_px: tuple[float, float],
    *,
    radius_px: int = 2,
    line: EnergyLine = DEFAULT_LINE,
) -> Spectrum:
    """The spectrum around a px (x, y), mean over a square of 2 radius + 1 px.

    Raises:
        UsageError: no energy series, or the place is off the image.
    """
    if not frame.is_energy_series or len(frame.spectral_axis) != len(planes):
        raise UsageError(
            "not an energy series", frame.path, "choose a file with several energies"
        )
    if not 0 <= radius_px <= MOST_SPECTRUM_RADIUS_PX:
        raise UsageError(
            "radius out of range",
            f"{radius_px} px",
            f"use 0 to {MOST_SPECTRUM_RADIUS_PX}",
        )
    height, width = frame.shape
    x, y = round(at_px[0]), round(at_px[1])
    if not (0 <= x < width and 0 <= y < height - frame.info_bar_rows):
        raise UsageError(
            f"({x}, {y}) is off the image",
            f"{width} x {height - frame.info_bar_rows} px",
            "choose a place on it",
        )
    bottom = min(y + radius_px + 1, height - frame.info_bar_rows)
    left, top = max(0, x - radius_px), max(0, y - radius_px)
    part = np.s_[top:bottom, left : x + radius_px + 1]
    energies = np.array(energies_ev(frame, line))
    order = np.argsort(energies)
    means = np.array([float(np.mean(planes[i][part], dtype=np.float64)) for i in order])
    energies = energies[order]
    if (np.diff(energies) <= 0).any():
        raise UsageError(
            "two bands have one energy", frame.path, "mend the list of voltages"
        )
    return Spectrum(
        energies_ev=tuple(energies.tolist()),
        passed=tuple(means.tolist()),
        emitted=tuple(np.gradient(means, energies).tolist()),
        pixels=int(planes[0][part].size),
    )


def write_aligned(
    path: Path,
    em: tuple[Frame, Planes],
    lm: Frame,
    found: Registration,
    drift_px: NDArray[np.float64],
    *,
    line: EnergyLine = DEFAULT_LINE,
) -> None:
    """The EM series on the LM's pixels, one page a band, as OME-TIFF.

    `drift_px` (bands, 2) says where a point of the band that was registered lies in
    every band, ascending energy. What lies outside the EM field is zero.

    Raises:
        RegistrationRefusedError: the result has no matrix.
        OSError: the file cannot be written.
    """
    if found.em_to_lm is None:
        raise RegistrationRefusedError("a rejected result has no matrix to align by")
    frame, planes = em
    matrix = as_matrix(found.em_to_lm)
    energies = energies_ev(frame, line)
    order = np.argsort(energies)
    size = (lm.shape[1], lm.shape[0])
    warped = [
        _warped(planes[i], matrix @ _back(drift_px[rank]), size, found)
        for rank, i in enumerate(order)
    ]
    described = replace(
        frame,
        shape=lm.shape,
        channels=tuple(
            Channel(name=f"{energies[i]:.2f} eV", kind=ChannelKind.SPECTRAL)
            for i in order
        ),
        spectral_axis=tuple(energies[i] for i in order),
        spectral_unit="eV",
        pixel_size=lm.pixel_size,
        info_bar_rows=0,
        stage=lm.stage,
    )
    write_ome_tiff(path, described, warped, name=f"{Path(frame.path).name}, aligned")


def _back(drift_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """Px of a band -> px of the reference band."""
    moved = np.eye(3)
    moved[:2, 2] = -drift_px
    return moved


def _warped(
    plane: NDArray[Any],
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    found: Registration,
) -> NDArray[Any]:
    source = np.asarray(plane, np.float32)
    scale = 1 / max(found.pixel_size_ratio or 1.0, 1e-6)
    if scale < 0.99:  # averaged as the coarser pixels average
        sigma_px = BOX_SIGMA * math.sqrt(scale**-2 - 1)
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), sigma_px))
    seen = np.asarray(cv2.warpPerspective(source, matrix, size, flags=cv2.INTER_LINEAR))
    if plane.dtype.kind in "ui":
        limits = np.iinfo(plane.dtype)
        return np.asarray(np.clip(np.rint(seen), limits.min, limits.max), plane.dtype)
    return np.asarray(seen, plane.dtype)
