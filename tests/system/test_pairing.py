"""Two specimens, files in any order, a person who knows better: the running service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.slow

RULES = """
[page]
port = 0
[pairing]
session_from = "name"
[[pairing.names]]
em = "{sample}_em{n:#}.png"
lm = "{sample}_map{version:#}.png"
"""


def specimen(seed: int) -> NDArray[np.uint8]:
    """Blobs of any grey."""
    rng = np.random.default_rng(seed)
    canvas = np.full((300, 380), 90, np.uint8)
    for x, y, r, grey in rng.integers(0, 1000, (260, 4)):
        at = int(x * 0.38), int(y * 0.3)
        cv2.circle(canvas, at, 3 + int(r) % 9, 30 + int(grey) % 200, -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8), np.uint8)


def export(folder: Path, name: str, image: NDArray[np.uint8]) -> None:
    """Write beside, then give it its name."""
    part = folder / f"{name}.part"
    part.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    part.rename(folder / name)


def em_of(map_: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A part of the map, twice as large."""
    part = map_[60:220, 80:290]
    return np.asarray(cv2.resize(part, None, fx=2, fy=2), np.uint8)


@pytest.fixture(scope="module")
def service(
    daemon_type: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """EM image of A, then the map of B, then the map of A, and the EM image of B."""
    daemon = daemon_type(tmp_path_factory.mktemp("pairing"), tables=RULES)
    try:
        daemon.start()
        export(daemon.em, "A_em1.png", em_of(specimen(1)))
        daemon.wait_for_file("A_em1.png", "read")
        export(daemon.lm, "B_map1.png", specimen(2))
        daemon.wait_for_file("B_map1.png", "read", root="lm")
        yield daemon
        if daemon.is_running:
            daemon.stop()
    finally:
        daemon.close()


def shown(clemd: Any, service: Any, name: str) -> dict[str, Any]:
    """`clemd show` of the frame with that file name."""
    frames = service.ask(lambda reader: reader.frames())
    (frame_id,) = [f.id for f in frames if Path(f.frame.path).name == name]
    answer = clemd("show", frame_id, "--state", service.state, "--json")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def until(service: Any, look: Callable[[], dict[str, Any]], state: str) -> Any:
    """Wait until a decision is in this state."""

    def there() -> dict[str, Any] | None:
        found = look()["pairing"]
        return found if found and found["state"] == state else None

    return service.wait_until(there, state)


def test_image_waits_visibly_while_only_the_other_specimens_map_is_there(
    clemd: Any, service: Any
) -> None:
    """What it waits for can be read, and nothing wrong is tried meanwhile."""
    found = shown(clemd, service, "A_em1.png")
    status = json.loads(clemd("status", "--state", service.state, "--json").stdout)

    assert found["pairing"]["state"] == "waiting"
    assert "no LM map in session 'a' yet" in found["pairing"]["because"]
    assert found["pairing"]["doubt"]
    assert found["pairs"] == []
    assert {one["file"] for one in status["unpaired"]} == {"A_em1.png", "B_map1.png"}


def test_map_that_comes_later_is_found_and_settles_it(clemd: Any, service: Any) -> None:
    """Either order; the reasons name what the two names say."""
    export(service.lm, "A_map1.png", specimen(1))
    found = until(service, lambda: shown(clemd, service, "A_em1.png"), "settled")

    assert Path(found["partner_file"]).name == "A_map1.png"
    assert found["doubt"] == ""
    assert "both names say sample 'a'" in found["because"]
    assert any("waiting" in line for line in found["before"])


def test_new_map_serves_new_images_and_leaves_results_alone(
    clemd: Any, service: Any
) -> None:
    """One map for many; the newer version for those that come after it."""
    before = service.ask(lambda reader: [r.id for r in reader.registrations()])
    export(service.lm, "A_map2.png", specimen(1))
    service.wait_for_file("A_map2.png", "read", root="lm")
    export(service.em, "A_em2.png", em_of(specimen(1))[10:])
    service.wait_for_file("A_em2.png", "read")
    found = until(service, lambda: shown(clemd, service, "A_em2.png"), "settled")
    first = shown(clemd, service, "A_em1.png")["pairing"]

    assert Path(found["partner_file"]).name == "A_map2.png"
    assert any("superseded by the newer map" in line for line in found["left_out"])
    assert Path(first["partner_file"]).name == "A_map1.png"
    after = service.ask(lambda reader: reader.registrations(em_frame_id=None))
    assert set(before) <= {row.id for row in after}
    assert len(after) == len(before) + 1


def test_a_person_overrules_and_takes_it_back(clemd: Any, service: Any) -> None:
    """By file name; what was accepted elsewhere no longer holds, until undone."""
    state = ("--state", service.state)
    put = clemd("pair", "A_em1.png", "B_map1.png", *state)
    found = shown(clemd, service, "A_em1.png")["pairing"]
    rows = service.ask(lambda reader: reader.registrations())
    a = next(r for r in rows if "A_em1" in _em(service, r) and r.decided_by != "engine")

    assert put.returncode == 0, put.stderr
    assert found["state"] == "overruled"
    assert Path(found["partner_file"]).name == "B_map1.png"
    assert a.verdict.value == "rejected"

    undone = clemd("pair", "A_em1.png", "--undo", *state)
    found = until(service, lambda: shown(clemd, service, "A_em1.png"), "settled")
    assert undone.returncode == 0, undone.stderr
    assert Path(found["partner_file"]).name == "A_map1.png"
    best = service.ask(lambda r: r.registration(a.id))
    assert (best.verdict.value, best.decided_by) == ("accepted", "engine")


def test_never_keeps_two_apart(clemd: Any, service: Any) -> None:
    """The image then waits for another map, and says why."""
    state = ("--state", service.state)
    done = clemd("pair", "A_em2.png", "A_map2.png", "--never", *state)
    found = shown(clemd, service, "A_em2.png")["pairing"]

    assert done.returncode == 0, done.stderr
    assert found["state"] == "trying", "the older map is next"
    assert any("operator" in line for line in found["left_out"])
    clemd("pair", "A_em2.png", "--undo", *state)
    until(service, lambda: shown(clemd, service, "A_em2.png"), "settled")


def test_wrong_words_are_refused_in_one_line(clemd: Any, service: Any) -> None:
    """What, where, what to do; nothing changes."""
    state = ("--state", service.state)
    for words in (
        ("pair", "A_map1.png", "A_em1.png"),
        ("pair", "A_em1.png"),
        ("pair", "nobody.png", "A_map1.png"),
        ("session",),
    ):
        refused = clemd(*words, *state)
        assert refused.returncode == 2, words
        assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr


def test_session_named_by_a_person_holds_until_it_ends(
    clemd: Any, service: Any
) -> None:
    """Over the profile's rule, for every new file, over restarts."""
    state = ("--state", service.state)
    assert clemd("session", "grid 7", *state).returncode == 0
    service.stop()
    service.start()
    export(service.em, "C_em1.png", em_of(specimen(3)))
    service.wait_for_file("C_em1.png", "read")
    assert shown(clemd, service, "C_em1.png")["session"] == "grid 7"
    assert clemd("session", "--end", *state).returncode == 0
    export(service.em, "C_em2.png", em_of(specimen(3))[3:])
    service.wait_for_file("C_em2.png", "read")
    assert shown(clemd, service, "C_em2.png")["session"] == "c"


def _em(service: Any, row: Any) -> str:
    return str(service.ask(lambda r: r.frame(row.em_frame_id)).frame.path)
