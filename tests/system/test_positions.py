"""Files that hold several images, or a stack, in the running service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

pytestmark = pytest.mark.slow


def specimen(seed: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Blobs of any grey."""
    rng = np.random.default_rng(seed)
    canvas = np.full(shape, 90, np.uint8)
    for x, y, r, grey in rng.integers(0, 1000, (260, 4)):
        at = int(x * shape[1] / 1000), int(y * shape[0] / 1000)
        cv2.circle(canvas, at, 3 + int(r) % 9, 30 + int(grey) % 200, -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8), np.uint8)


SCENES = [specimen(1, (280, 360)), specimen(2, (300, 380)), specimen(3, (260, 340))]


def export(folder: Path, name: str, write: Callable[[Path], None]) -> None:
    """Write under another name, then rename."""
    part = folder / f"{name}.part"
    write(part)
    part.rename(folder / name)


def scenes_file(path: Path) -> None:
    """Three images in one OME-TIFF."""
    with tifffile.TiffWriter(path, ome=True) as file:
        for scene in SCENES:
            file.write(scene, metadata={"axes": "YX"})


def stack_file(path: Path) -> None:
    """Three depths, the second of them sharp, the third one bright."""
    sharp = specimen(4, (280, 360))
    blurred = cv2.GaussianBlur(sharp, (0, 0), 6)
    stack = np.stack([blurred, sharp, np.minimum(blurred, 254) + 1])
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(stack.astype(np.uint8), metadata={"axes": "ZYX"})


def planes(service: Any, frame: Any) -> NDArray[Any]:
    """What was decoded of a frame's first channel."""
    name = f"{frame.content_sha256}-0.npy"
    return np.asarray(np.load(service.state / "cache" / name))


def lm_frames(service: Any) -> list[Any]:
    """Facts of the frames of the LM side, by position."""
    rows = service.ask(lambda reader: reader.frames(side="lm"))
    return sorted((r.frame for r in rows), key=lambda f: f.position or 0)


def test_command_line_shows_the_scene_that_is_asked_for(
    clemd: Any, tmp_path: Path
) -> None:
    """By number, from one; the largest unless one is named; none is an error."""
    scenes_file(tmp_path / "a.ome.tif")
    shapes = {
        n: clemd.json("inspect", tmp_path / "a.ome.tif", *n)["shape"][-2:]
        for n in ((), ("--scene", "1"), ("--scene", "3"))
    }
    done = clemd("inspect", tmp_path / "a.ome.tif", "--scene", "4")

    assert shapes[()] == list(SCENES[1].shape)
    assert shapes["--scene", "1"] == list(SCENES[0].shape)
    assert shapes["--scene", "3"] == list(SCENES[2].shape)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "4" in done.stderr


def test_each_scene_is_a_map_of_its_own(daemon: Callable[..., Any]) -> None:
    """The image finds the second of three, also when the planes must be read again."""
    service = daemon()
    service.start()
    export(service.lm, "project.ome.tif", scenes_file)
    service.wait_for_file("project.ome.tif", "read", root="lm")
    frames = lm_frames(service)

    assert [f.position for f in frames] == [0, 1, 2]
    assert [Path(f.path).name for f in frames] == [
        f"project.ome.tif #{n}" for n in (1, 2, 3)
    ]
    for frame, scene in zip(frames, SCENES, strict=True):
        np.testing.assert_array_equal(planes(service, frame), scene)
    assert len({f.content_sha256 for f in frames}) == 3
    for file in (service.state / "cache").glob("*.npy"):
        file.unlink()

    part = cv2.resize(SCENES[1][60:220, 80:290], None, fx=2, fy=2)
    data = cv2.imencode(".png", part)[1].tobytes()
    export(service.em, "a.png", lambda path: path.write_bytes(data) and None)

    def settled() -> str | None:
        for row in service.ask(lambda r: r.newest_decisions("settled")):
            partner = service.ask(lambda r, i=row.partner_id: r.frame(i))
            return str(partner.frame.path)
        return None

    assert service.wait_until(settled, "settled").endswith("project.ome.tif #2")


@pytest.mark.parametrize(("stack", "plane"), [("focus", 1), ("maximum", None)])
def test_profile_says_what_a_stack_becomes(
    daemon: Callable[..., Any], stack: str, plane: int | None
) -> None:
    """The sharpest plane, or the maximum over depth; a warning names it."""
    tables = f'[page]\nport = 0\n[reading]\nstack = "{stack}"\nscenes = "largest"\n'
    service = daemon(tables=tables)
    service.start()
    export(service.lm, "stack.ome.tif", stack_file)
    export(service.lm, "project.ome.tif", scenes_file)
    for name in ("stack.ome.tif", "project.ome.tif"):
        service.wait_for_file(name, "read", root="lm")
    by_name = {Path(f.path).name: f for f in lm_frames(service)}
    stacked = tifffile.imread(service.lm / "stack.ome.tif")
    expected = stacked.max(axis=0) if plane is None else stacked[plane]

    assert set(by_name) == {"stack.ome.tif", "project.ome.tif"}
    found = by_name["stack.ome.tif"]
    np.testing.assert_array_equal(planes(service, found), expected)
    assert any("3 depths" in warning for warning in found.warnings)
    assert any("largest" in w for w in by_name["project.ome.tif"].warnings)
