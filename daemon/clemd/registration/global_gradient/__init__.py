"""A hyperspectral map laid on the brightfield image that guided it.

Per-band Sobel magnitudes are added up, weighted not below zero, to resemble the
guide's gradient on each level of a Gaussian pyramid; the levels, weighted again, make
one gradient image of either side, and an affine matrix lays one on the other.
"""

from ._engine import GlobalGradientEngine

__all__ = ["GlobalGradientEngine"]
