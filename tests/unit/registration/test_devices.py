"""One code for every device: nothing is left behind on the CPU, and no bit differs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from clemd.model import PosePrior, Registration, Verdict
from clemd.preparing import prepare
from clemd.registration import EngineContext, engine_named, use_threads
from clemd.testing import MixedDevicesError, PretendDevice

Register = Callable[[str], Registration]


@pytest.fixture
def register(texture: Callable[..., Any]) -> Register:
    """The default engine on a pair whose EM image lies turned round on its map."""
    lm = texture(11)
    em = np.ascontiguousarray(lm[60:220, 40:240][::-1, ::-1])

    def register(device: str) -> Registration:
        return engine_named("auto").register(
            prepare([em]),
            prepare([lm]),
            PosePrior(pixel_size_ratio=1.0),
            EngineContext(device=device),
        )

    return register


def test_repeated_runs_agree_to_the_last_bit(register: Register, device: str) -> None:
    """On every device that this machine has."""
    first, second = register(device), register(device)
    assert first.verdict is Verdict.ACCEPTED
    assert first.em_to_lm == second.em_to_lm
    assert first.evidence == second.evidence


def test_number_of_threads_changes_no_bit(register: Register) -> None:
    """A result must be repeatable on a machine with other cores."""
    answers = []
    for count in (1, 2, 5):
        use_threads(count)
        answers.append(register("cpu"))
    use_threads(2)
    assert answers[0].em_to_lm == answers[1].em_to_lm == answers[2].em_to_lm
    assert answers[0].evidence == answers[1].evidence == answers[2].evidence


def test_devices_agree_to_a_hundredth_of_a_pixel(
    register: Register, device: str
) -> None:
    """The CPU's arithmetic is the measure; sums of floats differ in their last bits."""
    here, there = register("cpu").em_to_lm, register(device).em_to_lm
    assert there == pytest.approx(np.asarray(here), abs=1e-2)


def test_nothing_is_left_on_the_cpu(register: Register) -> None:
    """The whole engine on a device that refuses the CPU's tensors, as a GPU would."""
    on_cpu = register("cpu")
    with PretendDevice():
        away = register(PretendDevice.NAME)
    assert away.em_to_lm == on_cpu.em_to_lm
    assert away.evidence == on_cpu.evidence


def test_pretended_device_refuses_what_a_gpu_refuses() -> None:
    """Or the test above could not fail."""
    with PretendDevice():
        away = torch.arange(3, device=PretendDevice.NAME)
        assert (away + away).tolist() == [0, 2, 4]
        with pytest.raises(MixedDevicesError, match="left on the CPU"):
            away + torch.arange(3)
