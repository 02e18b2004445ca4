"""OME-Zarr 0.4 and 0.5: an image that is a folder."""

from ._reader import DRIVER, OmeZarrDriver

__all__ = ["DRIVER", "OmeZarrDriver"]
