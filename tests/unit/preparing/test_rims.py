"""Info bars and borders that no metadata mention, and specimens that look like them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from clemd.preparing import content_mask
from clemd.preparing._rims import Rims, find_rims

Image = NDArray[np.uint8]
VENDOR = Path(__file__).resolve().parents[4] / "shared" / "data" / "vendor_sem"
BARS = {
    "odemis/zeiss_example_sem.tif": 60,
    "odemis/tfs_example.tif": 68,
    "odemis/tescan_example_sem1.tif": 120,
    "fibsem-os/afeb822f_image_ChanA_000003.tif": 119,
}
SHAPE = (300, 420)


def specimen(seed: int = 0, shape: tuple[int, int] = SHAPE) -> Image:
    """Blobs of any grey on noise."""
    rng = np.random.default_rng(seed)
    canvas = rng.normal(120, 10, shape).astype(np.float32)
    for x, y, r, grey in rng.integers(0, 1000, (90, 4)):
        at = int(x * shape[1] / 1000), int(y * shape[0] / 1000)
        cv2.circle(canvas, at, 4 + int(r) % 14, float(grey % 200 + 30), -1)
    canvas = cv2.GaussianBlur(canvas, (0, 0), 1.0) + rng.normal(0, 6, shape)
    return np.asarray(np.clip(canvas, 1, 254), np.uint8)


def bar(height: int, width: int, paper: int, ink: int, shade: int = 0) -> Image:
    """Anti-aliased text and a photographic logo on plain or shaded paper."""
    drawn = paper + shade * np.linspace(0, 1, width)[None].repeat(height, 0)
    drawn = np.asarray(np.clip(drawn, 0, 255), np.uint8)
    text = "EHT 5.00 kV  WD 4.1 mm  10 um"
    cv2.putText(drawn, text, (8, height - 12), 0, 0.45, ink, 1, cv2.LINE_AA)
    logo = np.random.default_rng(1).integers(0, 256, (5, 8), np.uint8)
    logo = cv2.resize(logo, (40, height - 8), interpolation=cv2.INTER_CUBIC)
    drawn[4 : height - 4, width - 48 : width - 8] = logo
    return drawn


def as_jpeg(image: Image, quality: int | None) -> Image:
    """As a viewer would save it; None = as PNG."""
    if quality is None:
        return image
    code = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, code)[1], 0), np.uint8)


@pytest.mark.real_data
@pytest.mark.skipif(not VENDOR.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize("quality", [None, 90, 75])
@pytest.mark.parametrize("name", BARS)
def test_bars_of_real_microscopes_are_found(name: str, quality: int | None) -> None:
    """A vendor file saved again keeps its bar but not its tags."""
    stored = tifffile.imread(VENDOR / name)
    image = np.asarray(255.0 * stored / stored.max(), np.uint8)
    found = find_rims(as_jpeg(image, quality))
    assert abs(found.bottom - BARS[name]) <= 1
    assert (found.top, found.left, found.right) == (0, 0, 0)


@pytest.mark.parametrize("quality", [None, 90, 75])
@pytest.mark.parametrize(
    ("paper", "ink", "shade"),
    [(0, 255, 0), (96, 255, 0), (255, 0, 0), (128, 255, 0), (30, 250, 60)],
    ids=["black", "grey", "white", "mid", "shaded"],
)
def test_bar_is_found_whatever_its_paper(
    paper: int, ink: int, shade: int, quality: int | None
) -> None:
    """To the row, after JPEG too; grey on the same mean grey blurs into its block."""
    most = 5 if paper == 128 and quality == 75 else 1
    image = np.vstack([specimen(), bar(40, SHAPE[1], paper, ink, shade)])
    found = find_rims(as_jpeg(image, quality))
    assert abs(found.bottom - 40) <= most
    assert (found.top, found.left, found.right) == (0, 0, 0)


@pytest.mark.parametrize("side", ["top", "left", "right"])
def test_bar_is_found_at_any_side(side: str) -> None:
    """Some programs write above the image or beside it."""
    strip, image = bar(40, SHAPE[1], 20, 230), specimen()
    if side == "top":
        image = np.vstack([strip, image])
    else:
        image = np.vstack([specimen(0, SHAPE[::-1]), bar(40, SHAPE[0], 20, 230)])
        image = cv2.rotate(
            image,
            cv2.ROTATE_90_CLOCKWISE
            if side == "left"
            else cv2.ROTATE_90_COUNTERCLOCKWISE,
        )
    found = find_rims(as_jpeg(image, 90))
    assert abs(getattr(found, side) - 40) <= 1
    assert sum((found.top, found.bottom, found.left, found.right)) <= 41


@pytest.mark.parametrize(
    ("grey", "quality"),
    [(0, None), (0, 75), (128, None), (255, None), (255, 75), ("noise", 75)],
)
def test_border_is_found_whatever_its_grey(
    grey: int | str, quality: int | None
) -> None:
    """White frames, grey frames, and the black of JPEG, which is 0 to 3."""
    level = grey if isinstance(grey, int) else 0
    image = cv2.copyMakeBorder(
        specimen(), 24, 24, 24, 24, cv2.BORDER_CONSTANT, value=level
    )
    if grey == "noise":
        rim = np.ones(image.shape, bool)
        rim[24:-24, 24:-24] = False
        image[rim] = np.random.default_rng(2).integers(0, 4, int(rim.sum()))
    found = find_rims(as_jpeg(np.asarray(image, np.uint8), quality))
    for depth in (found.top, found.bottom, found.left, found.right):
        assert abs(depth - 24) <= 2


def test_bar_within_a_frame_is_found() -> None:
    """A picture of a window: frame around image and bar."""
    image = np.vstack([specimen(), bar(40, SHAPE[1], 0, 255)])
    framed = cv2.copyMakeBorder(image, 9, 9, 9, 9, cv2.BORDER_CONSTANT, value=255)
    found = find_rims(np.asarray(framed, np.uint8))
    assert abs(found.bottom - 49) <= 1
    assert abs(found.top - 9) <= 1


@pytest.mark.parametrize("noise", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("level", [0, 40, 220])
def test_even_background_of_a_specimen_is_not_cut(noise: float, level: int) -> None:
    """Resin, a dark field and a clear sky are flat, but end where the specimen does."""
    rng = np.random.default_rng(3)
    image = np.full(SHAPE, float(level), np.float32)
    x = np.arange(SHAPE[1])
    skyline = (170 + 25 * np.sin(x / 37) + 9 * np.sin(x / 7)).astype(int)
    below = np.arange(SHAPE[0])[:, None] > skyline
    image[below] = specimen(4)[below]
    image = np.clip(image + rng.normal(0, noise, SHAPE), 0, 255)
    assert not find_rims(np.asarray(image, np.uint8))


@pytest.mark.parametrize("quality", [None, 75])
def test_dark_fluorescence_is_not_cut(quality: int | None) -> None:
    """A few labels on the camera's darkest greys."""
    rng = np.random.default_rng(5)
    image = rng.poisson(2.0, SHAPE).astype(np.float32)
    for x, y in rng.integers(20, 280, (12, 2)):
        cv2.circle(image, (int(x), int(y)), 6, 140.0, -1)
    image = cv2.GaussianBlur(image, (0, 0), 0.7)
    made = as_jpeg(np.asarray(image, np.uint8), quality)
    assert not find_rims(made)
    assert content_mask(made).all()


def test_convex_section_in_even_resin_keeps_its_resin() -> None:
    """Its outline is structure that both microscopes see."""
    rng = np.random.default_rng(6)
    image = np.full(SHAPE, 70, np.float32)
    inside = cv2.ellipse(
        np.zeros(SHAPE, np.uint8), (210, 150), (150, 100), 20, 0, 360, 1, -1
    )
    image[inside > 0] = specimen(7)[inside > 0]
    image += rng.normal(0, 1.0, SHAPE)
    assert content_mask(np.asarray(np.clip(image, 0, 255), np.uint8)).all()


def test_wedges_after_jpeg_are_masked() -> None:
    """A turned picture's black triangles are no longer exactly black."""
    turn = cv2.getRotationMatrix2D((200, 200), 25, 0.7)
    turned = cv2.warpAffine(specimen(8, (400, 400)), turn, (400, 400))
    mask = content_mask(as_jpeg(np.asarray(turned, np.uint8), 85))
    assert not mask[:40, :40].any()
    assert mask[200, 200]


def test_rims_are_counted_in_whole_blocks() -> None:
    """A block that is partly bar is bar."""
    rims = Rims(top=1, bottom=60, left=0, right=11).binned(11)
    assert rims == Rims(top=1, bottom=6, left=0, right=1)
