"""Energy series: many pages, a voltage for each, one frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd.model import ChannelKind, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd.testing._format_suite import recognises
from clemd_drivers.formats.sehi import DRIVER
from clemd_drivers.formats.thermo import DRIVER as THERMO
from clemd_drivers.simulated import EnergySeries, encode_series

_SHAPE = (12, 72, 96)


def series(bands: int = _SHAPE[0]) -> EnergySeries:
    """Noise at falling mirror voltages."""
    noise = np.random.default_rng(3).integers(1, 250, (bands, *_SHAPE[1:]))
    return EnergySeries(
        field_um=48.0,
        bands=noise.astype(np.uint8),
        mirror_v=np.linspace(17.99, -4.95, bands).round(4),
        to_specimen=(np.eye(3),) * bands,
    )


def write(path: Path, taken: EnergySeries, listed: str = "") -> Path:
    """The file, and the text beside it if there is one."""
    path.write_bytes(encode_series(taken))
    if listed:
        path.with_suffix(".txt").write_text(listed, "utf-8")
    return path


class TestEnergySeriesDriver(FormatDriverSuite):
    """The contract, on a series as the simulated microscope writes it."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Twelve bands at 0.5 µm."""
        taken = series()
        write(path, taken)
        return GoodFile(
            path=path,
            planes=tuple(taken.bands),
            modality=Modality.HYPERSPECTRAL,
            pixel_size_um=(0.5, 0.5),
        )


def test_each_page_is_a_channel_with_its_voltage(tmp_path: Path) -> None:
    """The axis is kept as recorded; energies are the profile's to say."""
    frame, _ = read_all(DRIVER, write(tmp_path / "a.tif", series()))

    assert frame.spectral_axis == pytest.approx(series().mirror_v)
    assert frame.spectral_unit == "V"
    assert {c.kind for c in frame.channels} == {ChannelKind.SPECTRAL}
    assert frame.extra["axis"] == "TLD/Mirror"


def test_single_page_is_left_to_the_thermo_reader(tmp_path: Path) -> None:
    """One image at one voltage is an ordinary image."""
    path = write(tmp_path / "a.tif", series(1))

    assert not recognises(DRIVER, path)
    assert recognises(THERMO, path)


def test_series_is_asked_before_single_images() -> None:
    """The Thermo reader would take the first page and leave the rest."""
    assert DRIVER.priority < THERMO.priority


def test_list_beside_decides(tmp_path: Path) -> None:
    """Whoever wrote it knows this series better than a stale header."""
    rows = "\n".join(f"{page};{page / 4:g}" for page in range(12, 0, -1))
    path = write(
        tmp_path / "a.tif", series(), f"pixel_um;0.25\npage;energy_ev\n{rows}\n"
    )
    frame, _ = read_all(DRIVER, path)

    assert frame.spectral_axis == tuple(page / 4 for page in range(1, 13))
    assert frame.spectral_unit == "eV"
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == 0.25
    assert "a.txt" in frame.extra["axis"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,3\n2,4\n", "page 3 of 12 is not listed"),
        ("1,3\n1,4\n", "page 1 is listed twice"),
        ("1,high\n", "not two numbers"),
    ],
)
def test_wrong_list_is_refused_in_words(rows: str, said: str, tmp_path: Path) -> None:
    """A shifted list would shift every spectrum."""
    path = write(tmp_path / "a.tif", series(), "page,mirror_v\n" + rows)

    with pytest.raises(RefusedFileError, match=said):
        read_all(DRIVER, path)


def test_page_without_voltage_is_refused_and_named(tmp_path: Path) -> None:
    """Eleven voltages for twelve bands fit no calibration."""
    path = tmp_path / "a.tif"
    data = encode_series(series())
    at = data.rfind(b"Mirror=")
    path.write_bytes(data[:at] + b"Mirrox=" + data[at + 7 :])

    with pytest.raises(RefusedFileError, match="page 12 of 12"):
        read_all(DRIVER, path)


def test_voltages_out_of_order_are_told(tmp_path: Path) -> None:
    """The file is read; the engine will ask for a mend."""
    taken = series()
    taken.mirror_v[[4, 7]] = taken.mirror_v[[7, 4]]
    frame, _ = read_all(DRIVER, write(tmp_path / "a.tif", taken))

    assert any("neither rise nor fall" in line for line in frame.warnings)


def test_plain_stack_without_voltages_is_not_ours(tmp_path: Path) -> None:
    """A z stack has pages as well."""
    path = tmp_path / "a.tif"
    path.write_bytes(encode_series(series()).replace(b"Mirror=", b"Mirrox="))

    with SourceFile.open(path) as source:
        assert not DRIVER.recognises(source)
