"""Engines that read spectra: what they are given, and how their answer is seen."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from clemd.model import PreparedImage

from ._engine import Engine


class Bands(StrEnum):
    """Of which images an engine is given every band, as it was measured."""

    NEITHER = "neither"
    """Both come as pictures of their structure."""
    EM = "em"
    """A cube on a picture; the engine is a `CubeEngine`."""
    BOTH = "both"
    """A series on a series of the same axis."""


class CubeEngine(Engine, Protocol):
    """Lays a cube of spectra on a picture."""

    def as_seen(self, em: PreparedImage) -> PreparedImage:
        """The cube as the few images on which its answer is checked.

        Raises:
            RegistrationRefusedError: it is no cube that can be worked on.
        """
        ...
