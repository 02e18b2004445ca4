"""A wrong result is noticed before it leaves, whichever way it became wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clemd.bench._plan import Maker
from clemd.bench._trial import Spec
from clemd.errors import WrongResultError
from clemd.geometry import as_rows, translation
from clemd.model import ErrorRadius, PreparedImage, Registration, Verdict
from clemd.preparing import prepare
from clemd.registration import EngineContext, check_known_answer, recheck
from clemd.registration._rechecking import measure
from clemd.testing import PretendDevice

TRUE = np.array([[-1.0, 0.0, 239.0], [0.0, -1.0, 219.0], [0.0, 0.0, 1.0]])


@dataclass
class Pair:
    """Two images and a result that is right."""

    em: PreparedImage
    lm: PreparedImage
    found: Registration

    def recheck(self, **changed: Any) -> Registration:
        """The last look at the result, with something changed."""
        return recheck(self.em, self.lm, replace(self.found, **changed))


@pytest.fixture(scope="module")
def pair(texture: Callable[..., Any]) -> Pair:
    """An EM image that lies turned round on its map."""
    lm = texture(11)
    em = np.ascontiguousarray(lm[60:220, 40:240][::-1, ::-1])
    found = Registration(
        verdict=Verdict.ACCEPTED,
        confidence=0.99,
        em_to_lm=as_rows(TRUE),
        error_lm_px=ErrorRadius(p50=0.1, p95=0.2),
        evidence={"hits": 1.0},
    )
    return Pair(prepare([em]), prepare([lm]), found)


def beside(x_px: float) -> Any:
    """The true matrix, moved on the map."""
    return as_rows(np.array([[1, 0, x_px], [0, 1, 0], [0, 0, 1.0]]) @ TRUE)


def test_right_result_stays_as_it_is(pair: Pair) -> None:
    """On the CPU, and on a device that computes like it."""
    with PretendDevice():
        there = pair.recheck(device=PretendDevice.NAME)

    assert pair.recheck() == pair.found
    assert there == replace(pair.found, device=PretendDevice.NAME)


def test_result_beside_its_place_is_not_believed(pair: Pair) -> None:
    """A device is refused; the CPU is the last resort and asks a person."""
    doubted = pair.recheck(em_to_lm=beside(3.0))
    with (
        PretendDevice(),
        pytest.raises(WrongResultError, match=r"finds the place 3\.\d"),
    ):
        pair.recheck(em_to_lm=beside(3.0), device=PretendDevice.NAME)

    assert doubted.verdict is Verdict.REVIEW
    assert "a last look finds the place 3." in doubted.warnings[-1]


RETINA = {
    # (turn and scale, shift) as the engine places the two photographs, and its radius
    "retina_38": ((0.9058, 0.08), (-12.97, 40.82), 2.29),
    "retina_73": ((0.952, -0.1557), (8.11, 88.83), 1.23),
}


@pytest.mark.parametrize("name", sorted(RETINA))
def test_bent_content_that_pulls_a_coarse_look_aside_is_no_fault(
    name: str, real_data: Path
) -> None:
    """Two photographs of one eye: the look goes beyond its limit, and gains nothing."""
    (a, b), (x, y), p95 = RETINA[name]
    matrix = np.array([[a, -b, x], [b, a, y], [0.0, 0.0, 1.0]])
    spec = Spec(
        source="real", pair=name, tier="mild", kind="positive", seed=510, size="small"
    )
    trial = Maker(real_data / "pairs").make(spec)
    assert trial is not None
    em, lm = prepare([trial.em], reduction=trial.ratio), prepare([trial.lm])
    found = Registration(
        verdict=Verdict.ACCEPTED,
        confidence=0.95,
        em_to_lm=as_rows(matrix),
        error_lm_px=ErrorRadius(p50=p95 / 2, p95=p95),
    )
    far = replace(found, em_to_lm=as_rows(translation(0.0, 6 * p95) @ matrix))

    seen = measure(em, lm, matrix, torch.device("cpu"), torch.float64)
    assert seen.moved_lm_px > max(seen.own_px, 3 * p95)  # what used to be an alarm

    assert recheck(em, lm, found) == found
    assert recheck(em, lm, far).verdict is Verdict.REVIEW


def test_device_that_computes_wrongly_is_found(pair: Pair) -> None:
    """The matrix is right, but by luck: what the device says of it is not so."""

    def fault(name: str, result: Tensor) -> Tensor | None:
        if not name.startswith("grid_sampler"):
            return None
        part = result.clone()
        part[..., :20, :] = 0.0
        return part

    with (
        PretendDevice(fault=fault),
        pytest.raises(WrongResultError, match="finds an agreement of"),
    ):
        pair.recheck(device=PretendDevice.NAME)


@pytest.mark.parametrize(
    "changed",
    [
        {"em_to_lm": as_rows(TRUE * np.nan)},
        {"evidence": {"hits": float("nan")}},
        {"error_lm_px": ErrorRadius(p50=0.1, p95=float("nan"))},
        {"confidence": float("nan")},
        {"em_to_lm": beside(5000.0)},
    ],
    ids=["matrix", "evidence", "radius", "confidence", "off the map"],
)
def test_nonsense_is_no_result(pair: Pair, changed: dict[str, Any]) -> None:
    """On the CPU too."""
    with pytest.raises(WrongResultError):
        pair.recheck(**changed)


def test_rejected_pair_has_nothing_to_look_at(pair: Pair) -> None:
    """And costs nothing."""
    rejected = replace(pair.found, verdict=Verdict.REJECTED, em_to_lm=None)
    assert recheck(pair.em, pair.lm, rejected) is rejected


def test_known_answer_is_given_again_and_again() -> None:
    """The same bits, or a device is not what it was."""
    first = check_known_answer(EngineContext())
    assert check_known_answer(EngineContext()).em_to_lm == first.em_to_lm


def test_device_without_the_known_answer_is_found() -> None:
    """Correlations that lie a little beside the place, as by wrong addresses."""

    def fault(name: str, result: Tensor) -> Tensor | None:
        if name not in {"fft_irfft2", "_fft_c2r"}:
            return None
        return result.roll((3, 3), (-2, -1))

    with PretendDevice(fault=fault), pytest.raises(WrongResultError, match="known-ans"):
        check_known_answer(EngineContext(device=PretendDevice.NAME))
