"""Which engine speaks under `auto`, and what is said where one refuses."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.bench._specimens import positive, simulator
from clemd.bench.methods._vibrational import RAMAN, error_of, vibrational_pair
from clemd.geometry import as_matrix, corner_errors
from clemd.model import Channel, ChannelKind, Frame, Modality, PixelSize, Verdict
from clemd.pipeline import Request, register_pair
from clemd.sides import Loaded

Bands = NDArray[Any]


def loaded(
    name: str,
    bands: Bands,
    pixel_um: float,
    *,
    axis: tuple[float, ...] = (),
    unit: str = "",
    modality: Modality = Modality.HYPERSPECTRAL,
) -> Loaded:
    """(bands, height, width) as a driver hands them over."""
    kind = (
        ChannelKind.SPECTRAL
        if modality is Modality.HYPERSPECTRAL
        else ChannelKind.TRANSMITTED
    )
    frame = Frame(
        path=f"/data/{name}",
        driver="test",
        driver_version="1",
        modality=modality,
        shape=(int(bands.shape[1]), int(bands.shape[2])),
        dtype=bands.dtype.name,
        channels=tuple(Channel(name=str(k), kind=kind) for k in range(len(bands))),
        pixel_size=PixelSize(x_um=pixel_um, y_um=pixel_um, source="test"),
        spectral_axis=axis,
        spectral_unit=unit,
        content_sha256=name,
    )
    return Loaded(frame=frame, planes=tuple(bands))


@pytest.fixture(scope="module")
def series() -> tuple[Any, Any]:
    """(large field, small field) of one simulated specimen."""
    large, small = simulator().render_series(12, size="small", fields_um=(100.0, 40.0))
    return large, small


def side(name: str, taken: Any, bands: slice = slice(None)) -> Loaded:
    """An energy series, or some of its bands."""
    return loaded(
        name,
        taken.bands[bands],
        taken.pixel_um,
        axis=tuple(taken.energies_ev[bands]),
        unit="eV",
    )


def test_auto_asks_multimodal_where_the_engine_for_series_refuses(
    series: tuple[Any, Any],
) -> None:
    """Forty bands on forty-nine: no spectra to compare, but the same specimen."""
    large, small = series
    em, lm = side("em.tif", small, slice(9, None)), side("lm.tif", large)
    found = register_pair(em, lm, Request(device="cpu"))
    truth = simulator().em_to_lm(small, large, 48, 48)

    assert found.engine == "multimodal"
    assert found.verdict is not Verdict.REJECTED, found.reasons
    error = corner_errors(as_matrix(found.em_to_lm or []), truth, em.frame.shape)
    assert error.max() < 2
    assert found.reasons[-1] == (
        "spatio-spectral was asked first and refused: the two series have 40 and 49 "
        "bands: export the same ones"
    )
    again = register_pair(em, lm, Request(device="cpu", engine=found.engine))
    assert again.em_to_lm == found.em_to_lm


def test_an_engine_that_was_named_is_not_replaced(series: tuple[Any, Any]) -> None:
    """Who names one wants to hear that one, its refusal too."""
    large, small = series
    em, lm = side("em.tif", small, slice(9, None)), side("lm.tif", large)
    found = register_pair(em, lm, Request(device="cpu", engine="spatio-spectral"))

    assert (found.engine, found.verdict) == ("spatio-spectral", Verdict.REJECTED)
    assert found.reasons == (
        "the two series have 40 and 49 bands: export the same ones",
    )


def test_what_every_engine_refuses_is_said_once(series: tuple[Any, Any]) -> None:
    """A speck on the map is no matter of spectra."""
    large, small = series
    request = Request(device="cpu", pixel_ratio=100.0)
    found = register_pair(side("em.tif", small), side("lm.tif", large), request)

    assert (found.engine, found.verdict) == ("spatio-spectral", Verdict.REJECTED)
    (reason,) = found.reasons
    assert "too small to recognise" in reason


def test_every_band_takes_part_only_where_a_series_was_laid(
    series: tuple[Any, Any],
) -> None:
    """A rejected pair that was never refined has used no band at all."""
    large, small = series
    turned = replace(side("em.tif", small), planes=tuple(small.bands[:, ::-1]))
    request = Request(device="cpu", engine="spatio-spectral")
    found = register_pair(turned, side("lm.tif", large), request)
    right = register_pair(side("em.tif", small), side("lm.tif", large), request)

    assert found.verdict is Verdict.REJECTED
    assert not any("take part" in reason for reason in found.reasons)
    assert "49 bands of both series take part" in right.reasons


def test_a_cube_without_an_axis_says_that_its_bands_were_not_used() -> None:
    """The header lost its wavelengths: that is why there is no spectral engine."""
    pair = vibrational_pair(1, replace(RAMAN, bands=40))
    em = loaded("cube.raw", pair.cube, 5.0)
    guide = loaded("guide.tif", pair.guide[None], 1.0, modality=Modality.WIDEFIELD)
    found = register_pair(em, guide, Request(device="cpu"))

    assert found.engine == "multimodal"
    assert found.reasons[-1] == (
        "the 40 bands were not used as spectra, but their sum as one picture: cube.raw "
        "states no spectral axis"
    )
    if found.verdict is Verdict.ACCEPTED:
        assert error_of(pair, as_matrix(found.em_to_lm or [])) < 5


def test_a_cube_whose_axis_turns_back_is_laid_by_multimodal() -> None:
    """Two ranges glued together are no spectrum; their sum is a picture."""
    pair = vibrational_pair(1, replace(RAMAN, bands=40))
    axis = (*pair.axis[20:], *pair.axis[:20])
    em = loaded("cube.raw", pair.cube, 5.0, axis=axis, unit="1/cm")
    guide = loaded("guide.tif", pair.guide[None], 1.0, modality=Modality.WIDEFIELD)
    found = register_pair(em, guide, Request(device="cpu"))

    assert found.engine == "multimodal"
    assert "does not run one way" in found.reasons[-1]
    assert found.reasons[-1].startswith("global-gradient was asked first and refused")


def test_a_pixel_size_that_its_file_contradicts_is_not_searched_with() -> None:
    """Wrong by two: nothing would lie on the map; so any scale is looked at."""
    trial = positive("session", "small", 21)
    assert trial.em_to_lm is not None
    scale = math.sqrt(abs(float(np.linalg.det(trial.em_to_lm[:2, :2]))))
    sem, wide = Modality.SEM, Modality.WIDEFIELD
    em = loaded("em.tif", trial.em[None], 2 * scale, modality=sem)
    lm = loaded("lm.tif", trial.lm[None], 1.0, modality=wide)
    assert em.frame.pixel_size is not None
    doubted = replace(em.frame.pixel_size, relative_sigma=math.log(2))
    em = replace(em, frame=replace(em.frame, pixel_size=doubted))
    found = register_pair(em, lm, Request(device="cpu"))

    assert found.verdict is Verdict.ACCEPTED, found.reasons
    assert found.pixel_size_ratio == pytest.approx(1 / scale, rel=0.01)
    (warning,) = found.warnings
    assert f"contradict themselves about the ratio {0.5 / scale:.4f}" in warning
