"""CZI: what Zeiss ZEN writes, from light and electron microscopes alike."""

from ._reader import DRIVER, CziDriver

__all__ = ["DRIVER", "CziDriver"]
