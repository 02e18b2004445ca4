"""Choose channels, mask what is not specimen, bring both images to one resolution."""

from ._channels import structure_channels
from ._masks import content_mask
from ._prepare import prepare, working_px

__all__ = ["content_mask", "prepare", "structure_channels", "working_px"]
