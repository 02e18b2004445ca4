"""Texts beside images in the running service: first, last, late, by halves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from clemd.store import FrameRow
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._jeol import encode_jeol, jeol_text
from clemd_drivers.simulated._shots import ElectronShot, Stage

pytestmark = pytest.mark.slow

SHOT = ElectronShot(
    name="a.tif",
    vendor="jeol",
    field=Field.at(shape=(96, 128), pixel_um=0.1),
    bar_rows=24,
    metadata_pixel_um=0.1,
    stage=Stage(x_um=1200.0, y_um=-340.0, z_um=8000.0),
    acquired_at=datetime(2026, 3, 12, 10, 0, tzinfo=UTC),
    sample="S62",
    habit="plain",
    invert=False,
    sixteen_bit=False,
    elsewhere=False,
    seed=1,
)


def image(seed: int) -> bytes:
    """A JEOL image; its text holds everything but the pixels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, SHOT.field.shape, np.uint8)
    return encode_jeol(SHOT, pixels)


def text(um: float = 0.1) -> bytes:
    """Its text."""
    return jeol_text(replace(SHOT, metadata_pixel_um=um)).encode("cp1252")


def put(folder: Path, name: str, data: bytes) -> None:
    """Written beside, then renamed."""
    part = folder / f"{name}.part"
    part.write_bytes(data)
    part.rename(folder / name)


def frames(service: Any, name: str) -> list[FrameRow]:
    """All revisions of a file that were read, the newest first."""
    row = service.file(name)
    if row is None:
        return []
    found: list[FrameRow] = service.ask(
        lambda r: r.frames(file_id=row.id, include_superseded=True)
    )
    return found


def until_pixel_size(service: Any, name: str, um: float | None) -> list[FrameRow]:
    """Wait until the newest revision states this pixel size."""

    def there() -> list[FrameRow] | None:
        found = frames(service, name)
        if not found:
            return None
        size = found[0].frame.pixel_size
        if size is None or um is None:
            return found if size is um else None
        return found if size.x_um == pytest.approx(um, rel=0.05) else None

    found: list[FrameRow] = service.wait_until(there, f"{name} at {um}", 60)
    return found


def test_image_and_its_text_are_one_unit_in_either_order(
    daemon: Callable[..., Any],
) -> None:
    """One revision each, with the pixel size, whichever came first."""
    service = daemon(root="sidecar_wait_s = 40.0")
    service.start()
    put(service.em, "last.tif", image(1))
    waiting = service.wait_for_file("last.tif", "waiting")
    put(service.em, "first.txt", text())
    service.wait_for_file("first.txt", "beside")
    put(service.em, "first.tif", image(2))
    put(service.em, "last.txt", text())

    assert "text file" in waiting.reason
    for name in ("first.tif", "last.tif"):
        (only,) = until_pixel_size(service, name, 0.1)
        assert only.frame.driver == "jeol"
        assert only.frame.stage is not None


def test_text_that_comes_too_late_makes_a_better_revision(
    daemon: Callable[..., Any],
) -> None:
    """The image was used without; then it is read again, over a restart too."""
    service = daemon()
    service.start()
    for n, name in enumerate(("a", "b")):
        put(service.em, f"{name}.tif", image(n))
    until_pixel_size(service, "a.tif", None)
    until_pixel_size(service, "b.tif", None)
    put(service.em, "a.txt", text())
    new, old = until_pixel_size(service, "a.tif", 0.1)
    service.stop()
    put(service.em, "b.txt", text(0.2))
    service.start()
    later, _ = until_pixel_size(service, "b.tif", 0.2)

    assert (new.revision, old.revision) == (2, 1)
    assert later.frame.driver == "jeol"
    current = service.ask(lambda r: r.frames(file_id=new.file_id))
    assert [row.id for row in current] == [new.id]


def test_text_written_by_halves_is_not_believed_before_it_is_whole(
    daemon: Callable[..., Any],
) -> None:
    """The pixel size of a text that still grows may be cut within its digits."""
    service = daemon(root="sidecar_wait_s = 40.0")
    service.start()
    whole = text()
    path = service.em / "slow.txt"
    with path.open("wb") as stream:
        put(service.em, "slow.tif", image(3))
        for part in (whole[:60], whole[60:-40]):
            stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
            time.sleep(0.3)
        stream.write(whole[-40:])
    found = until_pixel_size(service, "slow.tif", 0.1)

    assert len(found) == 1, "one unit, one revision"
    assert not found[0].frame.warnings or "ends within" not in str(found[0].frame)


def test_text_that_belongs_to_nothing_disturbs_nobody(
    daemon: Callable[..., Any],
) -> None:
    """Notes lie in export folders; they are neither read nor refused."""
    service = daemon()
    service.start()
    put(service.em, "notes.txt", b"remember the milk\n")
    put(service.em, "a.tif", image(4))
    until_pixel_size(service, "a.tif", None)
    note = service.wait_for_file("notes.txt", "beside")

    assert note.reason == ""
    assert len(frames(service, "a.tif")) == 1
    assert frames(service, "notes.txt") == []


def test_image_does_not_wait_where_no_image_ever_had_a_text(
    daemon: Callable[..., Any],
) -> None:
    """Plain PNG files state no pixel size; half a minute for nothing helps nobody."""
    service = daemon()
    service.start()
    put(service.em, "plain.tif", image(5))
    row = service.wait_for_file("plain.tif", "read", limit_s=20)

    assert row.revision == 1


OME = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def plane_alone(folder: Path, name: str, companion: str) -> None:
    """An OME-TIFF that says nothing but where its metadata are."""
    xml = (
        f'<?xml version="1.0"?><OME {OME} UUID="urn:uuid:0">'
        f'<BinaryOnly MetadataFile="{companion}" UUID="urn:uuid:1"/></OME>'
    )
    pixels = np.random.default_rng(7).integers(0, 256, (96, 128), np.uint8)
    part = folder / f"{name}.part"
    tifffile.imwrite(part, pixels, description=xml, metadata=None)
    part.rename(folder / name)


def companion_of(name: str, um: float) -> bytes:
    """The metadata of one plane."""
    return (
        f'<?xml version="1.0"?><OME {OME}><Image ID="Image:0" Name="i">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="128" '
        f'SizeY="96" SizeZ="1" SizeC="1" SizeT="1" PhysicalSizeX="{um}" '
        f'PhysicalSizeY="{um}"><Channel ID="Channel:0" SamplesPerPixel="1"/>'
        f'<TiffData IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:2</UUID>'
        "</TiffData></Pixels></Image></OME>"
    ).encode()


@pytest.mark.parametrize("wait_s", [40, 0])
def test_companion_that_comes_after_its_image_is_used(
    daemon: Callable[..., Any], wait_s: int
) -> None:
    """The image names it, so it waits; taken without it, it is read again."""
    service = daemon(root=f"sidecar_wait_s = {wait_s}")
    service.start()
    (service.lm / "day").mkdir()
    plane_alone(service.lm / "day", "p0.ome.tif", "s.companion.ome")
    service.wait_for_file("day/p0.ome.tif", "read", "waiting", root="lm")
    put(service.lm / "day", "s.companion.ome", companion_of("p0.ome.tif", 0.25))

    def is_whole() -> FrameRow | None:
        image = service.file("day/p0.ome.tif", "lm")
        for row in service.ask(lambda r: r.frames(file_id=image.id)):
            if row.frame.pixel_size is not None:
                return row
        return None

    found = service.wait_until(is_whole, "a pixel size", 30)
    text = service.file("day/s.companion.ome", "lm")

    assert found.frame.pixel_size.x_um == 0.25
    assert found.revision == (1 if wait_s else 2)
    assert "metadata_file" not in found.frame.extra
    assert (text.state, text.reason) == ("beside", "")
