"""Thermo Fisher / FEI images: TIFF with tags 34680, 34682 or 34683."""

from ._reader import DRIVER, ThermoDriver

__all__ = ["DRIVER", "ThermoDriver"]
