"""What every stored image must be before anything is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What an image and its parts are called, and how small it may be."""

    image: str
    planes: str
    pixels: str
    least: int
    """Pixels a side."""


def check_planes(planes: Sequence[NDArray[Any]], words: Words) -> tuple[int, int]:
    """(height, width) of planes of one size that hold real numbers.

    Raises:
        RegistrationRefusedError: there are none, they are unlike, or too small.
    """
    if not planes:
        raise RegistrationRefusedError(f"the {words.image} has no {words.planes}")
    shape = planes[0].shape
    if len(shape) != 2 or any(plane.shape != shape for plane in planes):
        raise RegistrationRefusedError(
            f"the {words.planes} of the {words.image} must be 2-D and alike, got "
            f"{shape}"
        )
    if any(plane.dtype.kind not in "uifb" for plane in planes):
        raise RegistrationRefusedError(
            f"the {words.pixels} of the {words.image} must be real numbers, got "
            f"{planes[0].dtype}"
        )
    height, width = int(shape[0]), int(shape[1])
    if min(height, width) < words.least:
        raise RegistrationRefusedError(
            f"the {words.image} has {width} x {height} {words.pixels}: at least "
            f"{words.least} a side are needed"
        )
    return height, width
