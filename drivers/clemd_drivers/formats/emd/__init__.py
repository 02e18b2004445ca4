"""EMD files of Velox (HDF5); needs the extra `emd`."""

from ._reader import DRIVER, EmdDriver

__all__ = ["DRIVER", "EmdDriver"]
