"""OME-TIFF: TIFF whose first description is OME-XML."""

from ._reader import DRIVER, OmeTiffDriver

__all__ = ["DRIVER", "OmeTiffDriver"]
