"""Renishaw WiRE: maps of spectra, and the white-light image they were planned on."""

from ._reader import DRIVER, WdfDriver

__all__ = ["DRIVER", "WdfDriver"]
