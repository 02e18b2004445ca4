"""Reach a watched folder, and tell a folder that is empty from one that is away."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ._ignore import Ignore
from ._scan import Entry, RootAwayError, RootIdentity, identify, look_at, walk


class RootAccess(Protocol):
    """The three questions a watch asks of its root.

    Each raises `RootAwayError` where the root does not answer.
    """

    def identify(self) -> RootIdentity:
        """Which folder is there now?"""
        ...

    def walk(self, below: bytes = b"") -> Iterator[Entry]:
        """Everything under the root, or under its folder `below`."""
        ...

    def look(self, relatives: Iterable[bytes]) -> Iterator[tuple[bytes, Entry | None]]:
        """One look at each path; None: it is gone."""
        ...

    def close(self) -> None:
        """Let go of whatever is held."""
        ...


class LocalRoot:
    """A folder on a local disk, asked directly."""

    def __init__(self, path: Path, ignore: Ignore) -> None:
        self._root = os.fsencode(path)
        self._ignore = ignore

    def identify(self) -> RootIdentity:
        """See `RootAccess`."""
        return identify(self._root)

    def walk(self, below: bytes = b"") -> Iterator[Entry]:
        """See `RootAccess`."""
        return walk(self._root, self._ignore, below)

    def look(self, relatives: Iterable[bytes]) -> Iterator[tuple[bytes, Entry | None]]:
        """See `RootAccess`."""
        for relative in relatives:
            yield relative, look_at(self._root, relative)

    def close(self) -> None:
        """Nothing is held open: the disk can be unmounted at any time."""


class MountGuard:
    """Remembers which device the root was on: an empty mount point is not a root."""

    def __init__(self, count_known: Callable[[], int]) -> None:
        """`count_known`: files that the inventory knows here; asked if it matters."""
        self._count_known = count_known
        self._device: int | None = None

    def check(self, identity: RootIdentity) -> None:
        """Accept what is under the root's name now.

        Raises:
            RootAwayError: it is empty and another device than before, or empty at
                the first look although the inventory knows files here.
        """
        known = 0
        if identity.is_empty and self._device is None:
            known = self._count_known()
        if known:
            raise RootAwayError(
                f"the folder is empty although {known} files are known "
                "here: check that its disk or share is mounted"
            )
        if identity.is_empty and self._device not in {None, identity.device}:
            raise RootAwayError(
                "the folder is an empty mount point: mount its disk or share again"
            )
        self._device = identity.device
