"""Energy series on energy series: SIFT with spectra, then every band at once."""

from ._coarse import Seen, look, paired
from ._cube import Cube, chosen_grey, cube_of, entropies, smoothed
from ._drift import drift_of
from ._engine import SpatioSpectralEngine
from ._features import Features, spectra_at, spectral_descriptors, tile_px

__all__ = [
    "Cube",
    "Features",
    "Seen",
    "SpatioSpectralEngine",
    "chosen_grey",
    "cube_of",
    "drift_of",
    "entropies",
    "look",
    "paired",
    "smoothed",
    "spectra_at",
    "spectral_descriptors",
    "tile_px",
]
