"""Energy series between the file and the engine: energies and aligned cubes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.exporting import write_ome_tiff
from clemd.geometry import apply, as_matrix, corners
from clemd.model import (
    CALIBRATIONS,
    DEFAULT_CALIBRATION,
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
    every band, ascending energy. What lies outside the EM field is zero; the file says
    so, and where the field's corners are.

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
        warnings=(*frame.warnings, _no_data(frame.shape, matrix)),
    )
    write_ome_tiff(path, described, warped, name=f"{Path(frame.path).name}, aligned")


def _no_data(shape: tuple[int, int], matrix: NDArray[np.float64]) -> str:
    """That zero is no measurement there, for who opens the file alone."""
    at = ", ".join(f"({x:.1f}, {y:.1f})" for x, y in apply(matrix, corners(shape)))
    return (
        "0 outside the EM field means no data, not a dark specimen; the corners of the "
        f"field lie at px {at}"
    )


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
