"""The contract of an engine whose EM image is a cube of spectra."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from clemd.model import PreparedImage


@runtime_checkable
class SpectralEngine(Protocol):
    """An `Engine` that takes `PreparedImage`s with a spectral axis."""

    def as_seen(self, em: PreparedImage) -> PreparedImage:
        """The cube as the few images on which its answer is checked.

        Raises:
            RegistrationRefusedError: it is no cube that can be worked on.
        """
        ...
