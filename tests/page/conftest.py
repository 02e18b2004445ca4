"""A page in front of a known world: real pictures, a known matrix, a real browser."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from clemd.config import PageSettings
from clemd.errors import UsageError
from clemd.geometry import apply, as_rows, invert, similarity
from clemd.page import Bell, PageServer

EM_SIZE = (1500, 1200)  # width, height, px
LM_SIZE = (640, 480)
BROWSER_ARGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
LM_SPOT = (300.0, 210.0)
"""Centre of the one bright spot of the light image, LM px."""
MATRIX = similarity(
    scale=0.25, rotation_deg=12.0, about=(750.0, 600.0), onto=(310.0, 230.0)
)
EM_SPOT = tuple(apply(invert(MATRIX), [LM_SPOT])[0])


def draw_spot(
    size: tuple[int, int], at: tuple[float, float], sigma_px: float
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A black picture with one round spot whose centroid is `at`."""
    y, x = np.mgrid[: size[1], : size[0]]
    squared = (x - at[0]) ** 2 + (y - at[1]) ** 2
    return np.asarray(255 * np.exp(-squared / (2 * sigma_px**2)), np.uint8)


@dataclass(frozen=True, slots=True)
class Row:
    """An outbox row."""

    seq: int
    topic: str
    topic_seq: int
    session: str
    body: str
    created_at: str = "2026-05-04T10:00:00+00:00"


@dataclass
class World:
    """Sources with nothing behind them but files in a folder."""

    folder: Path
    state: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    timeline: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = field(
        default_factory=dict
    )
    """Verb -> what comes of it, beside being noted."""
    answer_s: float = 0.0
    """How long an answer takes."""

    def snapshot(self) -> dict[str, Any]:
        """The state, at the newest row."""
        return self.state | {"seq": len(self.rows)}

    def events_after(self, seq: int, limit: int) -> Sequence[Row]:
        """The rows after `seq`."""
        return self.rows[seq : seq + limit]

    def file(self, registration_id: str, name: str) -> Path | None:
        """An output by name."""
        return None

    def layer(self, frame_id: str, channel: int, level: int) -> Path | None:
        """A preview by name."""
        path = self.folder / f"{frame_id}_{channel}.png"
        return path if path.exists() else None

    def health(self) -> dict[str, Any]:
        """How we are."""
        return {"ready": True, "live": True, "state": "ready"}

    def metrics(self) -> bytes:
        """One figure."""
        return b"clemd_up 1\n"

    def temperature(self, since_s: float) -> list[Any]:
        """Readings."""
        return []

    def heat(self, since_s: float) -> dict[str, Any]:
        """The timeline that the test wants."""
        return self.timeline

    async def command(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Note it; decline one verb."""
        self.asked.append((verb, arguments))
        if verb == "reject":
            raise UsageError("it is in use", "reg-1", "ask again later")
        await asyncio.sleep(self.answer_s)
        if verb in self.answers:
            return self.answers[verb](arguments)
        return {"message": f"{verb} noted"}


def file_of(file_id: int, name: str) -> dict[str, Any]:
    """A file message."""
    return {
        "topic": "file",
        "file_id": file_id,
        "root": "exports",
        "name": name,
        "state": "read",
        "reason": "",
        "revision": 1,
    }


def frame_of(frame_id: str, side: str, size: tuple[int, int], pixel_um: float) -> Any:
    """A frame message with one channel."""
    kind = "se" if side == "em" else "fluorescence"
    return {
        "topic": "frame",
        "frame_id": frame_id,
        "file_id": int(frame_id[-1]),
        "side": side,
        "session": "s1",
        "frame": {
            "shape": [size[1], size[0]],
            "channels": [{"name": "SE2" if side == "em" else "GFP", "kind": kind}],
            "pixel_size_um": [pixel_um, pixel_um],
        },
    }


def registration_of(
    matrix: Any,
    *,
    verdict: str = "accepted",
    registration_id: str = "reg-1",
    **more: Any,
) -> dict[str, Any]:
    """A registration message that lays em-1 on lm-1."""
    return {
        "topic": "registration",
        "registration_id": registration_id,
        "pair_id": "pair-1",
        "session": "s1",
        "em_frame_id": "em-1",
        "lm_frame_id": "lm-1",
        "em_file": "em-1.tif",
        "lm_file": "lm-1.tif",
        "verdict": verdict,
        "best": True,
        "registration": {
            "schema": "clemd.registration/1",
            "verdict": verdict,
            "confidence": 0.97,
            "em_to_lm": [list(row) for row in as_rows(matrix)],
            "pixel_size_ratio": 4.0,
            "rotation_deg": 12.0,
            "mirrored": False,
            "error_lm_px": {"p50": 0.4, "p95": 1.5},
            "error_um": {"p50": 0.08, "p95": 0.3},
            "engine": "multimodal",
            "device": "cpu",
            "reasons": ["14 of 16 tiles agree"],
        },
        "metadata_ratio": 4.0,
        "outputs": {},
    } | more


class Running:
    """The page, served from a loop in a thread of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._bell = self.call(self._make_bell())
        self.start(0)

    async def _make_bell(self) -> Bell:
        return Bell()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run `work` on the page's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def start(self, port: int) -> None:
        """Serve on `port`; 0 = any."""
        settings = PageSettings(port=port, stale_after_s=1.5)
        self._server = PageServer(
            settings,
            self.world,
            token="a token",  # noqa: S106
            wake=self._bell,
            commands=self.world.command,
        )
        self.url = self.call(self._server.start())

    def hang(self, until: threading.Event) -> None:
        """Stop the page's loop from turning until the event is set."""
        self._loop.call_soon_threadsafe(until.wait, 20)

    def stop(self) -> None:
        """Stop serving, as a daemon that ends."""
        self.call(self._server.close())

    def emit(self, body: dict[str, Any]) -> None:
        """Commit one message."""
        seq = len(self.world.rows) + 1
        row = Row(seq, body["topic"], seq, "s1", json.dumps(body))
        self.world.rows.append(row)
        self._loop.call_soon_threadsafe(self._bell.ring)

    def close(self) -> None:
        """End the thread."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One EM image and one LM image, one spot in each, and the matrix between them."""
    cv2.imwrite(str(tmp_path / "em-1_0.png"), draw_spot(EM_SIZE, EM_SPOT, 16.0))
    cv2.imwrite(str(tmp_path / "lm-1_0.png"), draw_spot(LM_SIZE, LM_SPOT, 4.0))
    state: dict[str, Any] = {
        "run_epoch": "epoch-1",
        "instrument": "Test bench",
        "now": "2026-05-04T10:00:00+00:00",
        "files": [file_of(1, "em-1.tif"), file_of(2, "lm-1.tif")],
        "frames": [
            frame_of("em-1", "em", EM_SIZE, 0.05),
            frame_of("lm-1", "lm", LM_SIZE, 0.2),
        ],
        "pairs": [],
        "registrations": [registration_of(MATRIX)],
        "jobs": [],
        "thermal": None,
        "verbs": ["accept", "reject", "retry", "undo"],
    }
    return World(tmp_path, state)


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    """The page of `world`, listening on a free port."""
    server = Running(world)
    yield server
    server.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium that draws WebGL 2 without a graphics card.

    Not for the whole session: while it is driven from here an event loop runs in this
    thread, and tests of other folders need their own.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: install chromium to run page tests")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=BROWSER_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, running: Running) -> Iterator[Any]:
    """The page as an operator has it open; what the browser complains of, fails."""
    context = browser.new_context(viewport={"width": 1000, "height": 640})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda failed: complaints.append(str(failed)))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type == "error" else None,
    )
    page.complaints = complaints
    page.goto(running.url)
    page.locator("#line[data-state=live]").wait_for()
    yield page
    context.close()
    allowed = ("net::ERR_", "Failed to load resource")
    assert [c for c in complaints if not any(a in c for a in allowed)] == []


@pytest.fixture
def truth() -> SimpleNamespace:
    """What the browser should show."""
    return SimpleNamespace(
        matrix=MATRIX,
        em_spot=EM_SPOT,
        lm_spot=LM_SPOT,
        em_size=EM_SIZE,
        draw=draw_spot,
    )


@pytest.fixture(name="registration_of")
def _registration_of() -> Any:
    return registration_of


@pytest.fixture(name="frame_of")
def _frame_of() -> Any:
    return frame_of


@pytest.fixture(name="file_of")
def _file_of() -> Any:
    return file_of
