"""What the watching tests share: an export folder and an inventory of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clemd.watching import KnownFile, Look


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty export folder."""
    path = tmp_path / "export"
    path.mkdir()
    return path


@pytest.fixture
def remember() -> Callable[[Path], KnownFile]:
    """The inventory's row of a file as it is now, already handed to reading."""

    def remember(path: Path) -> KnownFile:
        look = Look.of(path.lstat())
        return KnownFile(look.size_bytes, look.modified_ns, look.inode, settled=True)

    return remember
