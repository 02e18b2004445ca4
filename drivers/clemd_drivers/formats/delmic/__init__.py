"""HDF5 of Odemis (Delmic SPARC, SECOM): scans, spectra, each an acquisition."""

from ._reader import DRIVER, DelmicDriver

__all__ = ["DRIVER", "DelmicDriver"]
