"""Zeiss SmartSEM images: TIFF with tag 34118."""

from ._reader import DRIVER, ZeissDriver

__all__ = ["DRIVER", "ZeissDriver"]
