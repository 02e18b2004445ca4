"""From the voltage of a mirror electrode to the energy of electrons it lets pass."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyCalibration:
    """A straight line: eV = voltage x `ev_per_v` + `ev_at_zero_v`."""

    ev_per_v: float
    ev_at_zero_v: float
    source: str
    """Where it was published, or by whom it was measured."""


CALIBRATIONS = {
    "alsari-2025": EnergyCalibration(
        ev_per_v=-0.4446,
        ev_at_zero_v=6.0,
        source="Alsari et al. 2025, section II D: mirror of a through-lens detector",
    ),
    "pysehi-helios": EnergyCalibration(
        ev_per_v=-0.39866667,
        ev_at_zero_v=6.0,
        source="default of operandos/pysehi for the Helios' through-lens mirror",
    ),
    "pysehi-nova": EnergyCalibration(
        ev_per_v=1 / 2.84,
        ev_at_zero_v=0.0,
        source="default of operandos/pysehi for the Nova's deflector",
    ),
}
"""Published calibrations; they differ by instrument, so a profile states its own."""
DEFAULT_CALIBRATION = "alsari-2025"
MOST_SPECTRUM_RADIUS_PX = 256
"""A spectrum is the mean over a square at most this far around a place."""
