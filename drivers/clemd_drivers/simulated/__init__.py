"""Simulated microscopes that write real vendor files, and the truth about them.

`SIMULATOR` starts them in a process of their own. `render_pair` gives one pair of
images with its true transform, `render_series` energy series of one specimen at several
fields of view, for tests and benchmarks; they are loaded on first use, because the
daemon's supervisor imports this package and must stay slim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._simulator import SIMULATOR

if TYPE_CHECKING:
    from ._energy_tiff import encode_series, write_series, write_series_truth
    from ._pair import SimulatedPair, render_pair
    from ._series import EnergySeries, em_to_lm, render_series

__all__ = [
    "SIMULATOR",
    "EnergySeries",
    "SimulatedPair",
    "em_to_lm",
    "encode_series",
    "render_pair",
    "render_series",
    "write_series",
    "write_series_truth",
]

_SERIES = {"EnergySeries", "em_to_lm", "render_series"}
_SERIES_FILES = {"encode_series", "write_series", "write_series_truth"}


def __getattr__(name: str) -> Any:
    if name in {"SimulatedPair", "render_pair"}:
        from . import _pair

        return getattr(_pair, name)
    if name in _SERIES:
        from . import _series

        return getattr(_series, name)
    if name in _SERIES_FILES:
        from . import _energy_tiff

        return getattr(_energy_tiff, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
