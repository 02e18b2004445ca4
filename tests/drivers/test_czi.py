"""CZI: scenes, mosaics, pyramids, codecs, and electron images in a light format."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.czi import DRIVER
from clemd_drivers.simulated._czi import CziTile, czi_bytes, encode_czi
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._shots import LightShot, Stage

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

_CHANNEL = (
    "<Channel Id='Channel:0' Name='Refl'><AcquisitionMode>"
    "LaserScanningConfocalMicroscopy</AcquisitionMode></Channel>"
)


def document(
    *,
    scaling: str = "<Distance Id='X'><Value>2.5E-07</Value></Distance>",
    channels: str = _CHANNEL,
    scenes: str = "",
    more: str = "",
) -> str:
    """A metadata document as ZEN writes it."""
    return (
        "<ImageDocument><Metadata><Information><Image><AcquisitionDateAndTime>"
        "2024-03-05T06:07:08.1234567Z</AcquisitionDateAndTime><Dimensions><Channels>"
        f"{channels}</Channels><S><Scenes>{scenes}</Scenes></S></Dimensions></Image>"
        f"</Information><Scaling><Items>{scaling}</Items></Scaling>{more}</Metadata>"
        "</ImageDocument>"
    )


def noise(seed: int, shape: tuple[int, ...] = (96, 128)) -> np.ndarray:
    """A plane without a zero in it."""
    return np.random.default_rng(seed).integers(1, 4000, shape, dtype=np.uint16)


class TestCziDriver(FormatDriverSuite):
    """The contract, on a confocal image with a scene."""

    driver = DRIVER

    def tile(self) -> CziTile:
        """The only tile."""
        return CziTile(pixels=noise(1), starts={"C": 0, "S": 0})

    def write_good(self, path: Path) -> GoodFile:
        """One tile, one scene."""
        scene = "<Scene Index='0'><CenterPosition>1250.5,-20</CenterPosition></Scene>"
        path.write_bytes(czi_bytes([self.tile()], document(scenes=scene)))
        return GoodFile(
            path=path,
            planes=(noise(1),),
            modality=Modality.CLSM,
            pixel_size_um=(0.25, 0.25),
            stage_um=(1250.5, -20.0),
        )


class TestZstandardCzi(TestCziDriver):
    """The same, compressed as ZEN does it today: low bytes first, then high bytes."""

    def tile(self) -> CziTile:
        """Packed and compressed."""
        halves = np.frombuffer(noise(1).tobytes(), np.uint8).reshape(-1, 2).T
        data = b"\3\1\1" + imagecodecs.zstd_encode(halves.tobytes())
        starts = {"C": 0, "S": 0}
        return CziTile(pixels=noise(1), starts=starts, compression=6, data=data)


@pytest.mark.parametrize(
    ("compression", "header", "codec"),
    [
        (5, b"", imagecodecs.zstd_encode),
        (6, b"\1", imagecodecs.zstd_encode),
        (4, b"", imagecodecs.jpegxr_encode),
    ],
)
def test_lossless_codecs_give_the_pixels_back(
    compression: int, header: bytes, codec, tmp_path: Path
) -> None:
    """Most files of the last years are compressed."""
    pixels = noise(2)
    argument = pixels if compression == 4 else pixels.tobytes()
    data = header + codec(argument)
    tile = CziTile(pixels=pixels, compression=compression, data=data)
    (tmp_path / "a.czi").write_bytes(czi_bytes([tile], document()))
    _, planes = read_all(DRIVER, tmp_path / "a.czi")

    np.testing.assert_array_equal(planes[0], pixels)


def test_tiles_lie_at_their_stated_places_later_over_earlier(tmp_path: Path) -> None:
    """A mosaic that is off by a pixel moves every overlay."""
    first, second = noise(1, (40, 50)), noise(2, (40, 50))
    tiles = [
        CziTile(pixels=second, x=1030, y=-495, starts={"M": 1}),
        CziTile(pixels=first, x=1000, y=-500, starts={"M": 0}),
    ]
    (tmp_path / "a.czi").write_bytes(czi_bytes(tiles, document()))
    frame, (plane,) = read_all(DRIVER, tmp_path / "a.czi")

    assert frame.shape == (45, 80)
    np.testing.assert_array_equal(plane[5:, 30:], second)
    np.testing.assert_array_equal(plane[:40, :30], first[:, :30])
    assert not plane[:5, 50:].any()


def test_middle_of_the_tiles_is_the_stage_where_no_scene_says_it(
    tmp_path: Path,
) -> None:
    """Old files state positions with the tiles only."""
    tiles = [
        CziTile(
            pixels=noise(k, (40, 50)),
            x=40 * k,
            starts={"M": k},
            facts=f"<METADATA><Tags><StageXPosition>+{100 + 10 * k}.5</StageXPosition>"
            "<StageYPosition>-7</StageYPosition><FocusPosition>3</FocusPosition></Tags>"
            "</METADATA>",
        )
        for k in range(3)
    ]
    (tmp_path / "a.czi").write_bytes(czi_bytes(tiles, document()))
    frame, _ = read_all(DRIVER, tmp_path / "a.czi")

    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um, frame.stage.z_um) == (110.5, -7.0, 3.0)


def test_every_scene_is_a_frame_and_the_largest_stands_for_the_file(
    tmp_path: Path,
) -> None:
    """Scenes are places apart: stitching them would invent empty specimen."""
    shapes = {0: (20, 30), 1: (60, 80), 4: (60, 80)}
    tiles = [
        CziTile(pixels=noise(s, shape), x=10_000 * s, starts={"S": s})
        for s, shape in shapes.items()
    ]
    scenes = "<Scene Index='1' Name='P&amp;2'/><Scene Index='4' Name='P3'/>"
    (tmp_path / "a.czi").write_bytes(czi_bytes(tiles, document(scenes=scenes)))
    frame, (plane,) = read_all(DRIVER, tmp_path / "a.czi")

    np.testing.assert_array_equal(plane, noise(1, (60, 80)))
    assert "3 scenes in the file: the largest, 'P&2', is used" in frame.warnings
    with SourceFile.open(tmp_path / "a.czi") as source:
        assert DRIVER.positions(source) == 3
        for position, (scene, shape) in enumerate(shapes.items()):
            with DRIVER.open_at(source, position) as reader:
                assert reader.frame.shape == shape
                np.testing.assert_array_equal(reader.plane(0), noise(scene, shape))


def test_levels_of_a_pyramid_are_not_planes(tmp_path: Path) -> None:
    """They are half the size and would be stitched over the image."""
    level = CziTile(pixels=noise(9, (48, 64)), size=(96, 128))
    tiles = [level, CziTile(pixels=noise(1))]
    (tmp_path / "a.czi").write_bytes(czi_bytes(tiles, document()))
    _, planes = read_all(DRIVER, tmp_path / "a.czi")

    np.testing.assert_array_equal(planes[0], noise(1))


def test_colour_camera_gives_red_green_and_blue(tmp_path: Path) -> None:
    """CZI stores blue first."""
    pixels = noise(3, (40, 50, 3)).astype(np.uint8)
    (tmp_path / "a.czi").write_bytes(czi_bytes([CziTile(pixels=pixels)], document()))
    frame, planes = read_all(DRIVER, tmp_path / "a.czi")

    assert [c.name for c in frame.channels] == ["Refl red", "Refl green", "Refl blue"]
    np.testing.assert_array_equal(np.dstack(planes), pixels[..., ::-1])


@pytest.mark.parametrize("value", ["0", "", "1", "-1E-07", "NaN", "none"])
def test_scaling_without_meaning_is_no_pixel_size(value: str, tmp_path: Path) -> None:
    """Nought and one metre are what programs write that do not know."""
    scaling = f"<Distance Id='X'><Value>{value}</Value></Distance>"
    data = czi_bytes([CziTile(pixels=noise(1))], document(scaling=scaling))
    (tmp_path / "a.czi").write_bytes(data)
    frame, _ = read_all(DRIVER, tmp_path / "a.czi")

    assert frame.pixel_size is None
    assert "no pixel size in the CZI metadata" in frame.warnings


def test_laser_line_in_the_detected_band_is_a_reflection(tmp_path: Path) -> None:
    """ZEN calls the channel fluorescence whatever it detects."""
    channel = (
        "<Channel Id='c' Name='Ch1'><ContrastMethod>Fluorescence</ContrastMethod>"
        "<ExcitationWavelength>488</ExcitationWavelength>"
        "<DetectionWavelength><Ranges>480-496</Ranges></DetectionWavelength></Channel>"
    )
    data = czi_bytes([CziTile(pixels=noise(1))], document(channels=channel))
    (tmp_path / "a.czi").write_bytes(data)
    frame, _ = read_all(DRIVER, tmp_path / "a.czi")

    assert frame.channels[0].kind is ChannelKind.REFLECTED


def test_unfinished_file_waits(tmp_path: Path) -> None:
    """The writer says so in the header."""
    data = bytearray(czi_bytes([CziTile(pixels=noise(1))], document()))
    struct.pack_into("<i", data, 32 + 68, 1)
    (tmp_path / "a.czi").write_bytes(data)

    with pytest.raises(IncompleteFileError, match="not written yet"):
        read_all(DRIVER, tmp_path / "a.czi")


def test_black_rows_before_written_segments_are_an_image(tmp_path: Path) -> None:
    """Cameras see nothing at the edge of many fields."""
    pixels = noise(1)
    pixels[32:] = 0
    data = czi_bytes([CziTile(pixels=pixels)], document())
    (tmp_path / "a.czi").write_bytes(data)
    _, planes = read_all(DRIVER, tmp_path / "a.czi")

    np.testing.assert_array_equal(planes[0], pixels)


def _patched(at: int, form: str, value: int) -> bytes:
    data = bytearray(czi_bytes([CziTile(pixels=noise(1))], document()))
    struct.pack_into(form, data, at, value)
    return bytes(data)


_TILE = 544
"""Where the first tile's segment starts."""
_TILE_ENTRY = _TILE + 32 + 16


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_patched(84, "<q", 1 << 40), "ZISRAWDIRECTORY"),
        (_patched(84, "<q", -5), "is said to be"),
        (_patched(84, "<q", 544), "no segment ZISRAWDIRECTORY"),
        (_patched(92, "<q", 1 << 62), "is said to be"),
        (_patched(_TILE + 32 + 8, "<q", 1 << 40), "a CZI tile of"),
        (_patched(_TILE + 32 + 8, "<q", 10), "not a real image|holds 10 of"),
        (_patched(_TILE + 32, "<i", -1), "a CZI tile of"),
    ],
)
def test_impossible_places_are_refused_in_one_line(
    data: bytes, words: str, tmp_path: Path
) -> None:
    """Sizes in a file are claims of its writer."""
    (tmp_path / "a.czi").write_bytes(data)
    started = time.process_time()
    with pytest.raises((RefusedFileError, IncompleteFileError), match=words) as raised:
        read_all(DRIVER, tmp_path / "a.czi")

    assert str(raised.value).isprintable()
    assert time.process_time() - started < 1.0


def test_tile_far_away_does_not_become_a_huge_canvas(tmp_path: Path) -> None:
    """One wrong position must not cost all memory."""
    tiles = [CziTile(pixels=noise(1)), CziTile(pixels=noise(2), x=2**30, y=2**30)]
    (tmp_path / "a.czi").write_bytes(czi_bytes(tiles, document()))

    with pytest.raises(RefusedFileError, match="mosaic"):
        read_all(DRIVER, tmp_path / "a.czi")


@pytest.mark.parametrize(
    ("compression", "data", "words"),
    [
        (2, b"x" * 24_576, "compressed with LZW"),
        (999, b"x" * 24_576, "scheme 999"),
        (6, b"\7" * 24_576, "Zstandard header of 7"),
        (6, b"\1" + b"x" * 24_576, "decoding CZI tiles failed"),
        (5, imagecodecs.zstd_encode(bytes(100_000)), "holds|decodes|failed"),
    ],
)
def test_tiles_that_cannot_be_decoded_are_refused(
    compression: int, data: bytes, words: str, tmp_path: Path
) -> None:
    """Every codec reads hostile bytes."""
    tile = CziTile(
        pixels=np.ones((96, 128), np.uint16), compression=compression, data=data
    )
    (tmp_path / "a.czi").write_bytes(czi_bytes([tile], document()))

    with pytest.raises(RefusedFileError, match=words):
        read_all(DRIVER, tmp_path / "a.czi")


def test_entity_bomb_is_refused(tmp_path: Path) -> None:
    """Document types have no business in an image."""
    bomb = (
        '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ImageDocument>'
        "<Metadata>&b;</Metadata></ImageDocument>"
    )
    (tmp_path / "a.czi").write_bytes(czi_bytes([CziTile(pixels=noise(1))], bomb))

    with pytest.raises(RefusedFileError, match="document type"):
        read_all(DRIVER, tmp_path / "a.czi")


def test_wiring_of_the_stand_is_passed_over(tmp_path: Path) -> None:
    """ZEN nests it deeper than any reader should follow."""
    deep = "<Part>" * 90 + "</Part>" * 90
    more = (
        "<Experiment><HardwareSetting Name='Before'/></Experiment>"
        f"<HardwareSetting>{deep}</HardwareSetting>"
    )
    data = czi_bytes([CziTile(pixels=noise(1))], document(more=more))
    (tmp_path / "a.czi").write_bytes(data)
    frame, _ = read_all(DRIVER, tmp_path / "a.czi")

    assert frame.pixel_size is not None


@dataclass(frozen=True)
class Real:
    """What the raw header of a real file says, typed by hand."""

    name: str
    shape: tuple[int, int]
    dtype: str
    channels: tuple[tuple[str, str], ...]
    pixel_um: float | None
    stage: tuple[float, float, float | None] | None
    acquired: datetime | None
    instrument: str | None
    modality: str = "widefield"
    mean: float = 0.0
    warned: tuple[str, ...] = ()


_Z = UTC
_GLOWS = "fluorescence"
_REAL = [
    Real(
        "vendor_lm/czi/1_tileregion.czi", (570, 1480), "uint16", (("EGFP", _GLOWS),),
        0.4, (47729.178, 35660.098, 111.842),
        datetime(2022, 9, 30, 11, 3, 6, 216808, _Z), "Celldiscoverer 7",
    ),
    Real(
        "vendor_lm/czi/Airyscan.czi", (480, 480), "uint16",
        (("ChA-T1", _GLOWS), ("ChA-T2", _GLOWS)),
        0.043929408516605243, (-1269.98, 3135.31, -120.564),
        datetime(2015, 2, 13, 11, 18, 44), "LSM 880, AxioObserver", "clsm",  # noqa: DTZ001
        warned=("no time of acquisition", "'ChA-T1': time point 3 of 3"),
    ),
    Real(
        "vendor_lm/czi/CellDivision_T3_Z5_CH2_X240_Y170.czi", (170, 240), "uint16",
        (("LED555", _GLOWS), ("LED470", _GLOWS)),
        0.090576674152210312, (16977.153, 18621.489, 1114.49),
        datetime(2016, 2, 12, 9, 41, 2, 491560, _Z), "Castor.Stand",
        warned=("'LED470': time point 3 of 3, the maximum over 5 depths",),
    ),
    Real(
        "vendor_lm/czi/DAPI_GFP.czi", (640, 640), "uint8",
        (("DAPI", _GLOWS), ("GFP", _GLOWS)), None, None,
        datetime(2016, 12, 1, 16, 13, 46, 297817, timezone(timedelta(hours=1))), None,
        warned=("no pixel size",),
    ),
    Real(
        "vendor_lm/czi/FOV7_HV110_P0500510000.czi", (512, 512), "uint8",
        (("channel 0", "unknown"),), None, None, None, None, "unknown",
        warned=("no pixel size",),
    ),
    Real(
        "vendor_lm/czi/S3_1Pos_2Mosaic_T1_Z1_CH1.czi", (237, 352), "uint16",
        (("DAPI", _GLOWS),), 1.6, (38679.412, 13260.298, None),
        datetime(2021, 6, 15, 6, 9, 43, 30481, _Z), "Celldiscoverer 7",
        warned=("3 scenes in the file: the largest, 'TR2', is used",),
    ),
    Real(
        "vendor_lm/czi/WellD6_S1.czi", (440, 544), "uint16", (("AF488", _GLOWS),),
        0.1, (49500.0, 35500.0, 111.842),
        datetime(2023, 1, 6, 10, 41, 51, 721758, _Z), "Celldiscoverer 7",
    ),
    Real(
        "vendor_lm/czi/nuc_small.czi", (240, 320), "uint8", (("AF568", _GLOWS),),
        0.45715068250381635, (4261.294, 8361.406, 683.0),
        datetime(2016, 7, 4, 14, 52, 8, 447341, _Z), "Celldiscoverer 7",
    ),
    Real(
        "vendor_sem/Al2O3_SE_020_sp.czi", (1536, 2048), "uint8", (("BSD4 A", "bse"),),
        0.02791, (48_471.0, 49_975.0, 36_978.0),
        datetime(2021, 11, 22, 11, 31, 22), "Crossbeam 550", "sem",  # noqa: DTZ001
    ),
]  # fmt: skip


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize("real", _REAL, ids=lambda real: Path(real.name).stem)
def test_real_file_says_what_its_raw_header_says(real: Real) -> None:
    """Typed by hand from the raw XML; two readers may share a mistake."""
    frame, planes = read_all(DRIVER, REAL_DATA / real.name)
    size, pose = frame.pixel_size, frame.stage

    assert (frame.shape, frame.dtype) == (real.shape, real.dtype)
    assert [(c.name, c.kind.value) for c in frame.channels] == list(real.channels)
    assert frame.modality == real.modality
    assert (frame.acquired_at, frame.instrument) == (real.acquired, real.instrument)
    assert all(plane.shape == real.shape and plane.std() > 0 for plane in planes)
    assert (size is None) == (real.pixel_um is None)
    if size is not None:
        assert (size.x_um, size.y_um) == pytest.approx((real.pixel_um,) * 2, rel=1e-9)
    found = (pose.x_um, pose.y_um, pose.z_um) if pose else None
    assert found == (pytest.approx(real.stage) if real.stage else None)
    for words in real.warned:
        assert [w for w in frame.warnings if words in w]


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real files are not here")
def test_electron_image_in_a_light_format_keeps_its_turn_and_tilt() -> None:
    """The stage of the SEM lies in an appliance of the document."""
    frame, _ = read_all(DRIVER, REAL_DATA / "vendor_sem/Al2O3_SE_020_sp.czi")

    assert frame.stage is not None
    pose = frame.stage
    assert (pose.rotation_deg, pose.tilt_deg, pose.scan_rotation_deg) == (16.2, 0, 0)


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="the real files are not here")
def test_every_scene_of_a_real_file_has_its_own_place() -> None:
    """One position and two mosaics, compressed; centres typed from the raw XML."""
    path = REAL_DATA / "vendor_lm/czi/S3_1Pos_2Mosaic_T1_Z1_CH1.czi"
    expected = [
        ("TR1", (122, 295), (38397.296, 12724.718)),
        ("P1", (64, 64), (37980.0, 13020.0)),
        ("TR2", (237, 352), (38679.412, 13260.298)),
    ]
    with SourceFile.open(path) as source:
        assert DRIVER.positions(source) == 3
        for position, (name, shape, centre) in enumerate(expected):
            with DRIVER.open_at(source, position) as reader:
                frame, plane = reader.frame, reader.plane(0)
            assert frame.stage is not None
            assert (frame.extra["scene"], plane.shape) == (name, shape)
            assert (frame.stage.x_um, frame.stage.y_um) == centre


def test_simulated_confocal_writes_what_it_was_told(tmp_path: Path) -> None:
    """Demo and tests stand on it."""
    shot = LightShot(
        name="map.czi",
        field=Field.at(shape=(40, 50), pixel_um=0.31),
        metadata_pixel_um=0.3,
        stage=Stage(x_um=1234.5, y_um=-678.25, z_um=9.0),
        acquired_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        sample="liver 7",
        habit="plain",
        seed=1,
    )
    pixels = np.stack([noise(k, (40, 50)) for k in range(3)])
    (tmp_path / "map.czi").write_bytes(encode_czi(shot, pixels))
    frame, planes = read_all(DRIVER, tmp_path / "map.czi")

    np.testing.assert_array_equal(np.stack(planes), pixels)
    assert [c.kind.value for c in frame.channels] == [
        "reflected",
        "fluorescence",
        "fluorescence",
    ]
    assert frame.modality is Modality.CLSM
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(0.3)
    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um) == pytest.approx((1234.5, -678.25))
    assert frame.acquired_at is not None
    assert frame.acquired_at.isoformat().startswith("2026-03-04T05:06:0")
