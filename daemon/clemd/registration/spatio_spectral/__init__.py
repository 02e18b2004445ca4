"""Energy series on energy series: SIFT with spectra, then every band at once."""

from ._drift import drift_of
from ._engine import SpatioSpectralEngine

__all__ = ["SpatioSpectralEngine", "drift_of"]
