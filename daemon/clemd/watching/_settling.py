"""Decide when a file has stopped changing.

A microscope writes one image over seconds or minutes, and only some exporters say
"that was the last byte". Without such a promise a version has settled once several
looks over a quiet period all showed the same. With a promise (the writer closes the
file, or renames it into place) the hint and one more look that agrees are enough;
where the hint never comes, the quiet period decides.

Nothing here reads a clock or touches the disk: the caller brings both.
"""

from __future__ import annotations

import enum
import heapq
import math
from dataclasses import dataclass

from clemd.config import Ready

from ._look import Look

LOOKS = 3
"""Looks that must agree where nothing is promised."""
EMPTY_FACTOR = 10
"""An empty file is a name somebody claimed: so many quiet periods until it counts."""
RECHECK_S = 0.02
"""After a promised hint, the look that must agree comes this much later."""
CREATED_RECHECK_S = 0.06
"""As `RECHECK_S`, after "created": a slow writer in place looks the same at first."""


class Hint(enum.Flag):
    """What the kernel said about a path; several may have come together."""

    NONE = 0
    CREATED = enum.auto()
    """Made here, or renamed into the tree from outside."""
    CLOSED = enum.auto()
    """A writer closed it."""
    MOVED = enum.auto()
    """Renamed within the tree to this name."""
    FOLDER = enum.auto()
    """The path is a folder that appeared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, and for what."""

    settle_s: float
    ready: Ready = Ready.SETTLE
    trusts_inode: bool = True
    max_wait_s: float = 3600.0
    """No single wait of ours is longer."""

    @property
    def look_every_s(self) -> float:
        """Time between looks at a file that is settling."""
        return min(0.5, self.settle_s / 4)

    def recheck_s(self, hint: Hint, look: Look) -> float | None:
        """Seconds until the confirming look, or None where `hint` promises nothing."""
        if look.size_bytes == 0 or self.ready is Ready.SETTLE:
            return None
        if hint & Hint.MOVED or (self.ready is Ready.CLOSE and hint & Hint.CLOSED):
            return RECHECK_S
        if self.ready is Ready.RENAME and hint & Hint.CREATED:
            return CREATED_RECHECK_S
        return None


@dataclass(slots=True)
class _Waiting:
    look: Look
    since_s: float
    still_since_s: float
    looks: int = 1
    quick_at_s: float | None = None
    """A promised hint came: an agreeing look from then on is enough."""
    is_old: bool = False
    not_before_s: float | None = None
    """Reading sent this version back: offer it again then."""
    due_s: float = 0.0

    def restart(self, look: Look, now_s: float) -> None:
        self.look, self.still_since_s, self.looks = look, now_s, 1
        self.quick_at_s = self.not_before_s = None
        self.is_old = False


class Settling:
    """The files that are not complete yet."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._waiting: dict[bytes, _Waiting] = {}
        self._heap: list[tuple[float, bytes]] = []

    def observe(
        self,
        relative: bytes,
        look: Look,
        *,
        now_s: float,
        hint: Hint = Hint.NONE,
        is_old: bool = False,
    ) -> bool:
        """Note one look at `relative`; True if this version just settled.

        `is_old`: nobody has written to it for a quiet period already, by its own
        modification time; two looks are then enough.
        """
        waiting = self._waiting.get(relative)
        if waiting is None:
            waiting = _Waiting(look, now_s, now_s, is_old=is_old)
            self._waiting[relative] = waiting
        elif waiting.look.is_same_version(
            look, trusts_inode=self._patience.trusts_inode
        ):
            waiting.looks += 1
        else:
            waiting.restart(look, now_s)
        self._note_hint(waiting, hint, now_s)
        if self._is_settled(waiting, now_s):
            del self._waiting[relative]
            return True
        self._plan(relative, waiting, now_s)
        return False

    def wait_more(
        self, relative: bytes, look: Look, *, now_s: float, delay_s: float
    ) -> None:
        """Offer this version again after `delay_s`, or the next one as usual."""
        until_s = now_s + min(delay_s, self._patience.max_wait_s)
        waiting = _Waiting(look, now_s, now_s, not_before_s=until_s)
        self._waiting[relative] = waiting
        self._plan(relative, waiting, now_s)

    def forget(self, relative: bytes) -> None:
        """Drop `relative`, which is gone or is no file."""
        self._waiting.pop(relative, None)

    def take_due(self, now_s: float) -> list[bytes]:
        """The paths to look at now. Each must be observed or forgotten next."""
        due = []
        while self._heap and self._heap[0][0] <= now_s:
            due_s, relative = heapq.heappop(self._heap)
            waiting = self._waiting.get(relative)
            if waiting is not None and waiting.due_s == due_s:
                waiting.due_s = math.inf  # a twin on the heap does not count
                due.append(relative)
        return due

    def postpone(self, relative: bytes, now_s: float) -> None:
        """Plan the next look for a path that could not be looked at."""
        waiting = self._waiting.get(relative)
        if waiting is not None:
            self._plan(relative, waiting, now_s)

    @property
    def next_due_s(self) -> float | None:
        """When to look next, on the caller's clock."""
        while self._heap:
            due_s, relative = self._heap[0]
            waiting = self._waiting.get(relative)
            if waiting is not None and waiting.due_s == due_s:
                return due_s
            heapq.heappop(self._heap)
        return None

    @property
    def oldest_since_s(self) -> float | None:
        """Since when the longest-waiting file waits; None: none does."""
        first = next(iter(self._waiting.values()), None)  # in the order of arrival
        return None if first is None else first.since_s

    def __len__(self) -> int:
        return len(self._waiting)

    def _note_hint(self, waiting: _Waiting, hint: Hint, now_s: float) -> None:
        recheck_s = self._patience.recheck_s(hint, waiting.look)
        if recheck_s is None:
            return
        waiting.quick_at_s = now_s + recheck_s
        waiting.not_before_s = None

    def _is_settled(self, waiting: _Waiting, now_s: float) -> bool:
        # A look that showed a change has just restarted every one of these waits, so
        # none of them can be over at the first look at a version.
        if waiting.not_before_s is not None:
            return now_s >= waiting.not_before_s
        if waiting.quick_at_s is not None:
            return now_s >= waiting.quick_at_s
        if waiting.is_old and waiting.look.size_bytes:
            return now_s >= waiting.still_since_s + RECHECK_S
        return waiting.looks >= LOOKS and now_s >= self._still_until_s(waiting)

    def _still_until_s(self, waiting: _Waiting) -> float:
        quiet_s = self._patience.settle_s
        if waiting.look.size_bytes == 0:
            # max() last: the cap may shorten the long wait, never the quiet period.
            quiet_s = max(
                quiet_s, min(quiet_s * EMPTY_FACTOR, self._patience.max_wait_s)
            )
        return waiting.still_since_s + quiet_s

    def _plan(self, relative: bytes, waiting: _Waiting, now_s: float) -> None:
        due_s = now_s + self._patience.look_every_s
        if waiting.not_before_s is not None:
            wished = waiting.not_before_s
        elif waiting.quick_at_s is not None:
            wished = waiting.quick_at_s
        else:
            wished = self._still_until_s(waiting)
        waiting.due_s = min(due_s, wished) if wished > now_s else due_s
        heapq.heappush(self._heap, (waiting.due_s, relative))
