"""MRC images and stacks, with the `.mdoc` of SerialEM beside them."""

from ._reader import DRIVER, MrcDriver

__all__ = ["DRIVER", "MrcDriver"]
