"""Compare what is seen with what is known, and say what is new, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ._events import ClosedAgain, Event, Noticed, Odd, Settled, Vanished
from ._look import KnownFile, Look
from ._scan import Entry
from ._settling import Hint, Settling

CLOSED_AGAIN_S = 0.5
"""A writer that closes a known version may be about to put its time back."""
CLOSED_REST_S = 30.0
"""One that closes the same file over and over has it read again no more often."""


@dataclass(slots=True)
class _Record:
    look: Look
    is_done: bool = False
    """Nothing is left to say about this version."""
    was_handed: bool = False
    """This version has been settled at least once."""
    is_changed: bool = False
    """An earlier version of the name has been settled."""
    is_unseen: bool = False
    """The inventory knows the name; here it is still to be looked at."""
    is_closed_again: bool = False
    """A writer has closed the version that was handed over; it is about to be told."""
    rests_until_s: float = 0.0
    """No close of the same version is told before."""
    scan: int = 0
    """The last scan that saw it, or during which it was looked at."""

    def move_on(self, look: Look) -> None:
        self.is_changed = self.is_changed or self.was_handed
        self.look, self.is_done, self.was_handed = look, False, False
        self.is_closed_again = False


@dataclass(frozen=True, slots=True)
class _Oddity:
    problem: str
    inode: int
    scan: int

    def is_news_after(self, before: _Oddity | None) -> bool:
        return before is None or (before.problem, before.inode) != (
            self.problem,
            self.inode,
        )


class Ledger:
    """Every file of one root, as last seen.

    Events are emitted as they are found; nothing is emitted twice for one version,
    unless reading asks for it with `wait_more`.

    What the inventory knows as settled stays as the inventory told it (`_quiet`) until
    something happens to it: of 100,000 files of past nights hardly one ever changes,
    and a start should not be spent on them.
    """

    def __init__(
        self,
        root: str,
        known: Mapping[bytes, KnownFile],
        settling: Settling,
        emit: Callable[[Event], None],
        *,
        trusts_inode: bool = True,
    ) -> None:
        self._root = root
        self._settling = settling
        self._emit = emit
        self._trusts_inode = trusts_inode
        self._scan = 0
        self._quiet = {r: file for r, file in known.items() if file.settled}
        self._seen: set[bytes] = set()
        """The quiet ones that this scan has met."""
        self._records = {
            relative: _Record(file.look, is_unseen=True)
            for relative, file in known.items()
            if not file.settled
        }
        self._odd: dict[bytes, _Oddity] = {}
        self._closed: dict[bytes, _Oddity] = {}
        self._past: set[bytes] = set()
        """Names that were settled and have vanished since."""

    def __len__(self) -> int:
        return len(self._quiet) + len(self._records)

    def __contains__(self, relative: bytes) -> bool:
        return any(relative in of for of in (self._quiet, self._records, self._odd))

    def begin_scan(self) -> None:
        """From here on, what is not seen is missing."""
        self._scan += 1
        self._seen.clear()

    def is_as_known(self, entry: Entry) -> bool:
        """Is it a file that nothing is left to say about, and that has not changed?

        The short way for the many files that a scan meets again and again.
        """
        relative, look, problem, is_folder = entry
        if problem or is_folder:
            return False
        file = self._quiet.get(relative)
        if file is not None:
            if not file.look.is_same_version(look, trusts_inode=self._trusts_inode):
                return False
            self._seen.add(relative)
            return True
        record = self._records.get(relative)
        if record is None or not record.is_done or record.is_unseen:
            return False
        if not self._is_same(record, look):
            return False
        record.scan = self._scan
        return True

    def see(
        self,
        entry: Entry,
        *,
        now_s: float,
        hint: Hint = Hint.NONE,
        is_old: bool = False,
    ) -> None:
        """Take one entry of a walk, or one look, into account."""
        if entry.is_folder:
            self._see_closed_folder(entry)
        elif entry.problem:
            self._see_odd(entry)
        else:
            self._see_file(entry, now_s, hint, is_old)

    def see_gone(self, relative: bytes) -> None:
        """A path was looked for and is not there, although its root is."""
        if self.forget(relative):
            self._emit(Vanished(self._root, relative))

    def wait_more(
        self, relative: bytes, look: Look, *, now_s: float, delay_s: float
    ) -> None:
        """Offer a settled version again; a version that has moved on is left alone."""
        record = self._record_of(relative)
        if record is not None and record.is_done and self._is_same(record, look):
            record.is_done = False
            self._settling.wait_more(relative, look, now_s=now_s, delay_s=delay_s)

    def forget(self, relative: bytes) -> bool:
        """Say nothing more about this name; True if there was something to say."""
        is_odd = self._odd.pop(relative, None) is not None
        return self._drop(relative) or is_odd

    def end_scan(self) -> list[bytes]:
        """The paths that this scan should have met and did not; some may be gone.

        What lies in a folder that could not be listed is not among them.
        """
        self._closed = {
            folder: closed
            for folder, closed in self._closed.items()
            if closed.scan == self._scan
        }
        missing = [r for r in self._quiet if r not in self._seen]
        missing += [r for r, rec in self._records.items() if rec.scan < self._scan]
        missing += [r for r, odd in self._odd.items() if odd.scan < self._scan]
        if self._closed:
            missing = [r for r in missing if not self._is_in_closed_folder(r)]
        return missing

    def _see_file(self, entry: Entry, now_s: float, hint: Hint, is_old: bool) -> None:
        relative, look = entry.relative, entry.look
        record = self._record_of(relative)
        if record is None or record.is_done or record.is_unseen:
            record = self._open_record(relative, look, record)
        elif not self._is_same(record, look):
            # A file that grows changes at every look: that was said once already,
            # unless reading had this version and sent it back.
            if record.was_handed:
                self._emit(Noticed(self._root, relative, look))
            record.move_on(look)
        record.scan = self._scan
        if record.is_done:
            if hint & Hint.CLOSED:
                self._doubt(relative, record, now_s)
            return
        if record.is_closed_again:
            hint = Hint.NONE  # more of the same: it is told when its time has come
        if self._settling.observe(
            relative, look, now_s=now_s, hint=hint, is_old=is_old
        ):
            self._settle(relative, record, now_s)

    def _doubt(self, relative: bytes, record: _Record, now_s: float) -> None:
        """Somebody wrote, or could have, and yet size, time and inode are as before."""
        record.is_done, record.is_closed_again = False, True
        delay_s = max(CLOSED_AGAIN_S, record.rests_until_s - now_s)
        self._settling.wait_more(relative, record.look, now_s=now_s, delay_s=delay_s)

    def _settle(self, relative: bytes, record: _Record, now_s: float) -> None:
        record.is_done = record.was_handed = True
        look = record.look
        if record.is_closed_again:
            record.is_closed_again = False
            record.rests_until_s = now_s + CLOSED_REST_S
            self._emit(ClosedAgain(self._root, relative, look))
        else:
            self._emit(Settled(self._root, relative, look, record.is_changed))

    def _open_record(
        self, relative: bytes, look: Look, record: _Record | None
    ) -> _Record:
        """The record of a version that has just been met, or of one long settled."""
        if record is None:
            self._odd.pop(relative, None)
            record = _Record(look, is_changed=relative in self._past)
            self._records[relative] = record
        elif not self._is_same(record, look):
            record.move_on(look)
        elif record.is_done:
            return record
        record.is_unseen = False
        self._emit(Noticed(self._root, relative, look))
        return record

    def _see_odd(self, entry: Entry) -> None:
        self._drop(entry.relative)
        odd = _Oddity(entry.problem, entry.look.inode, self._scan)
        is_news = odd.is_news_after(self._odd.get(entry.relative))
        self._odd[entry.relative] = odd
        if is_news:
            self._emit(Odd(self._root, entry.relative, entry.problem))

    def _see_closed_folder(self, entry: Entry) -> None:
        closed = _Oddity(entry.problem, 0, self._scan)
        is_news = closed.is_news_after(self._closed.get(entry.relative))
        self._closed[entry.relative] = closed
        if is_news:
            self._emit(Odd(self._root, entry.relative, entry.problem))

    def _record_of(self, relative: bytes) -> _Record | None:
        """What is held about a file; a quiet one gets a record of its own."""
        file = self._quiet.pop(relative, None)
        if file is not None:
            scan = self._scan if relative in self._seen else 0
            self._records[relative] = _Record(
                file.look, is_done=True, was_handed=True, scan=scan
            )
        return self._records.get(relative)

    def _drop(self, relative: bytes) -> bool:
        """Forget a file; True if there was one."""
        self._settling.forget(relative)
        record = self._record_of(relative)
        self._records.pop(relative, None)
        if record is not None and (record.was_handed or record.is_changed):
            self._past.add(relative)
        return record is not None

    def _is_same(self, record: _Record, look: Look) -> bool:
        return record.look.is_same_version(look, trusts_inode=self._trusts_inode)

    def _is_in_closed_folder(self, relative: bytes) -> bool:
        return any(folder in self._closed for folder in _folders_above(relative))


def _folders_above(relative: bytes) -> Iterator[bytes]:
    end = relative.rfind(b"/")
    while end > 0:
        yield relative[:end]
        end = relative.rfind(b"/", 0, end)
