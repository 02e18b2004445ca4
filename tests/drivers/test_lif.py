"""LIF: images of a project, spectra, tiles, and lengths between centres."""

from __future__ import annotations

import struct
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.lif import DRIVER
from clemd_drivers.simulated._lif import confocal, element, lif, lof

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Planes without a zero in them."""
    return np.random.default_rng(seed).integers(1, 4000, shape, dtype=np.uint16)


class TestLifDriver(FormatDriverSuite):
    """The contract, on a two-channel confocal image."""

    driver = DRIVER
    version = 2

    def write_good(self, path: Path) -> GoodFile:
        """20 x 96 pixels whose centres span 9.5 µm in both directions."""
        pixels = noise(1, (2, 96, 20))
        image = element("a", pixels, more=confocal(detectors=2))
        path.write_bytes(lif(image, version=self.version))
        return GoodFile(
            path=path,
            planes=tuple(pixels),
            modality=Modality.CLSM,
            pixel_size_um=(0.5, 0.1),
            stage_um=(35_000.0, -10_000.0),
        )


class TestOldLif(TestLifDriver):
    """The same, as LAS AF wrote it: short lengths."""

    version = 1


class TestLof(TestLifDriver):
    """The contract, on a file that holds one image."""

    def write_good(self, path: Path) -> GoodFile:
        """The same image as in a project."""
        good = super().write_good(path)
        pixels = noise(1, (2, 96, 20))
        path.write_bytes(lof(element("a", pixels, more=confocal(detectors=2))))
        return good


def test_lof_without_the_size_of_its_memory_is_read(tmp_path: Path) -> None:
    """Its header says it too, and there is only one."""
    pixels = noise(1, (1, 30, 20))
    (tmp_path / "a.lof").write_bytes(lof(element("a", pixels), memory=False))
    frame, (plane,) = read_all(DRIVER, tmp_path / "a.lof")

    np.testing.assert_array_equal(plane, pixels[0])
    assert frame.driver == "lif"


def test_lof_still_being_written_is_incomplete(tmp_path: Path) -> None:
    """The document comes last: until then there is no size, no channel, nothing."""
    data = lof(element("a", noise(1, (1, 30, 20))))
    for end in (40, 70, 600, len(data) - 3):
        (tmp_path / "a.lof").write_bytes(data[:end])
        with pytest.raises(IncompleteFileError):
            read_all(DRIVER, tmp_path / "a.lof")
    (tmp_path / "a.lof").write_bytes(data[:600] + bytes(len(data) - 600))
    with pytest.raises(IncompleteFileError):
        read_all(DRIVER, tmp_path / "a.lof")


def test_lof_of_several_images_is_refused(tmp_path: Path) -> None:
    """None of the parts says which bytes are whose."""
    xml, block, content = element("a", noise(1, (1, 30, 20)))
    (tmp_path / "a.lof").write_bytes(lof((xml + xml, block, content)))

    with pytest.raises(RefusedFileError, match="2 images"):
        read_all(DRIVER, tmp_path / "a.lof")


def written(path: Path, *elements: tuple[str, str, bytes]) -> Path:
    """A project in a file."""
    path.write_bytes(lif(*elements))
    return path


def test_pixel_size_counts_gaps_between_centres(tmp_path: Path) -> None:
    """Length over N would be five percent off for 20 pixels."""
    path = written(tmp_path / "a.lif", element("a", noise(1, (1, 20, 20))))
    frame, _ = read_all(DRIVER, path)

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(9.5 / 19)


@pytest.mark.parametrize("length", ["0", "", "NaN"])
def test_length_without_meaning_is_no_pixel_size(length: str, tmp_path: Path) -> None:
    """Unknown is said, never guessed."""
    image = element("a", noise(1, (1, 20, 20)), length=length)
    frame, _ = read_all(DRIVER, written(tmp_path / "a.lif", image))

    assert frame.pixel_size is None
    assert "no pixel size in the LIF metadata" in frame.warnings


@pytest.mark.parametrize(
    ("band", "kind"),
    [((480, 496), "reflected"), ((500, 550), "fluorescence")],
)
def test_detected_band_and_laser_line_tell_the_kind(
    band: tuple[int, int], kind: str, tmp_path: Path
) -> None:
    """LAS X has no word for reflection; the band around the line shows it."""
    bands = f'<MultiBand Channel="1" LeftWorld="{band[0]}" RightWorld="{band[1]}"/>'
    image = element("a", noise(1, (1, 20, 20)), more=confocal(bands=bands))
    frame, _ = read_all(DRIVER, written(tmp_path / "a.lif", image))

    assert [(c.name, c.kind.value) for c in frame.channels] == [("HyD 1", kind)]
    assert frame.channels[0].excitation_nm == 488


def test_more_detectors_than_channels_tell_nothing(tmp_path: Path) -> None:
    """Which of them recorded the image is not known: a wrong kind is worse."""
    image = element("a", noise(1, (1, 20, 20)), more=confocal(detectors=3))
    frame, _ = read_all(DRIVER, written(tmp_path / "a.lif", image))

    assert frame.channels[0].name == "Green"
    assert frame.channels[0].kind is ChannelKind.UNKNOWN


@pytest.mark.parametrize(
    ("method", "kind"),
    [("FLUO", "fluorescence"), ("TL-BF", "transmitted"), ("IL-BF", "reflected")],
)
def test_camera_image_is_what_its_method_says(
    method: str, kind: str, tmp_path: Path
) -> None:
    """The widefield stand names the way of the light."""
    more = (
        '<Attachment DataSourceTypeName="Camera"/><WideFieldChannelConfigurator>'
        f'<WideFieldChannelInfo UserDefName="one" ContrastingMethodName="{method}"/>'
        "</WideFieldChannelConfigurator>"
    )
    image = element("a", noise(1, (1, 20, 20)), more=more)
    frame, _ = read_all(DRIVER, written(tmp_path / "a.lif", image))

    assert frame.modality is Modality.WIDEFIELD
    assert frame.channels[0].kind == kind


def test_every_image_is_a_frame_and_the_largest_stands_for_the_file(
    tmp_path: Path,
) -> None:
    """A project holds a whole session; folders of it keep their names."""
    shapes = [(1, 20, 20), (1, 30, 40), (1, 40, 30)]
    images = [element(f"i{k}", noise(k, shape)) for k, shape in enumerate(shapes)]
    path = written(tmp_path / "a.lif", *images)
    frame, planes = read_all(DRIVER, path)

    np.testing.assert_array_equal(planes[0], noise(1, (1, 30, 40))[0])
    assert "3 images in the project: the largest, 'i1', is used" in frame.warnings
    with SourceFile.open(path) as source:
        assert DRIVER.positions(source) == 3
        for position, shape in enumerate(shapes):
            with DRIVER.open_at(source, position) as reader:
                np.testing.assert_array_equal(
                    reader.plane(0), noise(position, shape)[0]
                )


def test_axes_are_found_by_number_in_any_order(tmp_path: Path) -> None:
    """Two times, three depths; fluorescence shows the last time at every depth."""
    pixels = noise(4, (1, 2, 3, 20, 30))
    image = element("a", pixels, (4, 3), more=confocal())
    frame, (plane,) = read_all(DRIVER, written(tmp_path / "a.lif", image))

    np.testing.assert_array_equal(plane, pixels[0, 1].max(axis=0))
    said = "channel 'HyD 1': time point 2 of 2, the maximum over 3 depths"
    assert said in frame.warnings


def test_interleaved_channels_are_taken_apart(tmp_path: Path) -> None:
    """Colour cameras store red, green and blue pixel by pixel."""
    pixels = np.moveaxis(np.ascontiguousarray(noise(5, (20, 30, 3))), -1, 0)
    xml, block, _ = element("a", pixels)
    stored = np.moveaxis(pixels, 0, -1).tobytes()
    _, planes = read_all(DRIVER, written(tmp_path / "a.lif", (xml, block, stored)))

    np.testing.assert_array_equal(np.stack(planes), pixels)


@pytest.mark.parametrize(
    ("turn", "places"),
    [
        ('FlipX="0" FlipY="0" SwapXY="0"', ((0, 0), (0, 16))),
        ('FlipX="1" FlipY="0" SwapXY="0"', ((0, 16), (0, 0))),
        ('FlipX="0" FlipY="0" SwapXY="1"', ((0, 0), (16, 0))),
    ],
)
def test_tiles_lie_where_the_stage_was(
    turn: str, places: tuple[tuple[int, int], ...], tmp_path: Path
) -> None:
    """8 µm along the stage's x axis are 16 pixels of 0.5 µm."""
    pixels = noise(6, (1, 2, 20, 20))
    more = (
        f"<Attachment><TileScanInfo {turn}>"
        '<Tile PosX="0.001" PosY="0.002"/><Tile PosX="0.001008" PosY="0.002"/>'
        "</TileScanInfo></Attachment>"
    )
    image = element("a", pixels, (10,), more=more)
    frame, (plane,) = read_all(DRIVER, written(tmp_path / "a.lif", image))

    height = 20 + max(top for top, _ in places)
    width = 20 + max(left for _, left in places)
    canvas = np.zeros((height, width), np.uint16)
    for tile, (top, left) in zip(pixels[0], places, strict=True):
        canvas[top : top + 20, left : left + 20] = tile
    np.testing.assert_array_equal(plane, canvas)
    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um) == pytest.approx((1004.0, 2000.0))


def test_image_whose_block_has_not_come_yet_waits(tmp_path: Path) -> None:
    """A copy may stop between two blocks."""
    data = lif(element("a", noise(1, (1, 20, 20))), element("b", noise(2, (1, 9, 9))))
    (tmp_path / "a.lif").write_bytes(data[: -162 - 2 * len("Block_b") - 22])

    with pytest.raises(IncompleteFileError, match="'b', one of 2 images"):
        read_all(DRIVER, tmp_path / "a.lif")


def _swapped(old: str, new: str) -> bytes:
    xml, block, data = element("a", noise(1, (1, 20, 20)))
    assert old in xml
    return lif((xml.replace(old, new), block, data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_swapped('NumberOfElements="20"', 'NumberOfElements="900000"'), "needs bytes"),
        (_swapped('NumberOfElements="20"', 'NumberOfElements="-3"'), "not an image"),
        (_swapped('BytesInc="40"', 'BytesInc="0"'), "needs bytes"),
        (_swapped('BytesInc="40"', 'BytesInc="-40"'), "needs bytes"),
        (_swapped('BytesInc="40"', 'BytesInc="1e30"'), "needs bytes"),
        (_swapped('Resolution="12"', 'Resolution="99"'), "samples of 99 bits"),
        (_swapped("<Data>", "<Data><Broken>"), "cannot be parsed"),
        (_swapped('DimID="2"', 'DimID="3"'), "without images"),
        (lif(start='<!DOCTYPE a [<!ENTITY a "b">]>'), "document type"),
        (struct.pack("<iiBi", 0x70, 99, 0x2A, 1 << 30), "header of 99 bytes"),
    ],
)
def test_impossible_files_are_refused_in_one_line(
    data: bytes, words: str, tmp_path: Path
) -> None:
    """Sizes in a file are claims of its writer."""
    (tmp_path / "a.lif").write_bytes(data)
    started = time.process_time()
    with pytest.raises(RefusedFileError, match=words) as raised:
        read_all(DRIVER, tmp_path / "a.lif")

    assert str(raised.value).isprintable()
    assert time.process_time() - started < 1.0


# Typed by hand from the raw XML: name, stage in m, first time stamp, what was done.
# Length 6.603309e-006 m, 64 elements: 63 gaps.
_REAL = [
    ("x_y_lambdaEmi", (0.0352668276465, 0.01003858372743), (14, 33, 36, 935_000),
     "the maximum over 20 wavelengths", 543),
    ("x_y_lambdaExc", (0.03531124656907, 0.01008460909449), (14, 38, 5, 825_000),
     "the maximum over 15 wavelengths", None),
    ("x_y_z_t_lambdaEmi", (0.03534347799788, 0.01008460909449), (14, 43, 39, 392_000),
     "time point 2 of 2, the maximum over 10 wavelengths, z 5, the sharpest", 543),
]  # fmt: skip


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real files are not here")
def test_real_project_says_what_its_raw_header_says() -> None:
    """Three images of a spectral confocal; lengths run between centres."""
    path = REAL_DATA / "vendor_lm/lif/LeicaLASX_wavelength-sweep_example.lif"
    data = path.read_bytes()
    # Block of the first image: the raw bytes from 105385 on, 20 planes of 64 x 64.
    first = np.frombuffer(data, np.uint8, 81_920, 105_385).reshape(20, 64, 64)
    frame, planes = read_all(DRIVER, path)
    np.testing.assert_array_equal(planes[0], first.max(axis=0))
    assert frame.modality is Modality.CLSM
    with SourceFile.open(path) as source:
        assert DRIVER.positions(source) == len(_REAL)
        for position, (name, metres, clock, said, line_nm) in enumerate(_REAL):
            with DRIVER.open_at(source, position) as reader:
                plane, frame = reader.plane(0), reader.frame
            size, pose = frame.pixel_size, frame.stage
            assert frame.extra["image"] == name
            assert (plane.shape, frame.dtype) == ((64, 64), "uint8")
            assert size is not None
            assert (size.x_um, size.y_um) == pytest.approx((6.603309 / 63,) * 2)
            assert pose is not None
            assert (pose.x_um, pose.y_um) == pytest.approx([m * 1e6 for m in metres])
            assert frame.acquired_at == datetime(2021, 1, 29, *clock, tzinfo=UTC)
            assert frame.instrument == "TCS SP8 8100000201"
            assert [(c.name, c.kind.value) for c in frame.channels] == [
                ("HyD 1", "spectral")
            ]
            assert frame.channels[0].excitation_nm == line_nm
            assert [w for w in frame.warnings if said in w]
