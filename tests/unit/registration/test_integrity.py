"""A wrong number on the way to a matrix is noticed where it could matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from clemd.errors import WrongResultError
from clemd.model import PosePrior, Registration, TransformModel, Verdict
from clemd.preparing import prepare
from clemd.registration import EngineContext, engine_named, noting
from clemd.registration._fields import field_of
from clemd.registration._identities import (
    demand_field,
    demand_histogram,
    demand_inner_products,
    demand_numbers,
)
from clemd.registration._integrity import _check_field
from clemd.testing import PretendDevice

Fault = Callable[[str, Tensor], Tensor | None]
Register = Callable[[Fault | None], Registration]


@pytest.fixture
def register(texture: Callable[..., Any]) -> Register:
    """The default engine on the pretended device, with a fault of its own."""
    lm = texture(11)
    em = np.ascontiguousarray(lm[60:220, 40:240][::-1, ::-1])
    images = prepare([em]), prepare([lm])

    def register(fault: Fault | None) -> Registration:
        with PretendDevice(fault=fault):
            return engine_named("multimodal").register(
                *images,
                PosePrior(pixel_size_ratio=1.0),
                EngineContext(device=PretendDevice.NAME),
            )

    return register


class From:
    """Breaks every result of one operation, from the nth on that is large enough."""

    def __init__(
        self, name: str, nth: int, change: Callable[[Tensor], Tensor], least: int = 0
    ) -> None:
        self.name, self.nth, self.change, self.least = name, nth, change, least
        self.seen = 0

    def __call__(self, name: str, result: Tensor) -> Tensor | None:
        """What the device says instead."""
        if name != self.name or result.numel() < self.least:
            return None
        self.seen += 1
        return self.change(result) if self.seen > self.nth else None


def test_device_that_computes_rightly_hears_no_complaint(register: Register) -> None:
    """A check that cried wolf would be switched off."""
    with noting() as notes:
        found = register(None)
    assert found.verdict is Verdict.ACCEPTED
    assert notes == []


@pytest.mark.parametrize(("shear", "bend_px"), [(0.06, 0.0), (0.03, 4.0)])
def test_content_that_asks_for_ever_more_shear_is_no_fault_of_the_device(
    texture: Callable[..., Any], shear: float, bend_px: float
) -> None:
    """An affine has not done its last step when the engine's steps are done."""
    y, x = np.mgrid[0:200, 0:240].astype(np.float32)
    at_x = (1 + shear) * x + shear / 2 * y + 55 + bend_px * np.sin(y / 35)
    at_y = (1 - shear) * y + 50 + bend_px * np.cos(x / 40)
    lm = texture(5, 320)
    em = cv2.remap(
        lm.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    with noting() as notes:
        found = engine_named("multimodal").register(
            prepare([em]),
            prepare([lm]),
            PosePrior(pixel_size_ratio=1.0, mirror=False),
            EngineContext(),
        )
    assert found.model is TransformModel.AFFINE
    assert found.verdict is not Verdict.REJECTED
    assert notes == []


def moved_map(result: Tensor) -> Tensor:
    """As if read from addresses a row and two columns further."""
    return result.roll((1, 2), (-2, -1))


def test_map_sampled_beside_its_place_is_noticed(register: Register) -> None:
    """All surfaces then agree with each other, and the matrix is off by px."""
    counted = From("grid_sampler", 10**6, moved_map)
    register(counted)
    late = From("grid_sampler", counted.seen // 2, moved_map)
    with pytest.raises(WrongResultError, match="correlates wrongly"):
        register(late)


def test_field_of_other_pixels_is_noticed(register: Register) -> None:
    """Its directions are those of something else."""
    with pytest.raises(WrongResultError, match="edges where the image has none"):
        register(_swapped_axes())


def _swapped_axes() -> Fault:
    """Real for imaginary parts, as by a stale buffer between the two."""

    def fault(name: str, result: Tensor) -> Tensor | None:
        if name != "cat" or result.dim() != 4 or result.shape[1] != 2:
            return None
        return result.flip(1)

    return fault


@pytest.mark.parametrize("shift", [(1, 0), (0, 3)])
def test_correlation_that_lost_its_place_is_noticed(
    register: Register, shift: tuple[int, int]
) -> None:
    """Every transform back lies a little beside its place."""

    def fault(name: str, result: Tensor) -> Tensor | None:
        if name not in {"fft_irfft2", "_fft_c2r"}:
            return None
        return result.roll(shift, (-2, -1))

    with pytest.raises(WrongResultError, match="Fourier transform"):
        register(fault)


def test_score_that_is_no_number_is_noticed(register: Register) -> None:
    """It would only drop candidates, and the pair would be called hopeless."""

    def fault(name: str, result: Tensor) -> Tensor | None:
        return result * float("nan") if name in {"fft_irfft2", "_fft_c2r"} else None

    with pytest.raises(WrongResultError, match="not a number"):
        register(fault)


def test_sums_that_hold_pass_and_others_do_not() -> None:
    """Each identity by itself, with the smallest thing that breaks it."""
    one = torch.tensor([[[1.0, 0.5]], [[0.0, 0.25]]])
    inner, norm = (one * one).sum()[None], (one * one).sum()[None].double()
    demand_inner_products(inner, one, one[None], norm)
    demand_histogram(torch.full((4, 4), 1 / 16), torch.tensor(1.0))
    demand_field(one)
    demand_numbers(one)

    with pytest.raises(WrongResultError):
        demand_inner_products(inner * 1.01, one, one[None], norm)
    with pytest.raises(WrongResultError):
        demand_histogram(torch.full((4, 4), 1 / 15), torch.tensor(1.0))
    with pytest.raises(WrongResultError):
        demand_field(one * 1e30)
    with pytest.raises(WrongResultError):
        demand_field(one * float("nan"))
    with pytest.raises(WrongResultError):
        demand_numbers(one * float("inf"))


def half_empty(seed: int) -> Any:
    """A map of which one part shows much and the other hardly a grey value."""
    noise = np.random.default_rng(seed).normal(size=(2, 300, 300))
    much = 90 + 225 * cv2.GaussianBlur(noise[0], (0, 0), 2.0)
    little = 6 + 3 * cv2.GaussianBlur(noise[1], (0, 0), 3.0)
    return np.clip(np.where(np.arange(300) < 130, much, little), 0, 255).astype(
        np.uint8
    )


def test_empty_places_of_a_map_are_no_fault_of_the_device() -> None:
    """Where there is nothing to be seen, noise alone decides what runs where."""
    image = prepare([half_empty(5)])
    field = field_of(image, 1.0, torch.device("cpu"))
    for seed in range(100):
        _check_field(image, field, 1.0, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "change",
    [
        lambda z: z.roll((3, 0), (1, 2)),
        lambda z: torch.cat([-z[1:2], z[:1], z[2:]]),
        lambda z: torch.cat([z[:1] + 0.05 * z[2:], z[1:]]),
        lambda z: torch.cat([z[:2] * float("nan"), z[2:]]),
    ],
    ids=["beside its place", "turned", "leaning", "no number"],
)
def test_wrong_field_of_such_a_map_is_noticed_at_every_seed(
    change: Callable[[Tensor], Tensor],
) -> None:
    """Looking where there is something to be seen must not make the check lenient."""
    image = prepare([half_empty(5)])
    field = field_of(image, 1.0, torch.device("cpu"))
    wrong = replace(field, z=change(field.z))
    for seed in range(20):
        with pytest.raises(WrongResultError):
            _check_field(image, wrong, 1.0, np.random.default_rng(seed))
