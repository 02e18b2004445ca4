"""ENVI cubes: samples as plain numbers, and a text beside them that says which."""

from ._reader import DRIVER, EnviDriver

__all__ = ["DRIVER", "EnviDriver"]
