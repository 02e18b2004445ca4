"""Spectral maps and the camera image in the same file, by hand and in the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clemd.bench.methods._vibrational import RAMAN, error_of, vibrational_pair
from clemd.client import Client
from clemd.geometry import apply, as_matrix
from clemd_drivers.simulated._wdf import SpectralShot, WhiteShot, encode_wdf

pytestmark = pytest.mark.slow
TECHNIQUE = replace(RAMAN, bands=40)
"""Fewer bands than a spectrometer's: each is a file in the cache."""
PAIR = vibrational_pair(6, TECHNIQUE)
CORNER_UM, PIXEL_UM = (1200.0, -340.0), 0.8
TABLES = '[page]\nport = 0\n[registration]\nengine = "global-gradient"\nmirror = "no"\n'


def write(path: Path) -> None:
    """The map where its device believes it to be, and the white-light image."""
    first = apply(PAIR.stated, [(0.0, 0.0)])[0] + 0.5
    step = float(PAIR.stated[0, 0]) * PIXEL_UM
    shot = SpectralShot(
        cube=PAIR.cube,
        axis=PAIR.axis,
        first_um=(
            CORNER_UM[0] + float(first[0]) * PIXEL_UM,
            CORNER_UM[1] + float(first[1]) * PIXEL_UM,
        ),
        step_um=(step, step),
        snake=True,
    )
    white = WhiteShot(pixels=PAIR.guide, corner_um=CORNER_UM, pixel_um=PIXEL_UM)
    path.write_bytes(encode_wdf(shot, white))


def test_a_map_is_laid_on_the_image_in_its_own_file(clemd: Any, tmp_path: Path) -> None:
    """The device is pixels off; the bands' edges are not, and the weights are told."""
    file = tmp_path / "a.wdf"
    write(file)
    found = clemd.json(
        "register", file, file, "--lm-scene", "2", "--engine", "global-gradient"
    )

    assert found["verdict"] == "accepted", found["reasons"]
    assert error_of(PAIR, PAIR.stated) > 7
    assert error_of(PAIR, as_matrix(found["em_to_lm"])) < 0.5
    assert 0 < found["evidence"]["band_0_1"] <= 1
    assert "carry most of the guide's gradient" in " ".join(found["reasons"])


def test_a_plain_image_is_refused_by_the_spectral_engine(
    clemd: Any, tmp_path: Path
) -> None:
    """Words and exit code 3, no traceback."""
    file = tmp_path / "a.wdf"
    write(file)
    done = clemd(
        "register", file, file, "--em-scene", "2", "--lm-scene", "2",
        "--engine", "global-gradient",
    )  # fmt: skip

    assert done.returncode == 3
    assert "no spectral axis" in done.stdout


def test_a_spectrum_is_described_in_one_line(clemd: Any, tmp_path: Path) -> None:
    """Forty channels, and a thousand even less, are no list to read."""
    file = tmp_path / "a.wdf"
    write(file)
    done = clemd("inspect", file)

    assert "40: 710 1/cm (spectral), 737.692 1/cm (spectral) ... 1790 1/cm" in (
        done.stdout
    )


def test_the_service_pairs_both_images_of_one_file(daemon: Callable[..., Any]) -> None:
    """Map and camera image go to their sides, find each other, and are laid."""
    service = daemon(tables=TABLES)
    service.start()
    part = service.em / "a.wdf.part"
    write(part)
    part.rename(service.em / "a.wdf")
    service.wait_for_file("a.wdf", "read", root="em")

    def laid() -> Any:
        rows = service.ask(lambda reader: reader.registrations())
        return rows[0].registration if rows else None

    found = service.wait_until(laid, "registered")
    sides = service.ask(
        lambda reader: {
            side: [row.frame.modality.value for row in reader.frames(side=side)]
            for side in ("em", "lm")
        }
    )
    assert sides == {"em": ["hyperspectral"], "lm": ["widefield"]}
    assert found.engine == "global-gradient"
    assert error_of(PAIR, as_matrix(found.em_to_lm)) < 0.5
    service.wait_for_results(1)
    check_spectrum(service)


def check_spectrum(service: Any) -> None:
    """The spectrum at a place is the cube's, also when its planes have to be read anew.

    Programs may ask about an image of last week, when the cache has let it go.
    """
    (row,) = service.ask(lambda reader: reader.frames(side="em"))
    for plane in (service.state / "cache").glob("*.npy"):
        plane.unlink()
    with Client(state=service.state) as client:
        told = client.command(
            "spectrum", frame_id=row.id, px=[12, 9], radius_px=0, timeout_s=60
        )
    assert (told["axis_name"], told["unit"]) == ("wavenumber", "1/cm")
    assert told["axis"] == pytest.approx(PAIR.axis, rel=1e-5)
    assert told["values"] == pytest.approx(PAIR.cube[:, 9, 12], rel=1e-4)
