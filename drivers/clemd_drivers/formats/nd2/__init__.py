"""ND2: what Nikon NIS-Elements writes."""

from ._reader import DRIVER, Nd2Driver

__all__ = ["DRIVER", "Nd2Driver"]
