"""A hyperspectral map laid on the brightfield image that guided it.

Per-band Sobel magnitudes are added up, weighted not below zero, to resemble the
guide's gradient on each level of a Gaussian pyramid; the levels, weighted again, make
one gradient image of either side, and an affine matrix lays one on the other.
"""

from ._cleaning import CleanCube, clean
from ._engine import GlobalGradientEngine
from ._refining import GradientPair, scale_of

__all__ = ["CleanCube", "GlobalGradientEngine", "GradientPair", "clean", "scale_of"]
