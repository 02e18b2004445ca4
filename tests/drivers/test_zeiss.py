"""SmartSEM images: display pixel sizes, swapped letters and painted bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from clemd.model import ChannelKind, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.zeiss import DRIVER

_WIDTH, _HEIGHT, _BAR = 512, 384, 33


def smartsem_text(**changes: str | None) -> bytes:
    """The tag of a 512 px wide image with 11.65 nm pixels; None removes a key."""
    facts: dict[str, str | None] = {
        "DP_DETECTOR_CHANNEL": "Signal A = InLens",
        "DP_SCAN_ROT": "Scan Rot = Off",
        "AP_SCANROTATION": "Scan Rotation = 145.6 °",
        "AP_PIXEL_SIZE": "Pixel Size = 5.825 nm",
        "AP_IMAGE_PIXEL_SIZE": "Image Pixel Size = 11.65 nm",
        "AP_WIDTH": "Width = 5.965 µm",
        "AP_STAGE_GOTO_X": "Stage goto X = 99.0 mm",
        "AP_STAGE_AT_X": "Stage at X = 48.5090 mm",
        "AP_STAGE_AT_Y": "Stage at Y = 61.2000 mm",
        "AP_STAGE_AT_Z": "Stage at Z = 10.000 mm",
        "AP_STAGE_AT_T": "Stage at T =   2.0 °",
        "AP_STAGE_AT_R": "Stage at R = 233.5 °",
        "AP_DATE": "Date :5 Sep 2018",
        "AP_TIME": "Time :8:20:42",
        "SV_SAMPLE_ID": "Sample ID = 0012",
        "SV_SERIAL_NUMBER": "Serial No. = Merlin-1234",
        **changes,
    }
    group = ["5.825e-009", "1.0e+004", "6", "5000.0", "2.27", "2e-10", "0.005"]
    lines = ["0", "0", "0", *group[:1], *(group[1:] * 5), str(len(facts))]
    for key, text in facts.items():
        if text is not None:
            lines += [key, text]
    return "\r\n".join(lines).encode("cp1252") + b"\r\n\0\0"


def write(path: Path, text: bytes, *, bar: bool = True) -> np.ndarray:
    """A palette image with an optional painted bar."""
    pixels = np.random.default_rng(3).integers(
        1, 250, (_HEIGHT, _WIDTH), dtype=np.uint8
    )
    if bar:
        pixels[-_BAR:] = 225
        pixels[-_BAR + 8 : -8, 40:200:4] = 10
    ramp = np.arange(256, dtype=np.uint16) * 257
    tifffile.imwrite(
        path,
        pixels,
        photometric="palette",
        colormap=np.stack([ramp, ramp[::-1], ramp]),
        rowsperstrip=_HEIGHT,
        metadata=None,
        software=False,
        extratags=[(34118, 2, len(text), text, True)],
    )
    return pixels


class TestZeissDriver(FormatDriverSuite):
    """The contract, on a file as SmartSEM writes it."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """A palette image with a painted bar."""
        return GoodFile(
            path=path,
            planes=(write(path, smartsem_text()),),
            modality=Modality.SEM,
            pixel_size_um=(0.01165, 0.01165),
            stage_um=(48_509.0, 61_200.0),
            info_bar_rows=_BAR,
        )


def test_rotation_and_tilt_are_not_swapped(tmp_path: Path) -> None:
    """AT_T is tilt and AT_R is rotation, whatever the letters suggest."""
    write(tmp_path / "a.tif", smartsem_text())
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.stage is not None
    assert (frame.stage.rotation_deg, frame.stage.tilt_deg) == (233.5, 2.0)


@pytest.mark.parametrize(("switch", "angle"), [("Off", 0.0), ("On", 145.6)])
def test_scan_rotation_counts_only_when_switched_on(
    switch: str, angle: float, tmp_path: Path
) -> None:
    """The angle stays in the file when the switch is off."""
    write(tmp_path / "a.tif", smartsem_text(DP_SCAN_ROT=f"Scan Rot = {switch}"))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.stage is not None
    assert frame.stage.scan_rotation_deg == angle


def test_old_file_without_image_pixel_size_is_scaled_from_the_display(
    tmp_path: Path,
) -> None:
    """AP_PIXEL_SIZE belongs to a 1024 px display: half of the truth for 512 px."""
    text = smartsem_text(AP_IMAGE_PIXEL_SIZE=None, AP_WIDTH=None)
    write(tmp_path / "a.tif", text)
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(0.01165, rel=1e-6)


def test_pixel_sizes_that_disagree_are_reported(tmp_path: Path) -> None:
    """More than one percent apart: one of them is wrong and a person must know."""
    write(tmp_path / "a.tif", smartsem_text(AP_WIDTH="Width = 6.3 µm"))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert [w for w in frame.warnings if "AP_WIDTH says 0.0123" in w]
    assert frame.pixel_size is not None
    assert frame.pixel_size.relative_sigma == pytest.approx(0.055, abs=0.001)


def test_image_without_bar_has_none(tmp_path: Path) -> None:
    """A bar that is not there must not cost the user a tenth of the image."""
    write(tmp_path / "a.tif", smartsem_text(), bar=False)
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.info_bar_rows == 0


def test_text_values_keep_their_zeros_and_time_its_naivety(tmp_path: Path) -> None:
    """A sample called 0012 is not sample 12; the file states no time zone."""
    write(tmp_path / "a.tif", smartsem_text())
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.sample == "0012"
    assert frame.acquired_at is not None
    assert frame.acquired_at.isoformat() == "2018-09-05T08:20:42"
    assert frame.channels[0].kind is ChannelKind.SE
