"""Hitachi images: TIFF, BMP or JPEG with the text `<stem>.txt` beside or inside."""

from ._reader import DRIVER, HitachiDriver

__all__ = ["DRIVER", "HitachiDriver"]
