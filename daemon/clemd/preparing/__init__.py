"""Choose channels, mask what is not specimen, bring both images to one resolution."""

from ._bands import prepare_cube, prepare_series
from ._channels import structure_channels
from ._masks import content_mask
from ._prepare import prepare, working_px
from ._spots import Spot, find_spots

__all__ = [
    "Spot",
    "content_mask",
    "find_spots",
    "prepare",
    "prepare_cube",
    "prepare_series",
    "structure_channels",
    "working_px",
]
