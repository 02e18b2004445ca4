"""Energy series on energy series: SIFT with spectra, then every band at once."""

from ._engine import SpatioSpectralEngine

__all__ = ["SpatioSpectralEngine"]
