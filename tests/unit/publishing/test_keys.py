"""Keys are found, kept secret, and shut out when their file is gone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from zmq.utils import z85

from clemd.errors import ProfileError, UsageError
from clemd.publishing import load_key_pair, make_key_pair
from clemd.publishing._keys import KeyRing


def test_key_pair_is_written_private_and_read_back(tmp_path: Path) -> None:
    """The secret is 0600 from its first byte on."""
    public, secret = make_key_pair(tmp_path / "keys", "sem")

    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "secret" not in public.read_text()
    assert load_key_pair(secret).public.decode() in public.read_text()
    assert load_key_pair(secret).secret.decode() not in repr(load_key_pair(secret))


def test_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    """Every client would be locked out."""
    make_key_pair(tmp_path, "sem")

    with pytest.raises(UsageError, match="exists"):
        make_key_pair(tmp_path, "sem")


def test_ring_knows_holders_and_what_they_may(tmp_path: Path) -> None:
    """A monitor key looks; a bare 40-character file is a key, too."""
    make_key_pair(tmp_path, "sem")
    make_key_pair(tmp_path, "wall.monitor")
    bare = load_key_pair(make_key_pair(tmp_path / "away", "x")[1]).public
    (tmp_path / "bare.key").write_bytes(bare + b"\n")
    (tmp_path / "junk.key").write_bytes(b"\xff" * 40)
    ring = KeyRing(tmp_path)
    raw = {
        name: z85.decode(load_key_pair(tmp_path / f"{name}.key_secret").public)
        for name in ("sem", "wall.monitor")
    }

    sem, wall = ring.find(raw["sem"]), ring.find(raw["wall.monitor"])

    assert sem is not None
    assert (sem.name, sem.may_command) == ("sem", True)
    assert wall is not None
    assert (wall.name, wall.may_command) == ("wall", False)
    assert ring.find(z85.decode(bare)) is not None
    assert ring.find(bytes(32)) is None
    assert ring.find(b"short") is None


def test_removed_key_is_unknown_at_once(tmp_path: Path) -> None:
    """Revoking must not need a restart in the middle of an acquisition."""
    public, secret = make_key_pair(tmp_path, "sem")
    raw = z85.decode(load_key_pair(secret).public)
    ring = KeyRing(tmp_path)
    assert ring.find(raw) is not None

    public.unlink()

    assert ring.find(raw) is None


def test_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """One line with the mend, before anything listens."""
    secret = make_key_pair(tmp_path, "sem")[1]
    secret.chmod(0o640)

    with pytest.raises(ProfileError, match="chmod 600"):
        load_key_pair(secret)


def test_missing_empty_and_public_files_are_no_secret(tmp_path: Path) -> None:
    """Each mistake of an operator gets its own words."""
    public, _ = make_key_pair(tmp_path, "sem")
    public.chmod(0o600)
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)

    with pytest.raises(ProfileError, match="cannot be read"):
        load_key_pair(tmp_path / "none")
    with pytest.raises(ProfileError, match="no secret"):
        load_key_pair(public)
    with pytest.raises(ProfileError, match="CURVE"):
        load_key_pair(empty)
