"""OIR: what Olympus and Evident FluoView write; read with the extra `oir`."""

from ._reader import DRIVER, OirDriver

__all__ = ["DRIVER", "OirDriver"]
