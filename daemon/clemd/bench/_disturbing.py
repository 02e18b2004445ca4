"""What is done to an EM image to make it harder: the same for real and simulated."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import translation
from clemd.model import Matrix

MOST_SPREAD = 45.0
"""Standard deviation, in grey values, of noise that hardly clips in 8 bits."""


def disturb(image: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """By lot inverted, then another gamma and noise of 2 to 18 grey values."""
    values: NDArray[Any] = image.astype(np.float32)
    if rng.random() < 0.5:
        values = 255 - values
    values = 255 * (np.clip(values, 0, 255) / 255) ** rng.uniform(0.6, 1.6)
    return add_noise(values, rng, rng.uniform(2, 18))


def add_noise(
    image: NDArray[Any], rng: np.random.Generator, spread: float
) -> NDArray[np.uint8]:
    """White noise of `spread` grey values (standard deviation)."""
    white = rng.standard_normal(image.shape, dtype=np.float32)
    return np.asarray(np.clip(image + spread * white, 0, 255), np.uint8)


def drown(
    image: NDArray[Any], rng: np.random.Generator, snr: float
) -> NDArray[np.uint8]:
    """Noise as strong as the image's own variation / `snr`, without much clipping."""
    signal = image.astype(np.float32)
    signal -= signal.mean()
    spread = MOST_SPREAD / math.sqrt(1 + snr * snr)
    signal *= snr * spread / max(float(signal.std()), 1e-6)
    return add_noise(signal + 128, rng, spread)


def frame(image: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], Matrix]:
    """Sometimes a black border, sometimes an info bar; new px -> old px."""
    shift = translation(0, 0)
    if rng.random() < 0.5:
        b = max(2, round(image.shape[1] * rng.uniform(0.01, 0.05)))
        image = cv2.copyMakeBorder(image, b, b, b, b, cv2.BORDER_CONSTANT, value=0)
        shift = translation(-b, -b)
    if rng.random() < 0.5:
        image = np.vstack([image, info_bar(image.shape[0], image.shape[1])])
    return image, shift


def info_bar(height: int, width: int) -> NDArray[np.uint8]:
    """A black bar with writing, for below an image of that size."""
    rows = max(12, height // 14)
    bar = np.zeros((rows, width), np.uint8)
    cv2.putText(bar, "10 um  EHT 5 kV", (8, rows - 4), 0, rows / 32, 255, 1)
    return bar


def hide(image: NDArray[Any], rng: np.random.Generator, share: float) -> NDArray[Any]:
    """A flat block over `share` of the image, from one of its four sides."""
    hidden = image.copy()
    side = int(rng.integers(4))
    turned = np.rot90(hidden, side)
    turned[: round(share * turned.shape[0])] = 0
    return hidden
