"""LIF: the projects that Leica LAS X and LAS AF write."""

from ._reader import DRIVER, LifDriver

__all__ = ["DRIVER", "LifDriver"]
