"""The walk meets every regular file, follows nothing, and hides no trouble."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from clemd.watching._ignore import Ignore
from clemd.watching._scan import DEPTH_LIMIT, RootAwayError, identify, look_at, walk

NOTHING = Ignore(())


def met(root: Path, ignore: Ignore = NOTHING, below: bytes = b"") -> dict[bytes, str]:
    """Relative name -> problem."""
    entries = walk(os.fsencode(root), ignore, below)
    return {entry.relative: entry.problem for entry in entries}


def test_files_are_met_in_every_folder(root: Path) -> None:
    """Sessions are folders, and folders hold folders."""
    for name in ("a.tif", "s1/b.tif", "s1/deep/c.tif"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")

    assert met(root) == {b"a.tif": "", b"s1/b.tif": "", b"s1/deep/c.tif": ""}
    assert met(root, below=b"s1/deep") == {b"s1/deep/c.tif": ""}


@pytest.mark.parametrize(
    "name", [b"new\nline.tif", b"\xff\xfe.tif", b"\x1b[31m.tif", "µ¹.tif".encode()]
)
def test_names_are_bytes(root: Path, name: bytes) -> None:
    """Exporters write code pages, and worse."""
    Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(b"x")
    found = look_at(os.fsencode(root), name)

    assert met(root) == {name: ""}
    assert found is not None
    assert found.look.size_bytes == 1


def test_ignored_names_are_not_met_whatever_their_case(root: Path) -> None:
    """Sidecars and temporary files are no images; hidden folders hold old copies."""
    for name in ("a.tif", "A.TXT", "b.tmp", ".snapshot/a.tif"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")

    assert met(root, Ignore(("*.txt", "*.tmp", ".*"))) == {b"a.tif": ""}


def test_image_that_is_a_folder_is_one_file(root: Path) -> None:
    """Its thousands of chunks are pixels; read as exports they would all be refused."""
    for name in (
        "v3.ome.zarr/zarr.json", "v3.ome.zarr/0/zarr.json", "v3.ome.zarr/0/c/0/0",
        "day/v2.ZARR/.zattrs", "day/v2.ZARR/.zgroup", "day/v2.ZARR/0/0.0",
        "a.oif", "a.oif.files/s_C001.tif", "new.zarr/0/0/0",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    ignore = Ignore((".*",))
    found = [b"a.oif", b"day/v2.ZARR/.zattrs", b"v3.ome.zarr/zarr.json"]

    assert sorted(met(root, ignore)) == found
    assert met(root, ignore, below=b"v3.ome.zarr") == {b"v3.ome.zarr/zarr.json": ""}


@pytest.mark.parametrize(
    ("relative", "is_hidden"),
    [
        (b"a.zarr/zarr.json", False),
        (b"a.zarr/.zattrs", False),
        (b"a.zarr/0/zarr.json", True),
        (b"a.zarr/0/c/0", True),
        (b".old/a.zarr/zarr.json", True),
        (b"a.oif.files/s.tif", True),
        (b"zarr.json", False),
    ],
)
def test_hints_inside_such_a_folder_are_passed_over(
    relative: bytes, is_hidden: bool
) -> None:
    """A kernel event names the chunk; only the file at the top means something."""
    assert Ignore((".*",)).hides_path(relative) is is_hidden


def test_links_are_told_and_never_followed(root: Path, tmp_path: Path) -> None:
    """A link could pull in any file that the daemon may read."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.tif").write_bytes(b"x")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "x.tif").symlink_to(tmp_path / "secret" / "x.tif")

    found = met(root)

    assert set(found) == {b"folder", b"x.tif"}
    assert all(problem.startswith("a symbolic link") for problem in found.values())
    assert look_at(os.fsencode(root), b"folder/x.tif") is None
    assert met(root, below=b"folder") == {}


def test_pipes_and_sockets_are_told_and_not_opened(root: Path) -> None:
    """Opening a pipe would wait for its writer for ever."""
    os.mkfifo(root / "pipe.tif")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(root / "s.tif"))
        found = met(root)

    assert found[b"pipe.tif"].startswith("a named pipe")
    assert found[b"s.tif"].startswith("a socket")


def test_bottomless_folders_are_cut_off_and_told(root: Path) -> None:
    """A tree that contains itself by a bind mount must not hold up the rest."""
    deep = root.joinpath(*["d"] * (DEPTH_LIMIT + 2))
    deep.mkdir(parents=True)
    (deep / "x.tif").write_bytes(b"x")
    (root / "y.tif").write_bytes(b"x")

    found = met(root)

    assert found.pop(b"y.tif") == ""
    assert list(found) == [b"/".join([b"d"] * (DEPTH_LIMIT + 1))]
    assert "deeper than" in next(iter(found.values()))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_closed_folder_is_told_and_not_taken_for_empty(root: Path) -> None:
    """Its files have not vanished."""
    (root / "closed").mkdir(mode=0)

    assert "cannot be listed" in met(root)[b"closed"]


def test_absent_root_is_away(root: Path) -> None:
    """That is a state of the root and says nothing about its files."""
    root.rmdir()

    for question in (identify, lambda r: list(walk(r, NOTHING)), _look_for_a):
        with pytest.raises(RootAwayError, match="not there"):
            question(os.fsencode(root))


def _look_for_a(root: bytes) -> object:
    return look_at(root, b"a.tif")


def test_root_may_itself_be_a_link(root: Path, tmp_path: Path) -> None:
    """The operator wrote it into the profile and means it."""
    (root / "a.tif").write_bytes(b"x")
    (tmp_path / "link").symlink_to(root)

    assert met(tmp_path / "link") == {b"a.tif": ""}


def test_gone_file_and_folder_are_no_file(root: Path) -> None:
    """A name that has become a folder is as gone as one that was removed."""
    (root / "folder").mkdir()

    assert look_at(os.fsencode(root), b"folder") is None
    assert look_at(os.fsencode(root), b"none.tif") is None
    assert look_at(os.fsencode(root), b"none/none.tif") is None


def test_identity_tells_an_empty_root(root: Path) -> None:
    """A mount point without its share is empty."""
    assert identify(os.fsencode(root)).is_empty
    (root / ".hidden").touch()

    assert not identify(os.fsencode(root)).is_empty
