"""The default engine meets the contract that every engine inherits."""

from __future__ import annotations

from clemd.registration import Engine, engine_named
from clemd.testing import EngineSuite


class TestMultimodal(EngineSuite):
    """`multimodal` is what `auto` chooses."""

    def make_engine(self) -> Engine:
        """The engine as the daemon makes it."""
        return engine_named("auto")
