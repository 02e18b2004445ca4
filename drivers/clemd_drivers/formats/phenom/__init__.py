"""Phenom desktop images: XML in tag 34683 of a TIFF, or appended to a JPEG."""

from ._reader import DRIVER, PhenomDriver

__all__ = ["DRIVER", "PhenomDriver"]
