"""What `clemd register` says to images that cannot be registered.

Real files through the real command: `rejected` (3) or refused (2), always with the
reason in words, never a matrix and never a traceback.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from clemd.cli import main

Image = NDArray[Any]
SHAPE = (240, 320)


def specimen(seed: int, shape: tuple[int, int] = SHAPE) -> Image:
    """Blobs of any grey."""
    rng = np.random.default_rng(seed)
    canvas = np.full(shape, 90, np.uint8)
    for x, y, r, grey in rng.integers(0, 1000, (220, 4)):
        at = int(x * shape[1] / 1000), int(y * shape[0] / 1000)
        cv2.circle(canvas, at, 3 + int(r) % 9, 30 + int(grey) % 200, -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8))


def with_share(bad: float, share: float) -> Image:
    """A float specimen with that share of its px replaced."""
    image = specimen(1).astype(np.float32)
    hit = np.random.default_rng(2).random(image.shape) < share
    image[hit] = bad
    return image


EM: dict[str, Callable[[], Image]] = {
    "constant": lambda: np.full(SHAPE, 128, np.uint8),
    "empty": lambda: np.zeros(SHAPE, np.uint8),
    "saturated": lambda: np.full(SHAPE, 65535, np.uint16),
    "saturated but for a few px": lambda: np.where(
        np.random.default_rng(3).random(SHAPE) < 5e-4, 7, 255
    ).astype(np.uint8),
    "not a number": lambda: np.full(SHAPE, np.nan, np.float32),
    "infinite": lambda: np.full(SHAPE, np.inf, np.float32),
    "nearly all not a number": lambda: with_share(np.nan, 0.99),
    "a single row": lambda: specimen(1)[:1],
    "a single column": lambda: np.ascontiguousarray(specimen(1)[:, :1]),
    "one px": lambda: specimen(1)[:1, :1],
    "complex": lambda: specimen(1).astype(np.complex64),
    "pure noise": lambda: np.random.default_rng(4).integers(0, 256, SHAPE, np.uint8),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are written, a good LM map among them."""
    made = tmp_path_factory.mktemp("bad-pairs")
    tifffile.imwrite(made / "lm.tif", specimen(9, (360, 360)), metadata=None)
    tifffile.imwrite(made / "em.tif", specimen(1), metadata=None)
    return made


class Said:
    """What one call of the command came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.answer: dict[str, Any] = json.loads(out) if out else {}

    def refusal(self) -> str:
        """The reason, checked: one line or one sentence, and no matrix."""
        assert self.code in {2, 3}, self.out + self.err
        assert "Traceback" not in self.err
        if self.code == 2:
            assert self.out == ""
            (line,) = self.err.splitlines()
            return line
        assert self.answer["verdict"] == "rejected"
        assert self.answer["em_to_lm"] is None
        assert self.answer["error_lm_px"] is None
        return str(self.answer["reasons"][0])


@pytest.fixture
def register(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`clemd register EM LM ... --json`."""

    def call(em: Path, lm: Path, *more: object) -> Said:
        code = main(["register", str(em), str(lm), "--json", *map(str, more)])
        return Said(code, *capfd.readouterr())

    return call


@pytest.mark.parametrize("kind", EM)
def test_image_without_content_is_refused_in_words(
    kind: str, folder: Path, register: Callable[..., Said]
) -> None:
    """The reason tells the operator what to look at."""
    path = folder / f"{kind}.tif"
    tifffile.imwrite(path, EM[kind](), metadata=None)

    reason = register(path, folder / "lm.tif", "--pixel-ratio", 2).refusal()

    assert len(reason) > 30
    assert " " in reason


@pytest.mark.parametrize("kind", ["constant", "not a number", "a single row"])
def test_map_without_content_is_refused_in_words(
    kind: str, folder: Path, register: Callable[..., Said]
) -> None:
    """The same on the other side."""
    path = folder / f"lm {kind}.tif"
    tifffile.imwrite(path, EM[kind](), metadata=None)

    assert len(register(folder / "em.tif", path, "--pixel-ratio", 2).refusal()) > 30


@pytest.mark.parametrize("ratio", [0.001, 0.02, 0.4, 30, 10_000])
def test_absurd_ratio_gives_no_matrix(
    ratio: float, folder: Path, register: Callable[..., Said]
) -> None:
    """One EM px over the whole map, or the map within one EM px."""
    assert register(
        folder / "em.tif", folder / "lm.tif", "--pixel-ratio", ratio
    ).refusal()


@pytest.mark.parametrize("ratio", ["0", "-2", "nan", "inf", "1e9", "two"])
def test_ratio_that_is_none_is_a_usage_error(
    ratio: str, folder: Path, register: Callable[..., Said]
) -> None:
    """Code 2 and the option's name."""
    said = register(folder / "em.tif", folder / "lm.tif", f"--pixel-ratio={ratio}")

    assert said.code == 2
    assert "pixel-ratio" in said.refusal()


def test_overlap_below_the_floor_gives_no_matrix(
    folder: Path, register: Callable[..., Said]
) -> None:
    """A sixth of the EM field on the map: too little to be sure of a place."""
    whole = specimen(9, (360, 360))
    wide = specimen(12, (240, 320))
    wide[:, :52] = whole[60:300, 308:]
    tifffile.imwrite(folder / "beside.tif", wide, metadata=None)

    assert register(
        folder / "beside.tif", folder / "lm.tif", "--pixel-ratio", 1
    ).refusal()


def test_time_limit_ends_in_words(folder: Path, register: Callable[..., Said]) -> None:
    """The search without a ratio takes longer than this."""
    said = register(folder / "em.tif", folder / "lm.tif", "--time-limit", 0.3)

    assert said.code == 3
    assert "not found within 0.3 s" in said.refusal()


def test_memory_limit_is_refused_before_it_is_reached(
    folder: Path, register: Callable[..., Said]
) -> None:
    """By estimate: a process that runs out of memory says nothing."""
    said = register(folder / "em.tif", folder / "lm.tif", "--memory-limit", 0.1)

    assert said.code == 3
    assert "0.1 GB are allowed" in said.refusal()


@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
def test_limit_that_is_none_is_a_usage_error(
    option: str, folder: Path, register: Callable[..., Said]
) -> None:
    """Zero is no limit and no time."""
    said = register(folder / "em.tif", folder / "lm.tif", option, 0)

    assert said.code == 2
    assert option in said.refusal()


def test_palette_image_is_registered_as_what_it_shows(
    folder: Path, register: Callable[..., Said]
) -> None:
    """The indices of a shuffled map are noise; its greys are the specimen."""
    lm = specimen(9, (360, 360))
    em = cv2.resize(lm[60:220, 80:300], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    order = np.random.default_rng(5).permutation(256)
    table = np.empty(256, np.uint16)
    table[order] = np.arange(256) * 257
    tifffile.imwrite(
        folder / "palette.tif",
        order[em].astype(np.uint8),
        photometric="palette",
        colormap=np.stack([table] * 3),
        metadata=None,
    )

    said = register(folder / "palette.tif", folder / "lm.tif", "--pixel-ratio", 2)

    assert said.answer["verdict"] == "accepted", said.answer["reasons"]
    assert said.answer["pixel_size_ratio"] == pytest.approx(2.0, rel=2e-3)
