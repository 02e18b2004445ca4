"""How far a long registration has come, kept in a folder: stopped work goes on.

An engine that takes minutes (see `clemd.registration.mine`) leaves its state at its
breathing points. A worker that was stopped, killed or recycled finds it there.
"""

from __future__ import annotations

from pathlib import Path

from clemd.jobs import atomic_write

SUFFIX = ".checkpoint"
MOST = 8
"""Of work that never went on, the oldest leave first."""


class FolderCheckpoints:
    """One small file per piece of work that is under way."""

    def __init__(self, folder: Path) -> None:
        """`folder` is clemd's own; it is made when something is kept."""
        self._folder = folder

    def load(self, key: str) -> bytes | None:
        """What was left under `key`; None if nothing."""
        try:
            return self._file(key).read_bytes()
        except FileNotFoundError:
            return None

    def save(self, key: str, state: bytes) -> None:
        """Leave `state`; what was there is replaced whole or not at all.

        Raises:
            OSError: no room, or a failing disk; what was there is still there.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        atomic_write(self._file(key), state)
        kept = sorted(
            self._folder.glob(f"*{SUFFIX}"), key=lambda file: file.stat().st_mtime
        )
        for old in kept[:-MOST]:
            old.unlink(missing_ok=True)

    def drop(self, key: str) -> None:
        """The work is done."""
        self._file(key).unlink(missing_ok=True)

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"
