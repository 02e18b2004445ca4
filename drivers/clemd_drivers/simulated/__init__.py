"""Simulated microscopes that write real vendor files, and the truth about them.

`SIMULATOR` starts them in a process of their own. `render_pair` gives one pair of
images with its true transform, for tests and benchmarks; it is loaded on first use,
because the daemon's supervisor imports this package and must stay slim.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._simulator import SIMULATOR

if TYPE_CHECKING:
    from ._pair import SimulatedPair, render_pair

__all__ = ["SIMULATOR", "SimulatedPair", "render_pair"]


def __getattr__(name: str) -> Any:
    if name in {"SimulatedPair", "render_pair"}:
        from . import _pair

        return getattr(_pair, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
