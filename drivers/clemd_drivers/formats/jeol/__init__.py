"""JEOL images: TIFF, BMP or JPEG with the text `<stem>.txt` beside them."""

from ._reader import DRIVER, JeolDriver

__all__ = ["DRIVER", "JeolDriver"]
