"""Watch one export folder: a thread that scans, follows hints and reports."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from clemd.config import RootKind, RootSettings

from ._events import Event, RootChanged, RootStatus
from ._ignore import Ignore
from ._ledger import Ledger
from ._look import KnownFile, Look
from ._patrol import Patrol
from ._root import LocalRoot, MountGuard, RootAccess
from ._scan import RootAwayError, RootIdentity
from ._settling import Patience, Settling
from ._share import ShareRoot
from ._supervision import HintSupervisor

LOG = logging.getLogger(__name__)

ATTEND_S = 2.0
"""Dead hint threads are noticed within this time."""
SHARE_SETTLE_S = 3.0
"""Mounts cache attributes: a shorter quiet time would compare a look with itself."""
REST_PER_SCAN = 100.0
"""Rest after a scan, in durations of that scan, while hints work..."""
REST_PER_SCAN_ALONE = 4.0
"""...and while the scan is all there is."""
LONGEST_REST_S = 30.0
"""Unless the profile asks for a longer one."""


class FolderWatch:
    """Reports every version of every file under one root, once, when it is complete.

    `known` is the inventory: a settled file that has not changed since gives no
    event; anything else does, whatever its age. `on_event` is called from the watch's
    own thread; what it raises is logged and changes nothing.
    """

    def __init__(
        self,
        settings: RootSettings,
        known: Mapping[bytes, KnownFile],
        on_event: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        settle_max_wait_s: float = 3600.0,
        share_settle_floor_s: float = SHARE_SETTLE_S,
        access: RootAccess | None = None,
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._clock = clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._requests: deque[Callable[[], None]] = deque()

        is_share = settings.kind is RootKind.SHARE
        ignore = Ignore(settings.ignore)
        settle_s = settings.settle_s
        self._settling = Settling(
            Patience(
                settle_s=max(settle_s, share_settle_floor_s) if is_share else settle_s,
                ready=settings.ready,
                trusts_inode=not is_share,
                max_wait_s=settle_max_wait_s,
            )
        )
        self._ledger = Ledger(
            settings.name,
            known,
            self._settling,
            self._tell,
            trusts_inode=not is_share,
        )
        if access is None and is_share:
            access = ShareRoot(settings.path, ignore, is_stopping=self._stopping.is_set)
        self._access = access or LocalRoot(settings.path, ignore)
        self._patrol = Patrol(
            self._access,
            self._ledger,
            self._settling,
            MountGuard(lambda: sum(not ignore.hides_path(r) for r in known)),
            ignore,
            clock=clock,
            wall=wall,
            # A server's clock is not ours: there every file takes the quiet time.
            old_after_s=None if is_share else settle_s,
        )
        self._hints = HintSupervisor(settings.path, settings.kind, self._wake.set)
        self._identity: RootIdentity | None = None
        self._away = "not looked at yet"
        self._next_scan_s = 0.0
        self._last_scan_s: float | None = None
        self._scan_ended_s: float | None = None
        self._told: tuple[bool, str, str] | None = None
        self._summary: tuple[int, float | None] = (len(known), None)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._next_scan_s = self._clock()
        self._thread = threading.Thread(
            target=self._run, name=f"watch-{self._settings.name}", daemon=True
        )
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the thread and give everything back; no event comes afterwards."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                LOG.warning("watch_does_not_stop root=%s", self._settings.name)

    def wait_more(self, relative: bytes, look: Look, delay_s: float) -> None:
        """Reading found this version incomplete: offer it again.

        That is when it changes, or after `delay_s` as it is.
        """
        self._request(
            lambda: self._ledger.wait_more(
                relative, look, now_s=self._clock(), delay_s=delay_s
            )
        )

    def rescan(self) -> None:
        """Scan everything now."""
        self._request(self._plan_scan_now)

    @property
    def status(self) -> RootStatus:
        """How the root is doing, from any thread."""
        files, oldest_since_s = self._summary
        now_s = self._clock()
        ended_s = self._scan_ended_s
        return RootStatus(
            root=self._settings.name,
            present=not self._away,
            files=files,
            reason=self._away,
            hints=self._describe_hints(),
            last_scan_s=self._last_scan_s,
            oldest_waiting_s=None if oldest_since_s is None else now_s - oldest_since_s,
            scan_age_s=None if ended_s is None else now_s - ended_s,
        )

    def _describe_hints(self) -> str:
        if self._away and self._settings.kind is RootKind.SHARE:
            return "degraded: polling gets no answer"
        return self._hints.state

    def _request(self, request: Callable[[], None]) -> None:
        self._requests.append(request)
        self._wake.set()

    def _plan_scan_now(self) -> None:
        self._next_scan_s = self._clock()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                self._take_turn()
                self._wake.wait(self._idle_s())
        finally:
            self._hints.stop()
            self._access.close()

    def _take_turn(self) -> None:
        try:
            self._serve_requests()
            if not self._away:
                self._hints.attend(self._clock())
                self._follow_hints()
                self._patrol.look_at_due()
            if self._clock() >= self._next_scan_s:
                self._scan()
        except RootAwayError as away:
            self._note_away(away.reason)
        except Exception:
            # Whatever it was, the next scan finds everything that this turn missed.
            LOG.exception("watch_turn_failed root=%s", self._settings.name)
            self._next_scan_s = self._clock() + self._settings.poll_s
        self._summary = (len(self._ledger), self._settling.oldest_since_s)
        self._tell_status()

    def _serve_requests(self) -> None:
        while self._requests:
            self._requests.popleft()()

    def _follow_hints(self) -> None:
        hints, lost = self._hints.take()
        if lost:
            self._plan_scan_now()
        if hints:
            self._patrol.follow(hints)

    def _scan(self) -> None:
        identity = self._patrol.identify()
        started_s = self._clock()  # from here: starting a child is not scanning
        if self._is_replaced(identity):
            # Hints first, then the scan: nothing can fall between the two.
            self._hints.restart()
            self._hints.attend(started_s)
        self._identity = identity
        self._away = ""
        if not self._patrol.scan(on_new=self._note_unannounced, between=self._breathe):
            return
        self._scan_ended_s = self._clock()
        self._last_scan_s = self._scan_ended_s - started_s
        self._next_scan_s = self._scan_ended_s + self._rest_s(self._last_scan_s)

    def _is_replaced(self, identity: RootIdentity) -> bool:
        """Watches stay with the old folder when another has taken its name."""
        before = self._identity
        return before is None or (before.device, before.inode) != (
            identity.device,
            identity.inode,
        )

    def _breathe(self) -> bool:
        # A share's child answers one question at a time, and it is still on the scan.
        if self._settings.kind is RootKind.LOCAL:
            self._follow_hints()
            self._patrol.look_at_due()
        return not self._stopping.is_set()

    def _rest_s(self, scan_s: float) -> float:
        times = REST_PER_SCAN if self._hints.is_healthy else REST_PER_SCAN_ALONE
        return max(self._settings.poll_s, min(scan_s * times, LONGEST_REST_S))

    def _note_unannounced(self, relative: bytes) -> None:
        self._hints.note_found(relative, self._clock())

    def _note_away(self, reason: str) -> None:
        if not self._away:
            LOG.warning("root_away root=%s reason=%s", self._settings.name, reason)
        self._away = reason
        self._identity = None
        self._patrol.note_away()
        self._hints.restart()
        self._next_scan_s = self._clock() + self._settings.poll_s

    def _idle_s(self) -> float:
        """Until the next thing to do; a hint or a request ends the wait."""
        next_s = min(self._next_scan_s, self._clock() + ATTEND_S)
        due_s = self._settling.next_due_s
        if due_s is not None and not self._away:
            next_s = min(next_s, due_s)
        return max(0.0, next_s - self._clock())

    def _tell_status(self) -> None:
        status = self.status
        now = (status.present, status.reason, status.hints)
        if now != self._told:
            self._told = now
            self._tell(RootChanged(status))

    def _tell(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            LOG.exception("event_handler_failed root=%s", self._settings.name)
