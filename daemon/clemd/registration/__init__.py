"""How one image finds its place on the other; the only package that imports torch."""

import os

# Threads that spin while they wait starve every other program of a busy instrument PC
# (and each other: a second turned into minutes). Must be said before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from ._engine import Checkpoints, Engine, EngineContext
from ._engines import bands_for, engine_named, resolve_device
from ._identities import noting
from ._known import check_known_answer
from ._lanes import use_threads
from ._limits import Limits, breathing_within
from ._nesting import Nested, find_nested
from ._rechecking import recheck
from ._spectral import Bands, CubeEngine

# Threads share pieces of work that are their own, never the single step (decision 7).
torch.set_num_threads(1)

__all__ = [
    "Bands",
    "Checkpoints",
    "CubeEngine",
    "Engine",
    "EngineContext",
    "Limits",
    "Nested",
    "bands_for",
    "breathing_within",
    "check_known_answer",
    "engine_named",
    "find_nested",
    "noting",
    "recheck",
    "resolve_device",
    "use_threads",
]
