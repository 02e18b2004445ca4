"""A device with too little memory gets less at a time; the answer is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clemd.errors import DeviceFullError
from clemd.model import PosePrior, Registration
from clemd.preparing import prepare
from clemd.registration import EngineContext, engine_named
from clemd.testing import PretendDevice


class Memory:
    """Holds so many numbers in one result, and remembers what was asked of it."""

    def __init__(self, most: int) -> None:
        self.most, self.largest, self.refused = most, 0, 0

    def __call__(self, name: str, result: Tensor) -> Tensor | None:
        """Refuses what is too large."""
        if result.numel() > self.most:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        self.largest = max(self.largest, result.numel())
        return None


Register = Callable[[Memory], Registration]


@pytest.fixture
def register(texture: Callable[..., Any]) -> Register:
    """The default engine on the pretended device, with a memory of its own."""
    lm = texture(11)
    em = np.ascontiguousarray(lm[60:220, 40:240][::-1, ::-1])
    images = prepare([em]), prepare([lm])

    def register(memory: Memory) -> Registration:
        with PretendDevice(fault=memory):
            return engine_named("multimodal").register(
                *images,
                PosePrior(pixel_size_ratio=1.0),
                EngineContext(device=PretendDevice.NAME),
            )

    return register


def test_half_of_the_memory_gives_the_same_place(register: Register) -> None:
    """Parts of a batch settle by themselves, so only the last digits may differ."""
    enough = Memory(1 << 40)
    whole = register(enough)
    narrow = Memory(int(0.6 * enough.largest))
    found = register(narrow)
    assert narrow.refused > 0
    assert found.verdict is whole.verdict
    assert found.em_to_lm == pytest.approx(np.asarray(whole.em_to_lm), abs=2e-3)


def test_device_that_holds_nothing_is_given_up_in_words(register: Register) -> None:
    """The job then goes to the CPU; the operator reads why."""
    with pytest.raises(DeviceFullError, match=r"memory is full \(CUDA out of memory"):
        register(Memory(1000))
