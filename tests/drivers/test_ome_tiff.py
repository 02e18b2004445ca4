"""OME-TIFF: units, planes, names of other files, and what a channel shows."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats._kind import ChannelClues, decide
from clemd_drivers.formats.ome_tiff import DRIVER

_NS = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_CHANNELS = (
    '<Channel ID="Channel:0:0" Name="Reflection" ContrastMethod="Other" '
    'AcquisitionMode="LaserScanningConfocalMicroscopy" ExcitationWavelength="488" '
    'EmissionWavelength="488"/>'
    '<Channel ID="Channel:0:1" Name="GFP" ContrastMethod="Fluorescence" '
    'Fluor="EGFP" ExcitationWavelength="488" EmissionWavelength="510"/>'
)
_PLANE = (
    '<Plane TheC="0" TheZ="0" TheT="0" PositionX="1.25" PositionY="-2.5" '
    'PositionXUnit="mm" PositionYUnit="mm"/>'
)


def xml(
    *,
    size: str = 'PhysicalSizeX="325" PhysicalSizeXUnit="nm" PhysicalSizeY="0.325"',
    c: int = 2,
    z: int = 1,
    channels: str = _CHANNELS,
    blocks: str = "<TiffData/>",
    plane: str = _PLANE,
) -> bytes:
    """An OME document for planes of 96 x 128 px."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{_NS}" UUID="urn:uuid:1">'
        '<Project ID="Project:0" Name="liver 7"/><Dataset ID="D:0" Name="day 3"/>'
        '<Instrument ID="I:0"><Microscope Manufacturer="Maker" Model="LSM 9"/>'
        '</Instrument><Image ID="Image:0" Name="map"><AcquisitionDate>'
        "2026-03-04T05:06:07Z</AcquisitionDate>"
        f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="128" '
        f'SizeY="96" SizeC="{c}" SizeZ="{z}" SizeT="1" {size}>{channels}{blocks}'
        f"{plane}</Pixels></Image></OME>"
    ).encode()


def write(
    path: Path, planes: np.ndarray, document: bytes, *, compression: str | None = None
) -> None:
    """One page per plane, the document in the first."""
    with tifffile.TiffWriter(path) as tiff:
        for k, plane in enumerate(planes):
            tiff.write(
                plane,
                photometric="minisblack",
                description=document if k == 0 else None,
                metadata=None,
                contiguous=False,
                compression=compression,
            )


def noise(n: int) -> np.ndarray:
    """`n` planes without a zero in them."""
    return np.random.default_rng(n).integers(1, 4000, (n, 96, 128), dtype=np.uint16)


class TestOmeTiffDriver(FormatDriverSuite):
    """The contract, on a two-channel confocal map."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Uncompressed, pixel size in mixed units."""
        write(path, noise(2), xml())
        return GoodFile(
            path=path,
            planes=tuple(noise(2)),
            modality=Modality.CLSM,
            pixel_size_um=(0.325, 0.325),
            stage_um=(1250.0, -2500.0),
        )


class TestCompressedOmeTiff(TestOmeTiffDriver):
    """The same, deflated."""

    def write_good(self, path: Path) -> GoodFile:
        """Deflate leaves nothing of the rows to recognise."""
        good = super().write_good(path)
        write(path, noise(2), xml(), compression="zlib")
        return good


def test_names_hints_and_kinds_are_read(tmp_path: Path) -> None:
    """Pairing starts from them."""
    write(tmp_path / "a.tif", noise(2), xml())
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert (frame.sample, frame.session) == ("liver 7", "day 3")
    assert frame.instrument == "Maker LSM 9"
    assert [c.kind for c in frame.channels] == [
        ChannelKind.REFLECTED,
        ChannelKind.FLUORESCENCE,
    ]
    assert frame.acquired_at is not None
    assert frame.acquired_at.utcoffset() is not None


def test_length_without_unit_is_micrometres(tmp_path: Path) -> None:
    """The schema's default; writers leave it out."""
    write(tmp_path / "a.tif", noise(2), xml(size='PhysicalSizeX="0.5"'))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert (frame.pixel_size.x_um, frame.pixel_size.y_um) == (0.5, 0.5)


@pytest.mark.parametrize("size", ["1e-300", "1e9"])
def test_size_that_cannot_be_true_is_shown_and_not_used(
    size: str, tmp_path: Path
) -> None:
    """It would become the scale of an overlay."""
    stated = f'PhysicalSizeX="{size}" PhysicalSizeY="{size}"'
    write(tmp_path / "a.tif", noise(2), xml(size=stated))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is None
    assert any(
        f"says {float(size):g} µm, which cannot be true" in w for w in frame.warnings
    )


def test_edge_that_cannot_be_true_takes_the_other_ones_length(tmp_path: Path) -> None:
    """Pixels are square but for a reason."""
    stated = 'PhysicalSizeX="0.25" PhysicalSizeY="1e9"'
    write(tmp_path / "a.tif", noise(2), xml(size=stated))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert (frame.pixel_size.x_um, frame.pixel_size.y_um) == (0.25, 0.25)
    assert any("1e+09 µm, which cannot be true" in w for w in frame.warnings)


@pytest.mark.parametrize("unit", ['PositionXUnit="reference frame"', ""])
def test_position_without_scale_is_not_a_stage_position(
    unit: str, tmp_path: Path
) -> None:
    """`reference frame` is a number of nobody knows what."""
    plane = f'<Plane TheC="0" TheZ="0" TheT="0" PositionX="3" PositionY="4" {unit}/>'
    write(tmp_path / "a.tif", noise(2), xml(plane=plane))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.stage is None


def test_missing_pages_mean_that_the_file_is_still_being_written(
    tmp_path: Path,
) -> None:
    """The metadata come first and promise what is to follow."""
    write(tmp_path / "a.tif", noise(2), xml(c=2, z=3))

    with pytest.raises(IncompleteFileError, match="promise 6 pages, the file has 2"):
        read_all(DRIVER, tmp_path / "a.tif")


def test_sharpest_plane_of_a_stack_is_used_and_named(tmp_path: Path) -> None:
    """Planes out of focus hold nothing to register."""
    stack = np.full((3, 96, 128), 100, np.uint16)
    stack[1, ::2] = 900
    channel = '<Channel ID="Channel:0:0" Name="R"/>'
    write(tmp_path / "a.tif", stack, xml(c=1, z=3, channels=channel))
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    np.testing.assert_array_equal(planes[0], stack[1])
    assert [w for w in frame.warnings if "z 1, the sharpest of 3 depths" in w]


@pytest.mark.parametrize("name", ["../secret.tif", "/etc/secret.tif", "secret.tif"])
def test_other_files_named_in_metadata_are_never_opened(
    name: str, tmp_path: Path
) -> None:
    """A crafted document must not pull foreign pixels into a result."""
    (tmp_path / "sub").mkdir()
    secret = np.full((1, 96, 128), 4321, np.uint16)
    for folder in (tmp_path, tmp_path / "sub"):
        write(folder / "secret.tif", secret, xml(c=1))
    path = tmp_path / "sub" / "a.ome.tif"
    blocks = (
        '<TiffData IFD="0" FirstC="0"><UUID FileName="a.ome.tif">urn:uuid:1</UUID>'
        f'</TiffData><TiffData IFD="0" FirstC="1"><UUID FileName="{name}">urn:uuid:2'
        "</UUID></TiffData>"
    )
    write(path, noise(1), xml(blocks=blocks))
    frame, planes = read_all(DRIVER, path)

    assert len(planes) == 1
    assert planes[0].max() < 4321
    assert any("1 planes lie in other files" in w for w in frame.warnings)


_PAIR = (
    '<Channel ID="Channel:0:0" Name="Reflection" ContrastMethod="Other"/>'
    '<Channel ID="Channel:0:1" Name="DAPI" EmissionWavelength="461"/>'
)
_IN_TWO_FILES = "".join(
    f'<TiffData IFD="0" FirstC="{c}" PlaneCount="1"><UUID FileName="s_C{c}.ome.tif">'
    f"urn:uuid:file{c}</UUID></TiffData>"
    for c in range(2)
)


@pytest.mark.parametrize("companion", [False, True])
@pytest.mark.parametrize("name", ["s_C1.ome.tif", "renamed.tif"])
def test_second_file_of_a_set_shows_its_own_channel(
    name: str, companion: bool, tmp_path: Path
) -> None:
    """Named by position, its fluorescence was told as the first file's reflection."""
    document = xml(channels=_PAIR, blocks=_IN_TWO_FILES)
    if companion:
        (tmp_path / "s.companion.ome").write_bytes(document)
        document = (
            f'<?xml version="1.0"?><OME xmlns="{_NS}" UUID="urn:uuid:file1"><BinaryOnly'
            ' MetadataFile="s.companion.ome" UUID="urn:uuid:1"/></OME>'
        ).encode()
    else:
        document = document.replace(b'UUID="urn:uuid:1"', b'UUID="urn:uuid:file1"')
    write(tmp_path / name, noise(1), document)
    frame, planes = read_all(DRIVER, tmp_path / name)

    assert [(c.name, c.kind) for c in frame.channels] == [
        ("DAPI", ChannelKind.FLUORESCENCE)
    ]
    np.testing.assert_array_equal(planes[0], noise(1)[0])
    assert "1 planes lie in other files and are not read" in frame.warnings


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [('Name="DAPI"', "dye 'DAPI'"), ('Name="1" EmissionWavelength="461"', "emission")],
)
def test_dye_or_emission_alone_makes_a_channel_fluorescence(
    attributes: str, reason: str, tmp_path: Path
) -> None:
    """As in every other light format; many exporters write no contrast method."""
    channel = f'<Channel ID="Channel:0:0" {attributes}/>'
    write(tmp_path / "a.tif", noise(1), xml(c=1, channels=channel))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.channels[0].kind is ChannelKind.FLUORESCENCE
    assert reason in frame.channels[0].kind_reason


def test_colours_of_one_channel_are_told_apart(tmp_path: Path) -> None:
    """A camera's colour page is one channel of the metadata."""
    channel = (
        '<Channel ID="Channel:0:0" Name="Survey" SamplesPerPixel="3" '
        'ContrastMethod="Brightfield"/>'
    )
    pixels = np.random.default_rng(5).integers(1, 250, (96, 128, 3), dtype=np.uint8)
    document = xml(c=3, channels=channel)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb", description=document,
        metadata=None,
    )  # fmt: skip
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    assert [c.name for c in frame.channels] == [
        "Survey red", "Survey green", "Survey blue",
    ]  # fmt: skip
    assert {c.kind for c in frame.channels} == {ChannelKind.TRANSMITTED}
    np.testing.assert_array_equal(planes[2], pixels[..., 2])


def test_entity_bomb_is_refused(tmp_path: Path) -> None:
    """Document types have no business in an image."""
    bomb = b'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "aaaa">]><OME>&a;</OME>'
    write(tmp_path / "a.tif", noise(1), bomb)

    with pytest.raises(RefusedFileError, match="document type"):
        read_all(DRIVER, tmp_path / "a.tif")


def test_broken_document_costs_the_facts_not_the_image(tmp_path: Path) -> None:
    """The pixels are as good as ever."""
    write(tmp_path / "a.tif", noise(1), b"<OME><Image></OME>")
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    np.testing.assert_array_equal(planes[0], noise(1)[0])
    assert any("cannot be parsed" in w for w in frame.warnings)


def test_codec_outside_the_list_is_refused_by_name(tmp_path: Path) -> None:
    """Every codec is native code that reads hostile bytes."""
    write(tmp_path / "a.tif", noise(1), xml(c=1), compression="packbits")

    with pytest.raises(RefusedFileError, match="PackBits"):
        read_all(DRIVER, tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("clues", "kind"),
    [
        (ChannelClues(name="Ch1 reflected"), ChannelKind.REFLECTED),
        (ChannelClues(excitation_nm=488, bands_nm=((480, 496),)), "reflected"),
        (ChannelClues(dichroic="T80/R20"), "reflected"),
        (ChannelClues(name="Reflection", contrast="Fluorescence"), "reflected"),
        (ChannelClues(fluor="DAPI"), "fluorescence"),
        (ChannelClues(excitation_nm=405, emission_nm=450), "fluorescence"),
        (ChannelClues(emission_nm=461), "fluorescence"),
        (ChannelClues(name="Reflection", emission_nm=488), "reflected"),
        (ChannelClues(detector="T-PMT1"), "transmitted"),
        (ChannelClues(contrast="DIC"), "transmitted"),
        (ChannelClues(name="channel 3"), "unknown"),
    ],
)
def test_channel_kind_weighs_every_clue(clues: ChannelClues, kind: str) -> None:
    """OME has no word for reflection, so it has to be inferred, with a reason."""
    decided, reason = decide(clues)

    assert decided == kind
    assert reason


def described(path: Path, inner: str) -> Path:
    """A small image whose OME element holds `inner`."""
    ome = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    text = f'<?xml version="1.0"?><OME xmlns="{ome}">{inner}</OME>'
    pixels = np.full((40, 40), 9, np.uint16)
    tifffile.imwrite(path, pixels, description=text, metadata=None)
    return path


def test_metadata_of_very_many_elements_are_refused_at_once(tmp_path: Path) -> None:
    """They are counted before anything is built of them."""
    path = described(tmp_path / "a.tif", "<Image/>" * 300_000)

    with pytest.raises(RefusedFileError, match="too many elements"):
        read_all(DRIVER, path)


def test_very_long_value_is_read_once(tmp_path: Path) -> None:
    """Read anew with every small piece, six megabytes of it took seconds."""
    path = described(tmp_path / "a.tif", f'<Image Name="{"x" * 6_000_000}"/>')
    began_s = time.process_time()
    read_all(DRIVER, path)

    assert time.process_time() - began_s < 2.0
