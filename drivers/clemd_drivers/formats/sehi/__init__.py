"""Energy series: many pages in one TIFF, each with its mirror voltage."""

from ._reader import DRIVER, EnergySeriesDriver

__all__ = ["DRIVER", "EnergySeriesDriver"]
