"""Olympus OIF (a text and a folder) and OIB (both in one file)."""

from ._reader import DRIVER, OifDriver

__all__ = ["DRIVER", "OifDriver"]
