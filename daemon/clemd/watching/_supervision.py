"""Keep the hints running, and say honestly when they are not."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from pathlib import Path

from clemd.config import RootKind

from ._hints import HintSource
from ._settling import Hint

LOG = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 60.0
UNHEARD_S = 2.0
"""A new file that the scan found may be announced this much later."""
MISSED_S = 60.0
"""Hints that missed a file count as degraded for so long."""

_REASONS = {
    errno.ENOSPC: "no inotify watch left: raise fs.inotify.max_user_watches",
    errno.EMFILE: "no inotify instance left: raise fs.inotify.max_user_instances",
}


class HintSupervisor:
    """Starts hints when the root is there, and again when a thread has died."""

    def __init__(self, root: Path, kind: RootKind, wake: Callable[[], None]) -> None:
        self._root = root
        self._wake = wake
        self._is_wanted = kind is RootKind.LOCAL
        self._source: HintSource | None = None
        self._why = ""
        self._retry_at_s = 0.0
        self._retry_s = FIRST_RETRY_S
        self._unheard: dict[bytes, float] = {}
        self._missed = 0
        self._missed_until_s = 0.0

    @property
    def state(self) -> str:
        """`inotify`, `polling`, or `degraded: ...`."""
        if not self._is_wanted:
            return "polling"
        if self._why:
            return f"degraded: {self._why}"
        if self._source is None:
            return "polling"
        if self._missed:
            return (
                "degraded: new files were not announced; "
                "if this goes on, raise fs.inotify.max_user_watches"
            )
        return "inotify"

    @property
    def is_healthy(self) -> bool:
        """May the scan take its time?"""
        return self._source is not None and self.state == "inotify"

    def attend(self, now_s: float) -> None:
        """Start what should run, notice what has died. Call every second or two."""
        if not self._is_wanted:
            return
        if self._source is not None:
            failure = self._source.failure
            if failure:
                self._give_up(failure, now_s)
        elif now_s >= self._retry_at_s:
            self._try_to_start(now_s)
        self._count_missed(now_s)

    def take(self) -> tuple[dict[bytes, Hint], bool]:
        """Hints by path since the last call, and whether some were lost."""
        if self._source is None:
            return {}, False
        hints, lost = self._source.handler.take()
        for relative in hints:
            self._unheard.pop(relative, None)
        return hints, lost

    def note_found(self, relative: bytes, now_s: float) -> None:
        """The scan met a new file first; its hint should be on the way."""
        if self._source is not None:
            self._unheard[relative] = now_s + UNHEARD_S

    def restart(self) -> None:
        """Let go of a root that is away or was replaced; `attend` starts afresh."""
        if self._source is not None:
            self._source.stop()
        self._source = None
        self._unheard.clear()
        self._retry_at_s, self._retry_s = 0.0, FIRST_RETRY_S

    def stop(self) -> None:
        """Stop for good."""
        self.restart()
        self._is_wanted = False

    def _try_to_start(self, now_s: float) -> None:
        try:
            self._source = HintSource(self._root, self._wake)
        except OSError as failed:
            known = _REASONS.get(failed.errno or 0)
            self._give_up(known or f"hints cannot start: {failed.strerror}", now_s)
            return
        if self._why:
            LOG.info("hints_restarted root=%s", self._root)
        self._why, self._retry_s = "", FIRST_RETRY_S

    def _give_up(self, why: str, now_s: float) -> None:
        LOG.warning("hints_degraded root=%s reason=%s", self._root, why)
        retry_s = self._retry_s
        self.restart()
        self._why = why
        self._retry_at_s = now_s + retry_s
        self._retry_s = min(retry_s * 2, LAST_RETRY_S)

    def _count_missed(self, now_s: float) -> None:
        overdue = [r for r, until_s in self._unheard.items() if now_s >= until_s]
        for relative in overdue:
            del self._unheard[relative]
        if overdue:
            if not self._missed:
                LOG.warning("hints_missed root=%s files=%s", self._root, len(overdue))
            self._missed += len(overdue)
            self._missed_until_s = now_s + MISSED_S
        elif self._missed and now_s >= self._missed_until_s:
            self._missed = 0
