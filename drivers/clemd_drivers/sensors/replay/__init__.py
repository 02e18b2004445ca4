"""A recorded temperature trace, played back at the speed it was recorded."""

from ._replay import DRIVER, ReplayDriver, ReplaySensor

__all__ = ["DRIVER", "ReplayDriver", "ReplaySensor"]
