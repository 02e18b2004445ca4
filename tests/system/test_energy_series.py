"""Energy series through the whole service: paired, laid, aligned, asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from clemd.client import Client, RejectedError
from clemd.geometry import as_matrix, corner_errors
from clemd.model import Modality, Verdict
from clemd_drivers.simulated import (
    EnergySeries,
    em_to_lm,
    render_series,
    write_series,
)

pytestmark = pytest.mark.slow

TABLES = """
[page]
port = 0
[pairing]
session_from = "none"
"""
Service = tuple[Any, tuple[EnergySeries, EnergySeries]]


@pytest.fixture(scope="module")
def service(
    daemon_type: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A large field as the map, a small one as the image."""
    folder = tmp_path_factory.mktemp("series")
    large, small = render_series(21, size="small", fields_um=(100.0, 40.0))
    map_file, image = write_series(folder, (large, small), 21)
    daemon = daemon_type(tmp_path_factory.mktemp("service"), tables=TABLES)
    try:
        daemon.start()
        for path, into in ((map_file, daemon.lm), (image, daemon.em)):
            shutil.copy(path, into / f".{path.name}.part")
            (into / f".{path.name}.part").rename(into / path.name)
        daemon.wait_for_results(1)
        yield daemon, (large, small)
        if daemon.is_running:
            daemon.stop()
    finally:
        daemon.close()


def result(service: Service) -> Any:
    """The one result."""
    (row,) = service[0].ask(lambda reader: reader.registrations())
    return row


def test_auto_takes_two_series_to_their_engine(service: Service) -> None:
    """Nobody has to name it; and the answer is right."""
    row = result(service)
    large, small = service[1]
    found = row.registration
    bands = [
        int(np.abs(s.energies_ev - found.evidence[key]).argmin())
        for s, key in ((small, "em_band_ev"), (large, "lm_band_ev"))
    ]
    truth = em_to_lm(small, large, *bands)
    shape = (small.bands.shape[1], small.bands.shape[2])

    assert found.engine == "spatio-spectral"
    assert found.verdict is Verdict.ACCEPTED
    assert corner_errors(as_matrix(found.em_to_lm), truth, shape).mean() < 0.25


def test_aligned_series_is_written_beside_the_overlay(service: Service) -> None:
    """Every band, on the map's px, with its energy."""
    daemon, (large, _) = service
    name = result(service).outputs["aligned"]
    path = next(Path(daemon.state).rglob(Path(name).name))
    with tifffile.TiffFile(path) as file:
        assert file.series[0].shape == large.bands.shape
        assert "8.20 eV" in (file.ome_metadata or "")


def test_bus_tells_the_spectrum_at_a_place(service: Service) -> None:
    """Of either side, with the energies of the profile."""
    daemon, (_, small) = service
    row = result(service)
    with Client(state=daemon.state) as client:
        told = client.command(
            "spectrum", frame_id=row.em_frame_id, px=[100, 80], timeout_s=60
        )
        with pytest.raises(RejectedError, match="480 x 320"):
            client.command("spectrum", frame_id=row.em_frame_id, px=[480, 80])
    seen = small.bands[:, 78:83, 98:103].mean((1, 2))

    assert told["energies_ev"] == pytest.approx(small.energies_ev, abs=1e-3)
    assert told["passed"] == pytest.approx(seen, abs=1e-2)


def test_frames_are_hyperspectral_with_their_voltages(service: Service) -> None:
    """What the file said is kept, in volts."""
    frames = service[0].ask(lambda reader: reader.frames())

    assert {row.frame.modality for row in frames} == {Modality.HYPERSPECTRAL}
    assert all(row.frame.spectral_unit == "V" for row in frames)
    assert all(len(row.frame.spectral_axis) == 49 for row in frames)
