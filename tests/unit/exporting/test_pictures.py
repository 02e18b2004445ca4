"""Pictures show what is true: right place, right size, and never a rejected overlay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clemd.exporting import (
    LightLayer,
    PairContext,
    Plane,
    write_checkerboard,
    write_layer,
    write_preview,
)
from clemd.exporting._banner import verdict_line
from clemd.exporting._lettering import fit_text, text_size
from clemd.exporting._placement import PlacedLayer
from clemd.exporting._scale_bar import choose_bar
from clemd.geometry import apply, as_rows, binning, compose, invert
from clemd.model import ErrorRadius, Matrix, Registration, Verdict

Register = Callable[..., Registration]
Layers = tuple[LightLayer, ...]


def read(path: Path) -> Any:
    """The written picture as BGR."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def body(picture: Any, em: Plane) -> Any:
    """The picture below its banner."""
    return picture[picture.shape[0] - em.shape[0] :]


@pytest.mark.parametrize("max_side", [1600, 320])
def test_the_label_lies_where_the_matrix_says(
    tmp_path: Path, layers: Layers, register: Register, true: Matrix, max_side: int
) -> None:
    """The one thing a preview is for, at any size."""
    path = tmp_path / "p.png"
    write_preview(
        path,
        flat_em(),
        layers[1:],
        register(error_lm_px=None),
        em_pixel_um=None,
        title="t",
        max_side=max_side,
    )

    y, x = np.nonzero(is_magenta(read(path)[-min(480, max_side * 3 // 4) :]))
    to_picture = binning(640 / min(640, max_side))
    label_middle = apply(compose(to_picture, invert(true)), [(102.0, 94.5)])
    assert np.abs([x.mean(), y.mean()] - label_middle).max() < 0.2


def test_the_info_bar_is_not_painted(
    tmp_path: Path, layers: Layers, register: Register
) -> None:
    """Its text is not specimen, and nothing of the light map lies there."""
    shown = []
    for rows in (0, 245):
        path = tmp_path / f"{rows}.png"
        write_preview(
            path,
            flat_em(),
            layers[1:],
            register(error_lm_px=None),
            em_pixel_um=None,
            title="t",
            info_bar_rows=rows,
        )
        shown.append(is_magenta(read(path)[-480:]))

    assert shown[0][235:].any()
    assert not shown[1][235:].any()
    assert (shown[0][:234] == shown[1][:234]).all()


def flat_em() -> Plane:
    """An EM image on which only the light shows."""
    flat = np.full((480, 640), 100, np.uint8)
    flat[0] = 255  # something to stretch by
    return flat


def is_magenta(picture: Any) -> Any:
    """True where red stands above green."""
    return picture[:, :, 2].astype(int) - picture[:, :, 1] > 60


def test_a_rejected_pair_is_never_laid_over(
    tmp_path: Path, em: Plane, layers: Layers, register: Register
) -> None:
    """A wrong overlay shown as right is the worst thing this program can do."""
    for write in (write_preview, write_checkerboard):
        path = tmp_path / "rejected.png"
        rejected = register(Verdict.REJECTED)
        write(path, em, layers, rejected, em_pixel_um=(0.05, 0.05), title="t")
        picture = read(path)
        half = picture.shape[1] // 2
        left = picture[picture.shape[0] // 2 :, : half - 8]

        assert np.ptp(left.astype(int), axis=2).max() == 0, "EM alone has no colour"
        assert np.ptp(picture[:, half + 8 :].astype(int), axis=2).max() > 100
        blue, green, red = picture[2, 2]
        assert red > 2 * max(blue, green), "the banner is red"


def test_the_verdict_is_seen_at_first_glance(
    tmp_path: Path, em: Plane, layers: Layers, register: Register
) -> None:
    """Green, amber, red: read from across the room."""
    seen = set()
    for verdict in Verdict:
        path = tmp_path / f"{verdict}.png"
        write_preview(path, em, layers, register(verdict), em_pixel_um=None, title="t")
        seen.add(tuple(read(path)[2, 2].tolist()))

    assert len(seen) == 3


def test_the_banner_says_the_error_in_words(register: Register) -> None:
    """A verdict without its radius is half a verdict."""
    assert verdict_line(register()) == "ACCEPTED  ± 100 nm (95 %)"
    unknown = register(Verdict.REVIEW, error_um=None)
    assert verdict_line(unknown) == "REVIEW, not certain  ± 0.5 LM px (95 %)"
    nothing = register(Verdict.REVIEW, error_um=None, error_lm_px=None)
    assert verdict_line(nothing) == "REVIEW, not certain  error unknown"
    assert verdict_line(register(Verdict.REJECTED)) == "REJECTED  not registered"


def test_the_error_circle_has_its_true_size(
    tmp_path: Path, em: Plane, layers: Layers, register: Register
) -> None:
    """10 LM px are 40 EM px here; the eye judges by the ring."""
    path = tmp_path / "p.png"
    wide = register(error_lm_px=ErrorRadius(p50=5, p95=10))
    write_preview(path, em, layers, wide, em_pixel_um=None, title="t")

    picture = body(read(path), em).astype(int)
    ring = (picture[:, :, 2] > 230) & (picture[:, :, 0] < 140)
    y, x = np.nonzero(ring & (np.arange(em.shape[1]) < 120))
    assert abs((x.max() - x.min()) / 2 - 40) <= 1.5
    assert abs((y.max() - y.min()) / 2 - 40) <= 1.5


def test_checkerboard_fields_alternate_and_lm_only_where_there_is_lm(
    tmp_path: Path, em: Plane, layers: Layers, register: Register, true: Matrix
) -> None:
    """Outside the light map there is only EM to show."""
    path = tmp_path / "c.png"
    moved = true.copy()
    moved[0, 2] += 120
    shifted = register(em_to_lm=as_rows(moved), error_lm_px=None)
    write_checkerboard(path, em, layers, shifted, em_pixel_um=None, title="", fields=8)
    plain = tmp_path / "plain.png"
    write_checkerboard(plain, em, layers, shifted, em_pixel_um=None, title="", fields=1)

    board, em_only = (body(read(p), em).astype(int) for p in (path, plain))
    differs = np.abs(board - em_only).max(axis=2) > 0
    fields = differs.reshape(6, 80, 8, 80).any(axis=(1, 3))
    y, x = np.indices(fields.shape)
    assert not fields[(x + y) % 2 == 0].any()
    assert fields[(x + y) % 2 == 1].any()
    assert not fields.all()


def test_no_light_channel_is_still_a_picture(
    tmp_path: Path, em: Plane, register: Register
) -> None:
    """A worker must not fall over a map without a usable channel."""
    write_preview(
        tmp_path / "p.png", em, (), register(), em_pixel_um=None, title="\n\x1b✓"
    )

    assert read(tmp_path / "p.png").ndim == 3


@pytest.mark.parametrize(
    ("width_px", "scale", "pixel_um", "label", "length_px"),
    [
        (1600, 0.3125, (0.036, 0.036), "20 µm", 173.6),
        (1600, 1.0, (0.0005, 0.0005), "100 nm", 200.0),
        (800, 0.5, (50.0, 50.0), "10 mm", 100.0),
        (1600, 1.0, None, "200 px", 200.0),
        (1600, 0.3125, None, "1000 px", 312.5),
    ],
)
def test_the_scale_bar_is_round_and_true(
    width_px: int,
    scale: float,
    pixel_um: tuple[float, float] | None,
    label: str,
    length_px: float,
) -> None:
    """People read distances off it."""
    bar = choose_bar(
        picture_width_px=width_px, picture_px_per_em_px=scale, em_pixel_um=pixel_um
    )

    assert bar.label == label
    assert bar.length_px == pytest.approx(length_px, abs=0.1)
    assert bar.length_px <= 0.2 * width_px + 1e-6


def test_a_long_name_is_shortened_in_its_middle() -> None:
    """Start and end of a file name tell most."""
    name = "2026-11-21_block7_section_0123_detector_InLens_0004.tif"
    short = fit_text(name, 12, 200)

    assert text_size(short, 12)[0] <= 200
    assert short.startswith("2026")
    assert short.endswith(".tif")
    assert fit_text("a.tif", 12, 200) == "a.tif"


# --- placement ---------------------------------------------------------------


def ramp(shape: tuple[int, int]) -> Plane:
    """A plane whose value names its place: x + 1000 y."""
    y, x = np.indices(shape, np.float32)
    return np.asarray(x + 1000 * y, np.float32)


@pytest.mark.parametrize("step", [1, 2, 4])
def test_a_placed_layer_agrees_with_the_matrix(
    context: PairContext, register: Register, step: int, true: Matrix
) -> None:
    """On any pyramid level, at any px: half a px lost here is lost for ever."""
    to_lm = compose(true, invert(binning(step)))
    shape = (context.em_shape[0] // step, context.em_shape[1] // step)
    placed = PlacedLayer(ramp(context.lm_shape), to_lm, shape)
    seen, inside = placed.look(0, 0, *shape)

    y, x = np.nonzero(inside)
    at = apply(to_lm, np.c_[x, y])
    deep = ((at > 2) & (at < np.array(context.lm_shape[::-1]) - 3)).all(axis=1)
    # the weights are quantised to 1/32 px by the resampler
    expected = at[deep] @ [1, 1000]
    assert deep.sum() > 1000
    assert np.abs(seen[y[deep], x[deep]] - expected).max() < 1000 / 32


def test_regions_are_parts_of_the_whole(
    context: PairContext, register: Register, true: Matrix
) -> None:
    """A seam between tiles would look like structure."""
    to_lm = true
    placed = PlacedLayer(ramp(context.lm_shape), to_lm, context.em_shape)
    whole = placed.region(0, 0, *context.em_shape)

    part = placed.region(137, 211, 64, 100)

    assert np.abs(part - whole[137:201, 211:311]).max() <= 1000 / 16


def test_outside_the_light_map_is_zero(register: Register) -> None:
    """A border smeared outwards would be taken for signal."""
    plane = np.full((50, 60), 7, np.uint8)
    placed = PlacedLayer(plane, np.eye(3), (100, 100))
    seen, inside = placed.look(0, 0, 100, 100)

    assert inside.sum() == 50 * 60
    assert (seen[:50, :60] == 7).all()
    assert seen.sum() == 7 * 50 * 60
    assert placed.region(80, 80, 20, 20).sum() == 0


def test_a_coarse_grid_averages_instead_of_skipping() -> None:
    """Fine stripes seen on a coarse grid are grey, not stripes of another width."""
    stripes = np.zeros((400, 400), np.uint8)
    stripes[:, ::2] = 200
    placed = PlacedLayer(stripes, invert(binning(8)), (50, 50))

    assert np.abs(placed.region(0, 0, 50, 50).astype(int) - 100).max() <= 1


def test_averaging_shifts_nothing() -> None:
    """The middle of a block is not its first px."""
    placed = PlacedLayer(ramp((400, 400)), invert(binning(8)), (50, 50))

    expected = apply(invert(binning(8)), [(20.0, 30.0)]) @ [1, 1000]
    assert placed.region(0, 0, 50, 50)[30, 20] == pytest.approx(expected.item())


# --- layers for the page -----------------------------------------------------


def test_a_layer_states_the_bin_it_was_made_with(tmp_path: Path) -> None:
    """The page computes places from the factor; a rounded one would drift."""
    plane = ramp((205, 503))
    facts = write_layer(tmp_path / "l.png", plane, max_side=200)

    assert facts["factor"] == 3
    assert (facts["width"], facts["height"]) == (167, 68)
    assert (facts["full_width"], facts["full_height"]) == (503, 205)
    assert facts["low"] < facts["high"]
    assert facts["file"] == "l.png"
    written = read(tmp_path / "l.png")
    assert written.dtype == np.uint8
    assert written.shape == (68, 167)


def test_the_masked_part_has_no_say_in_the_contrast(tmp_path: Path) -> None:
    """A white info bar would leave the specimen in the dark."""
    plane = np.full((100, 100), 10, np.uint16)
    plane[:80, ::2] = 20
    plane[80:] = 65535
    mask = np.ones((100, 100), bool)
    mask[80:] = False

    facts = write_layer(tmp_path / "l.png", plane, mask=mask)

    assert (facts["low"], facts["high"]) == (10.0, 20.0)
    assert read(tmp_path / "l.png")[0, :2].tolist() == [255, 0]


@pytest.mark.parametrize(
    "plane",
    [
        np.zeros((64, 64), np.uint8),
        np.full((64, 64), np.nan, np.float32),
        np.array([[np.inf, -np.inf], [0, 1]], np.float64),
        np.ones((64, 64), bool),
        np.arange(4096, dtype=">u2").reshape(64, 64),
        np.arange(4096, dtype=np.int64).reshape(64, 64),
        (np.arange(4096) // 16 - 128).astype(np.int8).reshape(64, 64),
        np.zeros((1, 5000), np.uint8),
    ],
    ids=["black", "nan", "inf", "bool", "big-endian", "i64", "i8", "line"],
)
def test_any_plane_becomes_a_picture(tmp_path: Path, plane: Plane) -> None:
    """What a driver can read, the page can show."""
    facts = write_layer(tmp_path / "l.png", plane, max_side=8192)

    assert np.isfinite([facts["low"], facts["high"]]).all()
    assert read(tmp_path / "l.png").shape == plane.shape


def test_a_stack_is_not_a_plane(tmp_path: Path) -> None:
    """Nothing is written for what cannot be shown."""
    with pytest.raises(ValueError, match=r"got shape \(2, 3, 4\)"):
        write_layer(tmp_path / "l.png", np.zeros((2, 3, 4), np.uint8))

    assert list(tmp_path.iterdir()) == []


def test_a_homography_is_drawn_too(
    tmp_path: Path,
    em: Plane,
    layers: Layers,
    register: Register,
    homography: Matrix,
) -> None:
    """Tilted sections get one; a far corner must not stop the picture."""
    bent = register(em_to_lm=as_rows(homography))
    write_preview(tmp_path / "p.png", em, layers, bent, em_pixel_um=None, title="t")
    steep = homography.copy()
    steep[2, :2] = 2e-3, 1e-3
    far = register(em_to_lm=as_rows(steep))
    write_preview(tmp_path / "q.png", em, layers, far, em_pixel_um=None, title="t")

    assert read(tmp_path / "p.png").shape == read(tmp_path / "q.png").shape
