"""How one image finds its place on the other; the only package that imports torch."""

from ._engine import Engine, EngineContext
from ._engines import engine_named, resolve_device

__all__ = ["Engine", "EngineContext", "engine_named", "resolve_device"]
