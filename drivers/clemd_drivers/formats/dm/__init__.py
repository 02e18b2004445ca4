"""Gatan DigitalMicrograph images: DM3 and DM4."""

from ._reader import DRIVER, DmDriver

__all__ = ["DRIVER", "DmDriver"]
