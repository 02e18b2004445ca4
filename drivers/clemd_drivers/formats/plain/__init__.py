"""Images without metadata that we read: TIFF, PNG, JPEG and BMP."""

from ._reader import DRIVER, PlainDriver

__all__ = ["DRIVER", "PlainDriver"]
