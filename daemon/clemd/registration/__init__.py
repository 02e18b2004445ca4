"""How one image finds its place on the other; the only package that imports torch."""

import os

# Threads that spin while they wait starve every other program of a busy instrument PC
# (and each other: a second turned into minutes). Must be said before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from ._engine import Engine, EngineContext
from ._engines import engine_named, resolve_device
from ._limits import Limits
from ._nesting import Nested, find_nested

__all__ = [
    "Engine",
    "EngineContext",
    "Limits",
    "Nested",
    "engine_named",
    "find_nested",
    "resolve_device",
]
