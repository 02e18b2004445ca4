"""Registration by a neural estimate of mutual information (MINE).

Written anew after the papers: DRMIME (arXiv:2001.09865), and TFUDL-CLEM, which is the
same procedure run longer. A small network learns to tell pairs of grey values that
belong together from pairs that were shuffled; how well it can is a lower bound of the
mutual information, and the pose climbs that bound.

pose       a matrix exponential of a few generators (`_pose`)
sampling   which pixels of which pyramid level take part (`_sampling`)
estimate   the bound, plain or stabilised (`_estimate`)
climb      network and pose, one step at a time (`_climb`)
learning   until pixels that were held out gain no more; may be broken off (`_learning`)
settling   the last fraction of a pixel, with the network left as it is (`_settling`)
engine     start, learn, settle, have it judged (`_engine`)

The benchmark's arms are the same parts with the published settings.
"""

from ._climb import Climb, Rates, Settings
from ._engine import MineEngine
from ._estimate import PLAIN, STABLE, Estimate
from ._image_pair import ImagePair, image_pair, measured_ratio
from ._memory import Networks
from ._pose import EIGHT, SIX
from ._sampling import (
    PUBLISHED,
    Level,
    Plane,
    Sampling,
    edge_pixels,
    levels_of,
    unit_from_px,
)

__all__ = [
    "EIGHT",
    "PLAIN",
    "PUBLISHED",
    "SIX",
    "STABLE",
    "Climb",
    "Estimate",
    "ImagePair",
    "Level",
    "MineEngine",
    "Networks",
    "Plane",
    "Rates",
    "Sampling",
    "Settings",
    "edge_pixels",
    "image_pair",
    "levels_of",
    "measured_ratio",
    "unit_from_px",
]
