"""A text finds the image it is named after, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from clemd.app._sidecars import images_of, is_sidecar
from clemd.config import RootSettings
from clemd.store import Store

ROOT = RootSettings(name="em", path=Path("/srv/em"))
FILES = (
    b"a.tif",
    b"a-b.tif",
    b"ab.tif",
    b"day/a.tif",
    b"map.mrc",
    b"scan_1.ser",
    b"scan_2.ser",
    b"scanner.ser",
    b"x\xff.tif",
    b"a.txt",
)


@pytest.mark.parametrize(
    ("sidecar", "images"),
    [
        (b"a.txt", [b"a.tif"]),
        (b"A.txt", []),
        (b"a-tif.hdr", [b"a.tif"]),
        (b"a-b.txt", [b"a-b.tif"]),
        (b"a-b-tif.hdr", [b"a-b.tif"]),
        (b"day/a.hdr", [b"day/a.tif"]),
        (b"map.mrc.mdoc", [b"map.mrc"]),
        (b"map.mdoc", [b"map.mrc"]),
        (b"scan.emi", [b"scan_1.ser", b"scan_2.ser"]),
        (b"x\xff.txt", [b"x\xff.tif"]),
        (b"notes.txt", []),
        (b".txt", []),
    ],
)
def test_images_of_a_text(tmp_path: Path, sidecar: bytes, images: list[bytes]) -> None:
    """By the writers' own ways to name it; in its own folder only."""
    with Store.open(tmp_path) as store:
        for relative in FILES:
            store.note_file("em", relative, size_bytes=1, modified_ns=1, inode=1)
        store.note_file("lm", b"a.tif", size_bytes=1, modified_ns=1, inode=1)
        found = [row.relative for row in images_of(store, ROOT, sidecar)]

    assert is_sidecar(ROOT, sidecar)
    assert found == images


def test_image_is_no_text() -> None:
    """Only what the profile lists; case does not count."""
    assert not is_sidecar(ROOT, b"a.tif")
    assert is_sidecar(ROOT, b"A.TXT")
    assert not is_sidecar(ROOT.model_copy(update={"sidecars": ()}), b"a.txt")
