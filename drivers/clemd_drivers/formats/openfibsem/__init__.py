"""OpenFIBSEM images: TIFF with a JSON object in the description."""

from ._reader import DRIVER, OpenFibsemDriver

__all__ = ["DRIVER", "OpenFibsemDriver"]
