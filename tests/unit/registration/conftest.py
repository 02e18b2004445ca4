"""What the tests of the registration share: textures, their views, and the devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clemd.model import Matrix
from clemd.preparing import prepare
from clemd.registration._images import Images

Image = NDArray[Any]


@pytest.fixture(params=["cpu", "cuda:0"])
def device(request: pytest.FixtureRequest) -> str:
    """Every device an engine runs on; the same code for all of them."""
    if request.param != "cpu" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here: torch.cuda.is_available() is False")
    return str(request.param)


@pytest.fixture(scope="session")
def texture() -> Callable[..., Image]:
    """Blobs of many sizes, 8 bit; another `seed` is another specimen."""

    def texture(seed: int, side_px: int = 300) -> Image:
        noise = np.random.default_rng(seed).normal(size=(2, side_px, side_px))
        coarse = 6.0 * cv2.GaussianBlur(noise[0], (0, 0), 6.0)
        fine = 2.5 * cv2.GaussianBlur(noise[1], (0, 0), 2.5)
        return np.asarray(np.clip(128 + 90 * (coarse + fine), 0, 255), np.uint8)

    return texture


@pytest.fixture(scope="session")
def view() -> Callable[..., Image]:
    """What an EM image sees of a map, with a camera's noise."""

    def view(
        lm: Image, em_to_lm: Matrix, shape: tuple[int, int], noise: float = 2.0
    ) -> Image:
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        seen = cv2.warpPerspective(lm, em_to_lm, shape[::-1], flags=flags)
        grain = np.random.default_rng(99).normal(0, noise, shape)
        return np.asarray(np.clip(seen + grain, 0, 255), np.uint8)

    return view


@pytest.fixture(scope="session")
def images() -> Callable[[Image, Image], Images]:
    """Both images, prepared as they are, on the CPU."""

    def images(em: Image, lm: Image) -> Images:
        cpu = torch.device("cpu")
        return Images(prepare([em], reduction=1), prepare([lm], reduction=1), cpu)

    return images
