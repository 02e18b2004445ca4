"""xT images: radians, metres, appended bars, and a directory at the end."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest

from clemd.model import ChannelKind, Modality, PixelSize
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.thermo import DRIVER

_WIDTH, _ROWS, _BAR = 384, 256, 21


def xt_text(date: str = "09/06/2016", **sections: str) -> bytes:
    """The INI text of a tilted stage; `sections` are appended."""
    text = f"""[User]
Date={date}
Time=05:06:40 PM
[System]
SystemType=Helios NanoLab" 660
Dnumber=D9999
[Beam]
HV=5000
Beam=EBeam
ScanRotation=0
[Scan]
PixelWidth=3.3724e-008
PixelHeight=3.3724e-008
[Stage]
StageX=-0.000407958
StageY=0.00725712
StageZ=0.01
StageR=-2.3611
StageT=0.523603
[Image]
ResolutionX={_WIDTH}
ResolutionY={_ROWS}
[Detectors]
Number=1
Name=CBS
Mode=Custom
[CBS]
Signal=BSE
[PrivateFei]
DatabarHeight={_BAR}
"""
    text += "".join(f"[{name}]\n{lines}\n" for name, lines in sections.items())
    return text.replace("\n", "\r\n").encode("cp1252") + b"\0"


def sized(correction: str, **changed: str) -> bytes:
    """`xt_text` with the fields stated too, and `changed` values of [Scan]."""
    said = {
        "PixelWidth": "3.3724e-008",
        "PixelHeight": "3.3724e-008",
        "HorFieldsize": f"{3.3724e-08 * _WIDTH:.6g}",
        "VerFieldsize": f"{3.3724e-08 * _ROWS:.6g}",
        **changed,
    }
    scan = "".join(f"{key}={value}\r\n" for key, value in said.items() if value)
    beam = f"HFW={3.3724e-08 * _WIDTH:.6g}\r\nTiltCorrectionIsOn={correction}\r\n"
    before = xt_text(EBeam=beam).decode("cp1252")
    head, _, rest = before.partition("[Scan]")
    return f"{head}[Scan]\r\n{scan}{rest[rest.index('[Stage]') :]}".encode("cp1252")


def write(path: Path, pixels: np.ndarray, tags: dict[int, bytes]) -> None:
    """A little-endian TIFF, one row per strip, directory last, as xT writes it."""
    height, width = pixels.shape
    body = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    offsets = [len(body) + row * width * pixels.itemsize for row in range(height)]
    body += pixels.tobytes()
    counts = [width * pixels.itemsize] * height
    entries: list[tuple[int, int, int, bytes]] = [
        (256, 4, 1, struct.pack("<I", width)),
        (257, 4, 1, struct.pack("<I", height)),
        (258, 3, 1, struct.pack("<HH", pixels.itemsize * 8, 0)),
        (259, 3, 1, struct.pack("<HH", 1, 0)),
        (262, 3, 1, struct.pack("<HH", 1, 0)),
        (273, 4, height, struct.pack(f"<{height}I", *offsets)),
        (277, 3, 1, struct.pack("<HH", 1, 0)),
        (278, 4, 1, struct.pack("<I", 1)),
        (279, 4, height, struct.pack(f"<{height}I", *counts)),
        *((code, 2, len(text), text) for code, text in tags.items()),
    ]
    directory = bytearray(struct.pack("<H", len(entries)))
    for code, kind, count, value in sorted(entries):
        if len(value) > 4:
            body += bytes(len(body) % 2)
            at = struct.pack("<I", len(body))
            body += value
        else:
            at = value.ljust(4, b"\0")
        directory += struct.pack("<HHI", code, kind, count) + at
    struct.pack_into("<I", body, 4, len(body))
    path.write_bytes(bytes(body + directory) + bytes(4))


def image(dtype: type = np.uint8) -> np.ndarray:
    """Noise with a bar below."""
    noise = np.random.default_rng(5).integers(1, 250, (_ROWS + _BAR, _WIDTH))
    noise[_ROWS:] = 7
    return noise.astype(dtype)


class TestThermoDriver(FormatDriverSuite):
    """The contract, on a file as xT writes it."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """An image with a bar appended and a stray empty tag."""
        write(path, image(), {34682: xt_text(), 34683: b"\0"})
        return GoodFile(
            path=path,
            planes=(image(),),
            modality=Modality.SEM,
            pixel_size_um=(0.033724, 0.033724),
            stage_um=(-407.958, 7257.12),
            info_bar_rows=_BAR,
        )


def test_stage_angles_are_turned_from_radians(tmp_path: Path) -> None:
    """-2.3611 is a rotation by -135 degrees, not by two."""
    write(tmp_path / "a.tif", image(), {34682: xt_text()})
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.stage is not None
    assert frame.stage.rotation_deg == pytest.approx(math.degrees(-2.3611))
    assert frame.stage.tilt_deg == pytest.approx(30.0, abs=0.01)


@pytest.mark.parametrize(
    ("private", "day"),
    [("TimeOfCreation=09.06.2016 17:06:40", "2016-06-09"), ("", "2016-09-06")],
)
def test_creation_time_settles_the_order_of_day_and_month(
    private: str, day: str, tmp_path: Path
) -> None:
    """09/06 is June or September, by the locale of a PC nobody knows."""
    write(tmp_path / "a.tif", image(), {34682: xt_text(PrivateFei=private)})
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.acquired_at is not None
    assert frame.acquired_at.isoformat() == f"{day}T17:06:40"


def read_sized(path: Path, text: bytes) -> tuple[PixelSize | None, list[str]]:
    """The pixel size of an image with that text, and what is said about pixels."""
    write(path, image(), {34682: text})
    frame, _ = read_all(DRIVER, path)
    return frame.pixel_size, [w for w in frame.warnings if "pixel" in w.lower()]


def test_pixel_size_that_agrees_with_the_field_is_told_without_a_word(
    tmp_path: Path,
) -> None:
    """Every real file says it three times alike."""
    size, said = read_sized(tmp_path / "a.tif", sized("no"))

    assert size is not None
    assert (size.relative_sigma, said) == (0.03, [])


@pytest.mark.parametrize("keys", [("PixelWidth",), ("PixelWidth", "PixelHeight")])
def test_pixel_size_that_contradicts_the_field_is_doubted_aloud(
    keys: tuple[str, ...], tmp_path: Path
) -> None:
    """Twice as large went through without a word."""
    text = sized("no", **dict.fromkeys(keys, "6.7448e-008"))
    size, said = read_sized(tmp_path / "a.tif", text)

    assert size is not None
    assert size.relative_sigma == pytest.approx(math.log(2), rel=1e-3)
    for other in ("Scan/HorFieldsize", "EBeam/HFW"):
        assert (
            f"pixel size: Scan/PixelWidth says 0.067448 µm, {other} says 0.033724 µm"
            in said
        )


@pytest.mark.parametrize(("correction", "doubted"), [("no", True), ("yes", False)])
def test_pixels_are_square_unless_the_tilt_is_corrected(
    correction: str, doubted: bool, tmp_path: Path
) -> None:
    """A height that is wrong shows in the field; a stretched one has its switch."""
    high, field = "4.7693e-008", f"{4.7693e-08 * _ROWS:.6g}"
    text = sized(correction, PixelHeight=high, VerFieldsize=field)
    size, said = read_sized(tmp_path / "a.tif", text)

    assert size is not None
    assert (size.x_um, size.y_um) == pytest.approx((0.033724, 0.047693))
    assert any("0.047693 µm high" in line for line in said) == doubted
    assert (size.relative_sigma > 0.3) == doubted


def test_width_that_cannot_be_true_leaves_it_to_the_field(tmp_path: Path) -> None:
    """A second statement is better than none."""
    size, said = read_sized(tmp_path / "a.tif", sized("no", PixelWidth="1e-300"))

    assert size is not None
    assert size.source == "Scan/HorFieldsize"
    assert size.x_um == pytest.approx(0.033724, rel=1e-5)
    assert said == ["Scan/PixelWidth = 1e-300 cannot be true and is not used"]


def test_sixteen_bit_is_kept_and_signal_names_the_kind(tmp_path: Path) -> None:
    """CBS collects backscattered electrons; the section of that name says so."""
    write(tmp_path / "a.tif", image(np.uint16), {34680: xt_text()})
    frame, planes = read_all(DRIVER, tmp_path / "a.tif")

    assert planes[0].dtype == np.uint16
    assert frame.channels[0].kind is ChannelKind.BSE


def test_xml_dialect_says_the_same(tmp_path: Path) -> None:
    """Newer systems write XML only."""
    xml = b"""<?xml version="1.0"?>
<Metadata xmlns:nil="http://schemas.fei.com/Metadata/v1/2013/07">
<Instrument><InstrumentClass>Helios</InstrumentClass></Instrument>
<StageSettings><StagePosition><X>0.001</X><Y>-0.002</Y><Rotation>1</Rotation>
</StagePosition></StageSettings>
<BinaryResult><PixelSize><X unit="m">5E-08</X><Y unit="m">5E-08</Y></PixelSize>
</BinaryResult></Metadata>\0"""
    write(tmp_path / "a.tif", image(), {34683: xml})
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(0.05)
    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um) == pytest.approx((1000, -2000))
