"""What is to be taken in a session: facts before any pixel exists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ._field import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a stage controller reads, on its own axes."""

    x_um: float
    y_um: float
    z_um: float = 0.0
    rotation_deg: float = 0.0
    tilt_deg: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LightShot:
    """One light map to be taken."""

    name: str
    field: Field
    metadata_pixel_um: float
    """What the file says; the field knows the truth."""
    stage: Stage
    acquired_at: datetime
    sample: str
    habit: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class ElectronShot:
    """One electron image to be taken."""

    name: str
    vendor: str
    """`zeiss` or `thermo`."""
    field: Field
    """The scanned area; a bar may cover its last rows or lie below it."""
    bar_rows: int
    """Rows of the information bar."""
    metadata_pixel_um: float
    stage: Stage
    acquired_at: datetime
    """Aware; the vendors write it without a zone."""
    sample: str
    habit: str
    invert: bool
    sixteen_bit: bool
    elsewhere: bool
    """Not on any light map."""
    seed: int

    @property
    def stored_shape(self) -> tuple[int, int]:
        """(height, width) of the file, bar included."""
        height, width = self.field.shape
        return (height + self.bar_rows * (self.vendor == "thermo"), width)
