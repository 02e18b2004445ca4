"""The engine `mine` meets the contract that every engine inherits, and keeps its own."""

from __future__ import annotations

import pytest

from clemd.registration import Engine, engine_named
from clemd.testing import EngineSuite


@pytest.mark.slow
class TestMine(EngineSuite):
    """As the daemon makes it."""

    def make_engine(self) -> Engine:
        """The engine by its name."""
        return engine_named("mine")
