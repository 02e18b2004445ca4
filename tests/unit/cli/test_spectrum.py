"""`clemd spectrum`: what an energy series shows at one place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clemd.cli._spectrum import show_spectrum
from clemd.errors import UsageError
from clemd_drivers.simulated import EnergySeries, encode_series


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten bands that brighten by ten greys each."""
    bands = np.stack([np.full((48, 64), 20 + 10 * k, np.uint8) for k in range(10)])
    series = EnergySeries(
        field_um=32.0,
        bands=bands,
        mirror_v=np.linspace(18, 0, 10),
        to_specimen=(np.eye(3),) * 10,
    )
    path = tmp_path_factory.mktemp("spectrum") / "series.tif"
    path.write_bytes(encode_series(series))
    return path


def test_json_has_energies_and_slope(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 V are 0.8892 eV: ten greys a band are 11.25 per eV."""
    assert show_spectrum(file, "30,20", radius_px=2, profile=None, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)

    assert told["schema"] == "clemd.spectrum/1"
    assert told["energies_ev"][-1] == 6.0
    assert told["passed"][0] == 20.0
    assert told["emitted_per_ev"][4] == pytest.approx(10 / 0.8892, rel=1e-3)
    assert told["pixels"] == 25


def test_profile_says_what_a_volt_is(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same file on another instrument has other energies."""
    profile = tmp_path / "p.toml"
    profile.write_text("[registration]\nenergy_from_mirror = [-0.5, 7.0]\n")
    show_spectrum(file, "30,20", radius_px=0, profile=profile, as_json=True)

    assert json.loads(capsys.readouterr().out)["energies_ev"][0] == -2.0


def test_words_draw_the_spectrum(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a band."""
    show_spectrum(file, "30,20", radius_px=1, profile=None, as_json=False)
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "mean of 9 px"
    assert lines[1] == "energy (eV): emitted per eV"
    assert len(lines) == 12
    assert "####" in lines[5]


def test_place_off_the_image_is_named(file: Path) -> None:
    """With the image's size."""
    with pytest.raises(UsageError, match="64 x 48"):
        show_spectrum(file, "64,20", radius_px=1, profile=None, as_json=True)
