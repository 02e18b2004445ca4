"""TIA series of images (SER), with the `.emi` that belongs to them."""

from ._reader import DRIVER, SerDriver

__all__ = ["DRIVER", "SerDriver"]
