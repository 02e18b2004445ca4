"""The rounds on one root: full scan, hinted paths, files that are settling."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ._ignore import Ignore
from ._ledger import Ledger
from ._root import MountGuard, RootAccess
from ._scan import Entry, RootAwayError, RootIdentity
from ._settling import Hint, Settling

YIELD_EVERY = 500
"""Entries of a scan between two looks at the hints: some milliseconds."""


class Patrol:
    """Asks the root, tells the ledger. One thread; no waiting of its own."""

    def __init__(
        self,
        access: RootAccess,
        ledger: Ledger,
        settling: Settling,
        guard: MountGuard,
        ignore: Ignore,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float] = time.time,
        old_after_s: float | None,
    ) -> None:
        self._access = access
        self._ledger = ledger
        self._settling = settling
        self._guard = guard
        self._ignore = ignore
        self._clock = clock
        self._wall = wall
        self._old_after_s = old_after_s
        self._is_first = True

    def identify(self) -> RootIdentity:
        """Make sure that the root is there.

        Raises:
            RootAwayError: it is away; nothing in it has vanished.
        """
        identity = self._access.identify()
        self._guard.check(identity)
        return identity

    def note_away(self) -> None:
        """The root is away: what it holds when it is back was there before."""
        self._is_first = True

    def scan(
        self,
        *,
        on_new: Callable[[bytes], None] = lambda _: None,
        between: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Look at everything; True if the scan came to its end.

        Between some hundred entries `between` is called, and ends the scan with
        False. `on_new` hears of files that no hint had announced.

        Raises:
            RootAwayError: the root is away, or went away meanwhile.
        """
        before = self.identify()
        self._ledger.begin_scan()
        for count, entry in enumerate(self._access.walk(), start=1):
            if count % YIELD_EVERY == 0 and not between():
                return False
            if self._ledger.is_as_known(entry):
                continue
            if not entry.relative:
                raise RootAwayError(entry.problem)
            is_new = not entry.is_folder and entry.relative not in self._ledger
            if is_new and not self._is_first:
                on_new(entry.relative)
            self._see(entry, is_old=self._is_old(entry))
        self._look_for_missing(before)
        self._is_first = False
        return True

    def follow(self, hints: Mapping[bytes, Hint]) -> None:
        """Look at the paths that hints named, and into new folders.

        Raises:
            RootAwayError: the root is away.
        """
        wanted = {r: h for r, h in hints.items() if not self._ignore.hides_path(r)}
        for relative, entry in self._access.look(wanted):
            hint = wanted[relative]
            if entry is not None:
                self._see(entry, hint)
            else:
                self._ledger.see_gone(relative)
            if hint & Hint.FOLDER:
                for inner in self._access.walk(relative):
                    self._see(inner, wanted.get(inner.relative, Hint.NONE))

    def look_at_due(self) -> None:
        """Look at the files that are settling, as far as it is time.

        Raises:
            RootAwayError: the root is away.
        """
        due = self._settling.take_due(self._clock())
        try:
            for relative, entry in self._access.look(due):
                if entry is None:
                    self._ledger.see_gone(relative)
                elif entry.is_folder:
                    self._settling.postpone(relative, self._clock())
                else:
                    self._see(entry)
        except RootAwayError:
            for relative in due:
                self._settling.postpone(relative, self._clock())
            raise

    def _see(
        self, entry: Entry, hint: Hint = Hint.NONE, *, is_old: bool = False
    ) -> None:
        self._ledger.see(entry, now_s=self._clock(), hint=hint, is_old=is_old)

    def _is_old(self, entry: Entry) -> bool:
        # Only for what lay there before the watch began: a copy that keeps the time
        # of its original looks old from its first byte on.
        if self._old_after_s is None or not self._is_first:
            return False
        age_s = self._wall() - entry.look.modified_ns / 1e9
        return age_s >= self._old_after_s

    def _look_for_missing(self, before: RootIdentity) -> None:
        missing = []
        for relative in self._ledger.end_scan():
            # A walk never meets what the profile hides, so only here does a pattern
            # show that is new in the profile; the many known files need not be asked.
            if self._ignore.hides_path(relative):
                self._ledger.forget(relative)
            else:
                missing.append(relative)
        if not missing:
            return
        after = self.identify()
        if (after.device, after.inode) != (before.device, before.inode):
            raise RootAwayError("the folder was replaced during a scan")
        for relative, entry in self._access.look(missing):
            if entry is None:
                self._ledger.see_gone(relative)
            else:
                self._see(entry)
