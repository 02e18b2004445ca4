"""TESCAN images: tag 50431, or a text `<stem>-tif.hdr` beside the image."""

from ._reader import DRIVER, TescanDriver

__all__ = ["DRIVER", "TescanDriver"]
