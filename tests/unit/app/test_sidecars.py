"""A text finds the image it is named after, and no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clemd.app._sidecars import images_of, is_sidecar
from clemd.config import RootSettings
from clemd.model import Frame, Modality
from clemd.store import Store

ROOT = RootSettings(name="em", path=Path("/srv/em"))
FRAME = Frame(
    path="",
    driver="ome_tiff",
    driver_version="1",
    modality=Modality.UNKNOWN,
    shape=(8, 8),
    dtype="uint8",
    channels=(),
)
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
    assert is_sidecar(ROOT, b"day/s.companion.ome")
    assert not is_sidecar(ROOT, b"s.ome")
    assert not is_sidecar(ROOT.model_copy(update={"sidecars": ()}), b"a.txt")


def test_companion_belongs_to_the_images_that_name_it(tmp_path: Path) -> None:
    """In its own folder; what was refused or waits left no word, and is tried."""
    said = {
        b"day/p0.ome.tif": {"extra": {"metadata_file": "s.companion.ome"}},
        b"day/p1.ome.tif": {"beside": {"s.companion.ome": "1@1"}},
        b"day/p2.ome.tif": {"extra": {"metadata_file": "t.companion.ome"}},
        b"day/p3.ome.tif": {},
        b"day/in/p4.ome.tif": {"extra": {"metadata_file": "s.companion.ome"}},
        b"p5.ome.tif": {"extra": {"metadata_file": "s.companion.ome"}},
    }
    states = {b"day/w.ome.tif": "waiting", b"day/r.OME.TIF": "refused"}
    states |= {b"day/x.tif": "refused", b"r.ome.tif": "refused"}
    with Store.open(tmp_path) as store:
        for n, (relative, facts) in enumerate(said.items()):
            row = store.note_file("em", relative, size_bytes=1, modified_ns=1, inode=n)
            frame = replace(FRAME, content_sha256=f"{n}", **facts)
            store.add_frame(frame, file_id=row.id, revision=1, side="em", session="")
        for relative, state in states.items():
            row = store.note_file("em", relative, size_bytes=1, modified_ns=1, inode=1)
            store.set_file_state(row.id, state)
        found = images_of(store, ROOT, b"day/s.companion.ome")
        at_top = images_of(store, ROOT, b"s.companion.ome")

    assert sorted(row.relative for row in found) == [
        b"day/p0.ome.tif",
        b"day/p1.ome.tif",
        b"day/r.OME.TIF",
        b"day/w.ome.tif",
    ]
    assert sorted(row.relative for row in at_top) == [b"p5.ome.tif", b"r.ome.tif"]
