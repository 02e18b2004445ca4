"""Real folders, a clock that stands still: every version is told once."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from clemd.config import Ready
from clemd.watching import (
    ClosedAgain,
    Event,
    KnownFile,
    Noticed,
    Odd,
    Settled,
    Vanished,
)
from clemd.watching._ignore import Ignore
from clemd.watching._ledger import Ledger
from clemd.watching._look import Look
from clemd.watching._patrol import Patrol
from clemd.watching._root import LocalRoot, MountGuard, RootAccess
from clemd.watching._scan import DEPTH_LIMIT, Entry, RootAwayError, RootIdentity
from clemd.watching._settling import Hint, Patience, Settling

E = TypeVar("E")
Remember = Callable[[Path], KnownFile]


class Told(list[Event]):
    """The events in their order."""

    def of(self, kind: type[E]) -> list[E]:
        """Those of one kind."""
        return [event for event in self if isinstance(event, kind)]

    def names(self, kind: type[Event]) -> list[bytes]:
        """The names in the events of one kind."""
        return [getattr(event, "relative", b"") for event in self.of(kind)]


class Rounds:
    """A patrol on a real folder whose clock stands until a test moves it."""

    def __init__(
        self,
        root: Path,
        known: Mapping[bytes, KnownFile] | None = None,
        *,
        ready: Ready = Ready.SETTLE,
        access: RootAccess | None = None,
        trusts_inode: bool = True,
        wall_s: float = 0.0,
    ) -> None:
        self.root = root
        self.now_s = 100.0
        self.told = Told()
        self.access = access or LocalRoot(root, Ignore(("*.tmp", ".*")))
        self.settling = Settling(
            Patience(settle_s=2.0, ready=ready, trusts_inode=trusts_inode)
        )
        self.ledger = Ledger(
            "em",
            known or {},
            self.settling,
            self.told.append,
            trusts_inode=trusts_inode,
        )
        self.patrol = Patrol(
            self.access,
            self.ledger,
            self.settling,
            MountGuard(lambda: len(known or {})),
            Ignore(("*.tmp", ".*")),
            clock=lambda: self.now_s,
            wall=lambda: wall_s,
            old_after_s=2.0,
        )

    def scan(self) -> None:
        """One full scan."""
        assert self.patrol.scan()

    def hint(self, hints: Mapping[bytes, Hint]) -> None:
        """What the kernel would have said."""
        self.patrol.follow(hints)

    def go_on(self, seconds: float, step_s: float = 0.25) -> None:
        """Let time pass, looking at what is due."""
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            self.patrol.look_at_due()

    def settled(self) -> list[bytes]:
        """Names settled so far."""
        return self.told.names(Settled)


@pytest.fixture
def rounds(root: Path) -> Rounds:
    """A patrol on it, two seconds of quiet time, nothing promised."""
    return Rounds(root)


def test_slow_append_is_noticed_once_and_settles_once(
    rounds: Rounds, root: Path
) -> None:
    """A growing file changes at every look; only its end is news."""
    with (root / "a.tif").open("wb", buffering=0) as file:
        for _ in range(5):
            file.write(b"x" * 10)
            rounds.scan()
            rounds.go_on(1.5)
            assert rounds.settled() == []
    rounds.go_on(5)
    rounds.scan()
    rounds.go_on(5)

    assert rounds.told.names(Noticed) == [b"a.tif"]
    assert [e.look.size_bytes for e in rounds.told.of(Settled)] == [50]
    assert not rounds.told.of(Settled)[0].is_changed


def test_rename_over_a_settled_file_is_a_new_version(
    rounds: Rounds, root: Path
) -> None:
    """Same name, same size: the inode tells."""
    (root / "a.tif").write_bytes(b"old")
    rounds.scan()
    rounds.go_on(3)
    (root / "b.tmp").write_bytes(b"new")
    (root / "b.tmp").replace(root / "a.tif")
    rounds.scan()
    rounds.go_on(3)

    assert [e.is_changed for e in rounds.told.of(Settled)] == [False, True]
    assert len(rounds.told.of(Noticed)) == 2


def test_deleted_and_written_again_is_a_changed_version(
    rounds: Rounds, root: Path
) -> None:
    """The name was read before: what was paired with it is stale."""
    for content in (b"one", b"two"):
        (root / "a.tif").write_bytes(content)
        rounds.scan()
        rounds.go_on(3)
        (root / "a.tif").unlink()
        rounds.scan()

    assert [e.is_changed for e in rounds.told.of(Settled)] == [False, True]
    assert rounds.told.names(Vanished) == [b"a.tif", b"a.tif"]


def test_old_files_need_no_quiet_period_at_the_start(root: Path) -> None:
    """They were written while the daemon was down."""
    (root / "a.tif").write_bytes(b"x")
    os.utime(root / "a.tif", (10, 10))
    rounds = Rounds(root, wall_s=1000.0)
    rounds.scan()
    rounds.go_on(0.5)

    assert rounds.settled() == [b"a.tif"]


def test_copy_that_keeps_an_old_time_is_not_old(root: Path) -> None:
    """After the start, an old time only says that a copy carried it along."""
    rounds = Rounds(root, wall_s=1000.0)
    rounds.scan()
    (root / "a.tif").write_bytes(b"x")
    os.utime(root / "a.tif", (10, 10))
    rounds.scan()
    rounds.go_on(1.75)

    assert rounds.settled() == []


def test_known_and_unchanged_file_gives_no_event(
    root: Path, remember: Remember
) -> None:
    """A restart must not process a whole folder again."""
    (root / "a.tif").write_bytes(b"x")
    rounds = Rounds(root, {b"a.tif": remember(root / "a.tif")})
    rounds.scan()
    rounds.go_on(9)

    assert rounds.told == []


def test_known_file_that_was_not_settled_is_offered(
    root: Path, remember: Remember
) -> None:
    """The daemon ended before it was handed on."""
    (root / "a.tif").write_bytes(b"x")
    rounds = Rounds(root, {b"a.tif": remember(root / "a.tif")._replace(settled=False)})
    rounds.scan()
    rounds.go_on(3)

    assert [type(e) for e in rounds.told] == [Noticed, Settled]
    assert not rounds.told.of(Settled)[0].is_changed


def test_file_that_changed_while_the_daemon_was_down_is_offered(
    root: Path, remember: Remember
) -> None:
    """Whatever its age: the inventory decides, not the clock."""
    (root / "a.tif").write_bytes(b"new")
    was = remember(root / "a.tif")._replace(size_bytes=1)
    rounds = Rounds(root, {b"a.tif": was})
    rounds.scan()
    rounds.go_on(3)

    assert [e.is_changed for e in rounds.told.of(Settled)] == [True]


def test_known_file_that_is_gone_has_vanished(root: Path, remember: Remember) -> None:
    """It was deleted while the daemon was down, and others are still there."""
    (root / "b.tif").write_bytes(b"x")
    known = {
        b"a.tif": KnownFile(1, 1, 1, settled=True),
        b"b.tif": remember(root / "b.tif"),
    }
    rounds = Rounds(root, known)
    rounds.scan()

    assert rounds.told.names(Vanished) == [b"a.tif"]


def test_known_file_that_the_profile_hides_since_has_not_vanished(
    root: Path, remember: Remember
) -> None:
    """A new pattern under `ignore` is no reason to call a file gone."""
    (root / "b.tif").write_bytes(b"x")
    (root / "a.tmp").write_bytes(b"x")
    known = {name.encode(): remember(root / name) for name in ("a.tmp", "b.tif")}
    rounds = Rounds(root, known)
    rounds.scan()
    rounds.go_on(3)

    assert rounds.told == []
    assert b"a.tmp" not in rounds.ledger
    assert b"b.tif" in rounds.ledger


def test_known_file_rewritten_twice_is_told_twice(
    root: Path, remember: Remember
) -> None:
    """What the inventory knew is a version like any other once it has changed."""
    file = root / "a.tif"
    file.write_bytes(b"x")
    rounds = Rounds(root, {b"a.tif": remember(file)})
    rounds.scan()
    for content in (b"xx", b"xxx"):
        file.write_bytes(content)
        rounds.scan()
        rounds.go_on(3)

    assert [e.look.size_bytes for e in rounds.told.of(Settled)] == [2, 3]
    assert all(e.is_changed for e in rounds.told.of(Settled))


def test_inode_numbers_of_a_share_are_not_trusted(
    root: Path, remember: Remember
) -> None:
    """Some mounts make them up: a remount would change every file."""
    (root / "a.tif").write_bytes(b"x")
    was = remember(root / "a.tif")._replace(inode=12345)
    rounds = Rounds(root, {b"a.tif": was}, trusts_inode=False)
    rounds.scan()

    assert rounds.told == []


def test_empty_root_with_a_full_inventory_is_away(root: Path) -> None:
    """Far more often an unmounted share than a folder that somebody emptied."""
    rounds = Rounds(root, {b"a.tif": KnownFile(1, 1, 1, settled=True)})

    with pytest.raises(RootAwayError, match="1 files are known"):
        rounds.patrol.scan()
    assert rounds.told == []


def test_emptied_root_lets_its_files_vanish(rounds: Rounds, root: Path) -> None:
    """The same folder, seen to be emptied: that is a decision."""
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    (root / "a.tif").unlink()
    rounds.scan()

    assert rounds.told.names(Vanished) == [b"a.tif"]


class Mount(LocalRoot):
    """A real folder with a device number that a test can change."""

    device = 1

    def identify(self) -> RootIdentity:
        """The real answer, on another device."""
        return dataclasses.replace(super().identify(), device=self.device)


def test_unmounted_share_is_away_and_nothing_vanishes(root: Path) -> None:
    """The mount point is there, empty, and on another device."""
    mount = Mount(root, Ignore(()))
    rounds = Rounds(root, access=mount)
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    (root / "a.tif").rename(root.parent / "kept.tif")
    mount.device = 2

    with pytest.raises(RootAwayError, match="empty mount point"):
        rounds.patrol.scan()
    (root.parent / "kept.tif").rename(root / "a.tif")
    mount.device = 3
    rounds.scan()
    assert rounds.told.of(Vanished) == []


class Unmounting(LocalRoot):
    """A root that is swapped for an empty one while it is being walked."""

    is_swapping = False

    def walk(self, below: bytes = b"") -> Iterator[Entry]:
        """Nothing, if it has just been swapped."""
        if self.is_swapping:
            root = Path(os.fsdecode(self._root))
            root.rename(root.with_name("away"))
            root.mkdir()
        return super().walk(below)


def test_root_swapped_during_a_scan_lets_nothing_vanish(root: Path) -> None:
    """A share may go in the middle of a listing."""
    access = Unmounting(root, Ignore(()))
    rounds = Rounds(root, access=access)
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    access.is_swapping = True

    with pytest.raises(RootAwayError, match="replaced"):
        rounds.patrol.scan()
    assert rounds.told.of(Vanished) == []


class Closable(LocalRoot):
    """A root one folder of which can be closed, as permissions would (not to root)."""

    is_closed = False

    def walk(self, below: bytes = b"") -> Iterator[Entry]:
        """The closed folder in place of its content."""
        for entry in super().walk(below):
            if not (self.is_closed and entry.relative.startswith(b"s1/")):
                yield entry
        if self.is_closed:
            look = Look(0, 0, 0, is_regular=False)
            yield Entry(b"s1", look, "folder cannot be listed", is_folder=True)

    def look(self, relatives: Iterable[bytes]) -> Iterator[tuple[bytes, Entry | None]]:
        """A look that would go wrong, were it asked for."""
        for relative, entry in super().look(relatives):
            is_hidden = self.is_closed and relative.startswith(b"s1/")
            yield relative, None if is_hidden else entry


def test_files_in_a_closed_folder_have_not_vanished(root: Path) -> None:
    """It is told once, until it is open again."""
    access = Closable(root, Ignore(()))
    rounds = Rounds(root, access=access)
    (root / "s1" / "deep").mkdir(parents=True)
    (root / "s1" / "deep" / "a.tif").write_bytes(b"x")
    rounds.scan()
    for is_closed in (True, True, False, True):
        access.is_closed = is_closed
        rounds.scan()

    assert rounds.told.of(Vanished) == []
    assert rounds.told.names(Odd) == [b"s1", b"s1"]


def test_odd_things_are_told_once_and_never_settle(rounds: Rounds, root: Path) -> None:
    """A link or a pipe stays one; replacing it by a file makes it a file."""
    (root / "a.tif").symlink_to("/dev/zero")
    os.mkfifo(root / "b.tif")
    for _ in range(3):
        rounds.scan()
        rounds.go_on(3)
    (root / "a.tif").unlink()
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    rounds.go_on(3)

    assert sorted(rounds.told.names(Odd)) == [b"a.tif", b"b.tif"]
    assert rounds.settled() == [b"a.tif"]


def test_file_replaced_by_a_link_is_odd_and_no_longer_settles(
    rounds: Rounds, root: Path
) -> None:
    """The swap between two looks is the oldest trick."""
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    (root / "a.tif").unlink()
    (root / "a.tif").symlink_to("/etc/hostname")
    rounds.go_on(9)

    assert rounds.told.names(Odd) == [b"a.tif"]
    assert rounds.settled() == []


def test_incomplete_version_is_offered_again_after_the_delay(
    rounds: Rounds, root: Path
) -> None:
    """Reading found bytes missing; nobody wrote any since."""
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    rounds.go_on(3)
    look = rounds.told.of(Settled)[0].look
    rounds.ledger.wait_more(b"a.tif", look, now_s=rounds.now_s, delay_s=10)
    rounds.go_on(9.75)
    assert len(rounds.settled()) == 1
    rounds.go_on(0.5)

    assert [e.look for e in rounds.told.of(Settled)] == [look, look]
    assert len(rounds.told.of(Noticed)) == 1


def test_incomplete_version_that_grows_is_offered_when_it_is_still(
    rounds: Rounds, root: Path
) -> None:
    """The missing bytes have come."""
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    rounds.go_on(3)
    look = rounds.told.of(Settled)[0].look
    rounds.ledger.wait_more(b"a.tif", look, now_s=rounds.now_s, delay_s=1000)
    (root / "a.tif").write_bytes(b"xyz")
    rounds.go_on(4)

    assert [e.look.size_bytes for e in rounds.told.of(Settled)] == [1, 3]
    assert rounds.told.of(Settled)[1].is_changed
    assert len(rounds.told.of(Noticed)) == 2


def test_late_request_for_an_older_version_changes_nothing(
    rounds: Rounds, root: Path
) -> None:
    """Reading speaks of what it read; the file may have moved on."""
    (root / "a.tif").write_bytes(b"x")
    rounds.scan()
    rounds.go_on(3)
    other = Look(99, 99, 99, is_regular=True)
    rounds.ledger.wait_more(b"a.tif", other, now_s=rounds.now_s, delay_s=1)
    rounds.ledger.wait_more(b"none.tif", other, now_s=rounds.now_s, delay_s=1)
    rounds.go_on(9)

    assert rounds.settled() == [b"a.tif"]


def test_hints_need_no_scan(root: Path) -> None:
    """One look at the one path, and one that agrees."""
    rounds = Rounds(root, ready=Ready.CLOSE)
    rounds.scan()
    (root / "a.tif").write_bytes(b"x")
    rounds.hint({b"a.tif": Hint.CREATED | Hint.CLOSED})
    rounds.go_on(0.02, step_s=0.02)

    assert rounds.settled() == [b"a.tif"]


def test_new_folder_is_walked_with_all_that_is_in_it(
    rounds: Rounds, root: Path
) -> None:
    """A session folder is moved in as a whole; its files make no hints."""
    rounds.scan()
    (root / "s1" / "deep").mkdir(parents=True)
    (root / "s1" / "deep" / "a.tif").write_bytes(b"x")
    rounds.hint({b"s1": Hint.FOLDER})

    assert rounds.told.names(Noticed) == [b"s1/deep/a.tif"]


def test_hints_for_ignored_names_are_ignored(rounds: Rounds, root: Path) -> None:
    """Temporary names, and all that lies in hidden folders."""
    (root / ".old").mkdir()
    (root / ".old" / "a.tif").write_bytes(b"x")
    (root / "a.tmp").write_bytes(b"x")
    rounds.hint(
        {b".old/a.tif": Hint.CLOSED, b"a.tmp": Hint.MOVED, b".old": Hint.FOLDER}
    )

    assert rounds.told == []


def test_scan_can_be_ended_and_lets_nothing_vanish(rounds: Rounds, root: Path) -> None:
    """A large tree must not delay the end of the daemon."""
    for i in range(600):
        (root / f"{i}.tif").touch()
    rounds.scan()

    assert not rounds.patrol.scan(between=lambda: False)
    assert rounds.told.of(Vanished) == []


@pytest.mark.parametrize("ready", list(Ready))
def test_close_of_a_settled_version_is_told_although_it_looks_the_same(
    root: Path, remember: Remember, ready: Ready
) -> None:
    """Its time may have been put back; also where only the inventory knew it."""
    (root / "a.tif").write_bytes(b"x")
    rounds = Rounds(root, {b"a.tif": remember(root / "a.tif")}, ready=ready)
    rounds.scan()
    rounds.hint({b"a.tif": Hint.CLOSED})
    rounds.go_on(1)
    rounds.scan()
    rounds.go_on(9)

    assert [type(e) for e in rounds.told] == [ClosedAgain]


def test_burst_of_closes_is_told_twice_at_most_in_half_a_minute(
    root: Path, remember: Remember
) -> None:
    """The first one soon, all others in one: none is lost, none makes a loop."""
    (root / "a.tif").write_bytes(b"x")
    known = {b"a.tif": remember(root / "a.tif")}
    rounds = Rounds(root, known, ready=Ready.CLOSE)
    rounds.scan()
    for _ in range(40):
        rounds.hint({b"a.tif": Hint.CLOSED})
        rounds.go_on(0.5)
    early = len(rounds.told)
    rounds.go_on(15)

    assert early == 1
    assert [type(e) for e in rounds.told] == [ClosedAgain, ClosedAgain]


def test_close_then_another_look_is_a_changed_version(
    root: Path, remember: Remember
) -> None:
    """What is seen to be new is told as such, and only so."""
    (root / "a.tif").write_bytes(b"x")
    rounds = Rounds(root, {b"a.tif": remember(root / "a.tif")})
    rounds.scan()
    rounds.hint({b"a.tif": Hint.CLOSED})
    (root / "a.tif").write_bytes(b"xyz")
    rounds.go_on(5)

    assert [type(e) for e in rounds.told] == [Noticed, Settled]
    assert rounds.told.of(Settled)[0].is_changed


def test_closes_of_a_version_that_settles_are_no_news(root: Path) -> None:
    """Every writer closes its file once; it is read once."""
    rounds = Rounds(root, ready=Ready.CLOSE)
    (root / "a.tif").write_bytes(b"x")
    rounds.hint({b"a.tif": Hint.CREATED | Hint.CLOSED})
    rounds.go_on(9)

    assert [type(e) for e in rounds.told] == [Noticed, Settled]


@pytest.mark.parametrize("extra", [1, 5])
def test_what_lies_too_deep_is_left_alone_whoever_names_it(
    rounds: Rounds, root: Path, extra: int
) -> None:
    """The kernel's word on a file or a new folder leads no deeper than the scan."""
    deep = root.joinpath(*["d"] * (DEPTH_LIMIT + extra))
    deep.mkdir(parents=True)
    (deep / "a.tif").write_bytes(b"x")
    (deep.parents[extra - 1] / "b.tif").write_bytes(b"x")
    folder = os.fsencode(deep.relative_to(root))
    rounds.hint({folder: Hint.FOLDER, folder + b"/a.tif": Hint.CREATED | Hint.CLOSED})
    rounds.scan()
    rounds.hint({folder + b"/a.tif": Hint.CLOSED})
    rounds.go_on(5)
    rounds.scan()

    assert rounds.told.names(Odd) == [b"/".join([b"d"] * (DEPTH_LIMIT + 1))]
    assert rounds.settled() == [b"/".join([b"d"] * DEPTH_LIMIT) + b"/b.tif"]
