"""Images that say nothing: read as they are, never given facts they do not have."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.plain import DRIVER

REAL = Path(__file__).parents[3] / "shared/data/em/xyt_8bit__em_fly_eye.tif"


def noise(*shape: int) -> np.ndarray:
    """Bytes without a zero."""
    return np.random.default_rng(9).integers(1, 250, shape, dtype=np.uint8)


class TestPlainTiff(FormatDriverSuite):
    """The contract, on a bare TIFF."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Grey, uncompressed."""
        tifffile.imwrite(path, noise(96, 128), metadata=None)
        return GoodFile(path=path, planes=(noise(96, 128),), modality=Modality.UNKNOWN)


class TestPlainPng(FormatDriverSuite):
    """The contract, on a colour PNG."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Three colours that differ."""
        pixels = noise(96, 128, 3)
        path.write_bytes(imagecodecs.png_encode(pixels))
        planes = tuple(np.ascontiguousarray(pixels[..., k]) for k in range(3))
        return GoodFile(path=path, planes=planes, modality=Modality.UNKNOWN)


class TestPlainJpeg(FormatDriverSuite):
    """The contract, on a grey JPEG."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """What the decoder gives is what was written: JPEG loses on the way in."""
        data = imagecodecs.jpeg8_encode(noise(96, 128), level=90)
        path.write_bytes(data)
        return GoodFile(
            path=path,
            planes=(imagecodecs.jpeg8_decode(data),),
            modality=Modality.UNKNOWN,
        )


@pytest.mark.parametrize("alpha", [False, True])
def test_three_equal_colours_are_one_grey_channel(alpha: bool, tmp_path: Path) -> None:
    """Screen captures of grey images come as RGB."""
    grey = noise(64, 64)
    layers = [grey, grey, grey] + ([np.full_like(grey, 255)] if alpha else [])
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.dstack(layers)))
    frame, planes = read_all(DRIVER, tmp_path / "a.png")

    assert [c.name for c in frame.channels] == ["grey"]
    np.testing.assert_array_equal(planes[0], grey)


def test_colour_tiff_has_three_channels(tmp_path: Path) -> None:
    """Colours of a light image are separate stains."""
    pixels = noise(64, 64, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", metadata=None)
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    assert [c.name for c in frame.channels] == ["red", "green", "blue"]
    np.testing.assert_array_equal(planes[1], pixels[..., 1])


def palette(grey: bool) -> np.ndarray:
    """(256, 3) colours, no two alike."""
    ramp = np.arange(256, dtype=np.uint8)[::-1]
    return np.stack(
        [ramp, ramp if grey else ramp // 2, ramp if grey else 255 - ramp], 1
    )


@pytest.mark.parametrize("bits", [8, 16])
def test_palette_tiff_is_read_through_its_colour_map(bits: int, tmp_path: Path) -> None:
    """Indices are no greys: neighbours in the map may be black and white."""
    indices, colours = noise(64, 64), palette(grey=False)
    stored = colours.T.astype(np.uint16) * (257 if bits == 16 else 1)
    tifffile.imwrite(
        tmp_path / "a.tif",
        indices,
        photometric="palette",
        colormap=stored,
        metadata=None,
    )
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    assert [c.name for c in frame.channels] == ["red", "green", "blue"]
    assert not any("colour map" in warning for warning in frame.warnings)
    for sample in range(3):
        np.testing.assert_array_equal(planes[sample], colours[indices, sample])


def test_grey_palette_is_one_grey_channel(tmp_path: Path) -> None:
    """Inverted lookup tables are what old microscopes write."""
    indices, colours = noise(64, 64), palette(grey=True)
    tifffile.imwrite(
        tmp_path / "a.tif",
        indices,
        photometric="palette",
        colormap=colours.T.astype(np.uint16) * 257,
        metadata=None,
    )
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    assert [c.name for c in frame.channels] == ["grey"]
    np.testing.assert_array_equal(planes[0], 255 - indices)


def test_palette_png_is_read_through_its_colours(tmp_path: Path) -> None:
    """The same for the format that screenshots come in."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    indices, colours = noise(64, 64), palette(grey=False)
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    header = struct.pack(">IIBBBBB", 64, 64, 8, 3, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"PLTE", colours.tobytes())
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    _, planes = read_all(DRIVER, tmp_path / "a.png")

    for sample in range(3):
        np.testing.assert_array_equal(planes[sample], colours[indices, sample])


def test_imagej_calibration_and_channels_are_read(tmp_path: Path) -> None:
    """Fiji is where most exports have been."""
    stack = noise(3, 2, 64, 64)  # z, c
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack,
        imagej=True,
        resolution=(4.0, 4.0),
        metadata={"axes": "ZCYX", "unit": "um"},
    )
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(0.25)
    assert len(frame.channels) == 2
    assert any(np.array_equal(planes[1], stack[z, 1]) for z in range(3))


def test_yunit_of_imagej_counts_for_the_height(tmp_path: Path) -> None:
    """It is written where the axes differ."""
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise(64, 64),
        resolution=(4.0, 0.002),
        description="ImageJ=1.53t\nunit=um\nyunit=nm\n",
        metadata=None,
    )
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(0.25)
    assert frame.pixel_size.y_um == pytest.approx(0.5)


def test_yunit_that_is_no_length_is_told(tmp_path: Path) -> None:
    """Lines over time, for one."""
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise(64, 64),
        resolution=(4.0, 2.0),
        description="ImageJ=1.53t\nunit=um\nyunit=sec\n",
        metadata=None,
    )
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert frame.pixel_size.y_um == pytest.approx(0.25)
    assert any("yunit 'sec'" in warning for warning in frame.warnings)


def test_last_time_point_of_an_imagej_series_is_used(tmp_path: Path) -> None:
    """The sharpest one may be hours older than the image of the other microscope."""
    series = np.full((3, 64, 64), 100, np.uint8)
    series[0, ::2], series[2] = 200, 50  # the first is by far the sharpest
    tifffile.imwrite(tmp_path / "a.tif", series, imagej=True, metadata={"axes": "TYX"})
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    np.testing.assert_array_equal(planes[0], series[2])
    assert any("time point 3 of 3" in warning for warning in frame.warnings)


def test_depths_and_times_of_a_hyperstack_are_told_apart(tmp_path: Path) -> None:
    """The sharpest depth, of the last time point only, in each channel."""
    stack = np.full((2, 3, 2, 64, 64), 100, np.uint8)  # t, z, c
    stack[0, 0, :, ::2], stack[1, 1, :, ::4], stack[1, 1, 1] = 250, 150, 77
    stack[1, 2, 1, ::3] = 140
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "TZCYX"})
    _, planes = read_all(DRIVER, tmp_path / "a.tif")

    np.testing.assert_array_equal(planes[0], stack[1, 1, 0])
    np.testing.assert_array_equal(planes[1], stack[1, 2, 1])


@pytest.mark.real_data
def test_real_time_series_gives_its_last_point() -> None:
    """Two frames of a fly's eye, exported by Fiji."""
    if not REAL.exists():
        pytest.skip(f"no {REAL.name} here")
    frame, planes = read_all(DRIVER, REAL)

    np.testing.assert_array_equal(planes[0], tifffile.imread(REAL, key=1))
    assert any("time point 2 of 2" in warning for warning in frame.warnings)


@pytest.mark.parametrize(
    ("turned", "meant"), [(1, ""), (6, "90° clockwise"), (8, "counter-clockwise")]
)
def test_orientation_that_is_not_applied_is_told(
    turned: int, meant: str, tmp_path: Path
) -> None:
    """Viewers turn the picture: who compares it with the overlay must know."""
    pixels = noise(64, 80)
    tags = [(274, "H", 1, turned, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, metadata=None, extratags=tags)
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")
    said = [warning for warning in frame.warnings if "Orientation" in warning]

    np.testing.assert_array_equal(planes[0], pixels)
    assert len(said) == bool(meant)
    assert all(meant in line and "as stored" in line for line in said)


def test_resolution_in_inches_is_not_a_pixel_size(tmp_path: Path) -> None:
    """72 dpi is what every program writes that knows nothing."""
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise(64, 64),
        resolution=(72, 72),
        resolutionunit="INCH",
        metadata=None,
    )
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is None


def test_maker_whose_metadata_are_not_read_is_named(tmp_path: Path) -> None:
    """The user should learn that a pixel size was there to be had."""
    (tmp_path / "a.txt").write_bytes(b"$SEM_DATA_VERSION 1\r\n$CM_LABEL JEOL\r\n")
    tifffile.imwrite(tmp_path / "a.tif", noise(64, 64), metadata=None)
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert "metadata of JEOL not read" in frame.warnings
    assert frame.modality is Modality.SEM


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint32", ">u2", "float16"])
def test_every_common_sample_type_comes_back_native(dtype: str, tmp_path: Path) -> None:
    """Not-a-number passes too: what to do about it is decided later."""
    pixels = noise(64, 64).astype(dtype)
    if pixels.dtype.kind == "f":
        pixels[3, 4] = np.nan
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        metadata=None,
        byteorder=">" if dtype.startswith(">") else "<",
    )
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    assert planes[0].dtype.isnative
    assert planes[0].dtype.name == frame.dtype
    np.testing.assert_array_equal(planes[0], pixels)


def test_directory_loop_ends(tmp_path: Path) -> None:
    """A chain that bites its tail must not hang the reader."""
    tifffile.imwrite(tmp_path / "a.tif", noise(64, 64), metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, start)
    (tmp_path / "a.tif").write_bytes(data)

    with pytest.raises(RefusedFileError, match="loop"):
        read_all(DRIVER, tmp_path / "a.tif")


def test_header_that_is_written_last_is_waited_for(tmp_path: Path) -> None:
    """Libtiff leaves the first offset zero until it closes the file."""
    tifffile.imwrite(tmp_path / "a.tif", noise(64, 64), metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    data[4:8] = bytes(4)
    (tmp_path / "a.tif").write_bytes(data)

    with pytest.raises(IncompleteFileError, match="not written yet"):
        read_all(DRIVER, tmp_path / "a.tif")


def test_zero_tail_names_its_first_byte(tmp_path: Path) -> None:
    """The watcher compares it with the next look: progress or not."""
    tifffile.imwrite(tmp_path / "a.tif", noise(96, 128), metadata=None)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[:5000] + bytes(len(data) - 5000))

    with pytest.raises(IncompleteFileError, match="tail is still zero") as raised:
        read_all(DRIVER, tmp_path / "a.tif")
    assert (raised.value.missing_from, raised.value.missing_to) == (5000, len(data))


@pytest.mark.parametrize("pixels", [60_000, 4_000_000])
def test_png_bomb_is_refused_before_it_is_decoded(pixels: int, tmp_path: Path) -> None:
    """A few bytes that claim gigapixels are not an image."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(data)

    with pytest.raises(RefusedFileError, match="not a real image"):
        read_all(DRIVER, tmp_path / "a.png")


def test_tail_of_a_bitmap_is_looked_at(tmp_path: Path) -> None:
    """A bitmap states no checksum and no end: only its zeros tell."""
    pixels = np.full((40, 40, 3), 9, np.uint8)
    data = imagecodecs.bmp_encode(pixels)
    path = tmp_path / "a.bmp"
    path.write_bytes(data[:-1000] + bytes(1000))

    with pytest.raises(IncompleteFileError, match="tail is still zero"):
        read_all(DRIVER, path)
