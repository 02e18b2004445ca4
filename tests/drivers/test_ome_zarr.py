"""An image that is a folder: read whole, waited for while chunks are missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.ome_zarr import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._ome_zarr import encode_ome_zarr
from clemd_drivers.simulated._shots import LightShot, Stage

SHOT = LightShot(
    name="map.ome.zarr",
    field=Field.at(shape=(100, 130), pixel_um=0.31),
    metadata_pixel_um=0.3,
    stage=Stage(x_um=0.0, y_um=0.0),
    acquired_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    sample="liver 7",
    habit="plain",
    seed=1,
)


def noise(channels: int = 3) -> np.ndarray:
    """Samples without a zero; sides that no chunk divides."""
    rng = np.random.default_rng(4)
    return rng.integers(1, 4000, (channels, 100, 130), dtype=np.uint16)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write a store; the file that stands for it."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / next(iter(files))


class _Suite(FormatDriverSuite):
    driver = DRIVER
    how: dict[str, Any] = {}  # noqa: RUF012 - never changed

    def write_good(self, path: Path) -> GoodFile:
        """A store beside nothing else."""
        files = encode_ome_zarr(SHOT, noise(), **self.how)
        anchor = write(path.with_suffix(".zarr"), files)
        return GoodFile(
            path=anchor,
            planes=tuple(noise()),
            modality=Modality.WIDEFIELD,
            pixel_size_um=(0.3, 0.3),
        )

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Inputs belong to the user, every file of them."""
        folder = good.path.parent
        before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        read_all(self.driver, good.path)

        assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class TestVersion5(_Suite):
    """The contract, on Zarr 3 packed with blosc."""


class TestVersion5Sharded(_Suite):
    """The contract, on one file a level."""

    how = {"shard": True, "pack": "zstd"}  # noqa: RUF012


class TestVersion4(_Suite):
    """The contract, on Zarr 2."""

    how = {"version": "0.4"}  # noqa: RUF012


def read(anchor: Path) -> tuple[Frame, list[np.ndarray]]:
    """As the child does."""
    return read_all(DRIVER, anchor)


@pytest.mark.parametrize("pack", ["blosc", "zstd", "gzip", "none"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_every_common_packing_is_read(version: Any, pack: str, tmp_path: Path) -> None:
    """What exporters choose among."""
    files = encode_ome_zarr(SHOT, noise(), version, pack=pack)
    frame, planes = read(write(tmp_path / "a.zarr", files))

    np.testing.assert_array_equal(np.stack(planes), noise())
    assert [c.kind.value for c in frame.channels] == [
        "reflected",
        "fluorescence",
        "fluorescence",
    ]


def test_missing_chunk_is_waited_for_then_filled(tmp_path: Path) -> None:
    """A writer that is not done leaves the same gap as an image that is empty there."""
    anchor = write(tmp_path / "a.zarr", encode_ome_zarr(SHOT, noise()))
    (tmp_path / "a.zarr/0/c/1/0/1").unlink()
    with pytest.raises(IncompleteFileError, match="0/c/1/0/1 is not there yet"):
        read(anchor)
    with SourceFile.open(anchor) as source, DRIVER.open(source) as reader:
        plane = reader.plane(1)

    assert not plane[:64, 64:128].any()
    np.testing.assert_array_equal(plane[64:], noise()[1][64:])


def test_level_without_metadata_is_waited_for(tmp_path: Path) -> None:
    """The file at the top is often written first."""
    anchor = write(tmp_path / "a.zarr", encode_ome_zarr(SHOT, noise()))
    (tmp_path / "a.zarr/0/zarr.json").unlink()

    with pytest.raises(IncompleteFileError, match=r"0/zarr\.json is not there"):
        read(anchor)


def test_labels_are_not_looked_at(tmp_path: Path) -> None:
    """They are drawn by people, not by the microscope."""
    files = encode_ome_zarr(SHOT, noise())
    files["labels/zarr.json"] = b"{ not even JSON"

    assert len(read(write(tmp_path / "a.zarr", files))[1]) == 3


@pytest.mark.parametrize("path", ["../other", "0/../../other", "/etc", "0//x"])
def test_path_out_of_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    """The metadata come from outside; what they name may not."""
    files = encode_ome_zarr(SHOT, noise())
    meta = json.loads(files["zarr.json"])
    meta["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = path
    files["zarr.json"] = json.dumps(meta).encode()
    write(tmp_path / "other", encode_ome_zarr(SHOT, noise()))

    with pytest.raises((RefusedFileError, IncompleteFileError)):
        read(write(tmp_path / "a.zarr", files))


def test_link_inside_is_not_followed(tmp_path: Path) -> None:
    """A chunk that is a link could be any file of the machine."""
    anchor = write(tmp_path / "a.zarr", encode_ome_zarr(SHOT, noise(), pack="none"))
    chunk = tmp_path / "a.zarr/0/c/0/0/0"
    data = chunk.read_bytes()
    chunk.unlink()
    (tmp_path / "outside").write_bytes(data)
    chunk.symlink_to(tmp_path / "outside")

    with pytest.raises((RefusedFileError, IncompleteFileError)):
        read(anchor)


def test_chunk_that_swells_is_refused(tmp_path: Path) -> None:
    """Sizes are known before anything is unpacked."""
    import zlib

    anchor = write(tmp_path / "a.zarr", encode_ome_zarr(SHOT, noise(), pack="gzip"))
    (tmp_path / "a.zarr/0/c/0/0/0").write_bytes(zlib.compress(bytes(1 << 28)))

    with pytest.raises(RefusedFileError, match="a chunk unpacks to 8193 of 8192"):
        read(anchor)


def test_plate_is_refused_in_words(tmp_path: Path) -> None:
    """A plate of wells has no one image that stands for it."""
    path = tmp_path / "a.zarr/.zattrs"
    path.parent.mkdir()
    path.write_text('{"plate": {"wells": []}}')

    with pytest.raises(RefusedFileError, match="export the wells"):
        read(path)


def test_several_images_of_one_store_are_positions(tmp_path: Path) -> None:
    """As bioformats2raw lays them out, with OME-XML in the middle."""
    inner = encode_ome_zarr(SHOT, noise(), "0.4")
    files = {".zattrs": b'{"bioformats2raw.layout": 3}'}
    files |= {f"0/{name}": data for name, data in inner.items()}
    files |= {f"1/{name}": data for name, data in inner.items()}
    files["OME/METADATA.ome.xml"] = (
        b'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        b"<Image><Pixels/></Image><Image><AcquisitionDate>2026-03-04T05:06:07"
        b"</AcquisitionDate><Pixels><Plane TheC='0' TheZ='0' TheT='0' PositionX='5' "
        b"PositionXUnit='um' PositionY='6' PositionYUnit='um'/></Pixels></Image></OME>"
    )
    anchor = write(tmp_path / "a.zarr", files)
    with SourceFile.open(anchor) as source:
        assert DRIVER.positions(source) == 2
        with DRIVER.open_at(source, 1) as reader:
            frame = reader.frame
            np.testing.assert_array_equal(reader.plane(2), noise()[2])

    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um) == (5.0, 6.0)
    assert frame.acquired_at == datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("inner", "pixel_um", "said"),
    [("0.5", 0.5, []), ("1e9", None, ["1e+09 µm", "no pixel size"])],
)
def test_document_gives_the_pixel_size_that_the_store_lacks(
    inner: str, pixel_um: float | None, said: list[str], tmp_path: Path
) -> None:
    """With its own doubts, and without the store's complaint where it knows it."""
    store = encode_ome_zarr(SHOT, noise(), "0.4")
    top = json.loads(store[".zattrs"])
    for level in top["multiscales"][0]["datasets"]:
        level.pop("coordinateTransformations")
    store[".zattrs"] = json.dumps(top).encode()
    files = {".zattrs": b'{"bioformats2raw.layout": 3}'}
    files |= {f"0/{name}": data for name, data in store.items()}
    files["OME/METADATA.ome.xml"] = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>'
        f'<Pixels PhysicalSizeX="{inner}"/></Image></OME>'
    ).encode()
    frame, _ = read(write(tmp_path / "a.zarr", files))
    told = [warning for warning in frame.warnings if "pixel size" in warning]

    assert (frame.pixel_size and frame.pixel_size.x_um) == pixel_um
    assert len(told) == len(said)
    assert all(word in line for word, line in zip(said, told, strict=True))


def attributes(version: str) -> dict[str, Any]:
    """The OME part as our own writer makes it."""
    files = encode_ome_zarr(SHOT, noise(), version)  # type: ignore[arg-type]
    meta: dict[str, Any] = json.loads(next(iter(files.values())))
    return meta if version == "0.4" else dict(meta["attributes"])


@pytest.mark.parametrize("shards", [None, (3, 128, 192)])
@pytest.mark.parametrize("codec", ["blosc", "zstd", "gzip"])
def test_store_of_the_reference_library_is_read(
    codec: str, shards: tuple[int, ...] | None, tmp_path: Path
) -> None:
    """Two readings of one specification agree; ours is not only right by itself."""
    zarr = pytest.importorskip("zarr")
    packers = {
        "blosc": zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle"),
        "zstd": zarr.codecs.ZstdCodec(level=3),
        "gzip": zarr.codecs.GzipCodec(),
    }
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    group.attrs.update(attributes("0.5"))
    array = group.create_array(
        "0", shape=(3, 100, 130), chunks=(1, 64, 64), shards=shards,
        dtype="uint16", compressors=[packers[codec]],
    )  # fmt: skip
    array[:] = noise()

    _, planes = read(tmp_path / "a.zarr" / "zarr.json")
    np.testing.assert_array_equal(np.stack(planes), noise())


@pytest.mark.parametrize("order", ["C", "F"])
def test_old_store_of_the_reference_library_is_read(order: Any, tmp_path: Path) -> None:
    """Zarr 2, as most stores on disks are: big-endian, and column by column too."""
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.attrs.update(attributes("0.4"))
    array = group.create_array(
        "0", shape=(3, 100, 130), chunks=(1, 64, 64), dtype=">u2", order=order,
    )  # fmt: skip
    array[:] = noise()

    _, planes = read(tmp_path / "a.zarr" / ".zattrs")
    np.testing.assert_array_equal(np.stack(planes), noise())
