"""The report can be trusted, read, mailed as one file and printed on one page."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
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
    write_preview,
    write_report,
)
from clemd.exporting._report_circle import circle_svg, grid_step_lm_px
from clemd.model import (
    Agreement,
    ErrorRadius,
    Registration,
    SecondOpinion,
    Verdict,
)

Register = Callable[..., Registration]
Layers = tuple[LightLayer, ...]
IMAGES = {"preview": "preview.png", "checkerboard": "checkerboard.png"}
NAME = '<script>alert(1)</script>"onload=x\u202e.tif'


class Page(HTMLParser):
    """Tags, sources and text of a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.sources: list[str] = []
        self.titles: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        known = dict(attrs)
        self.sources += [known[k] or "" for k in ("src", "href") if k in known]
        if tag == "img":
            self.titles.append(known.get("alt") or "")

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.words += data


def written(
    folder: Path,
    found: Registration,
    context: PairContext,
    em: Plane | None = None,
    layers: Layers = (),
) -> Page:
    """The report of `found`, with its pictures if there is an EM image."""
    if em is not None:
        for write, name in ((write_preview, 0), (write_checkerboard, 1)):
            path = folder / list(IMAGES.values())[name]
            write(path, em, layers, found, em_pixel_um=context.em_pixel_um, title="t")
    write_report(folder / "report.html", found, context, images=IMAGES)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_report_gives_the_verdict_first_and_the_reasons_in_words(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """A microscopist reads the first line, perhaps the second."""
    words = written(tmp_path, register(), context).words

    order = [
        "Accepted: the overlay may be used.",
        "off by at most 100 nm (95 % certain)",
        "Work with the overlay",
        "clemd is 97 % sure of this place: 8 of 11 tiles find",
        "61 of 64 tiles agree.",
        "0.50 LM px = 0.1 µm = 0.31 % of the EM's width",
        "20.00° clockwise, mirrored",
        "4.0000 measured, 4.2000 by the files' metadata (-4.8 %)",
        "similarity",
        "multimodal 1",
        "cpu, 0",
        "one cell is 1 LM px (0.2 µm)",
        "640 × 480 px, 0.05 µm per px",
        "a" * 64,
        "b" * 64,
    ]
    places = [words.find(expected) for expected in order]
    assert dict(zip(order, places, strict=True)) == dict(
        zip(order, sorted(places), strict=True)
    )
    assert places[0] >= 0


def test_the_report_is_one_file_with_its_pictures_inside(
    tmp_path: Path, register: Register, context: PairContext, em: Plane, layers: Layers
) -> None:
    """It is mailed, moved and opened years later, far from its folder."""
    page = written(tmp_path, register(), context, em, layers)

    assert page.titles == ["Overlay", "Checkerboard", "Tile votes", "Place on the map"]
    assert {"script", "link", "iframe", "object"}.isdisjoint(page.tags)
    for source in page.sources:
        kind, _, content = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = cv2.imdecode(
            np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR
        )
        assert picture is not None
        assert picture[2, 2].tolist() != [60, 122, 30], "the strip is said in words"
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?:", text)


def test_the_report_of_a_doubtful_pair_promises_nothing(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """The radius holds only if the overlay is right at all."""
    words = written(tmp_path, register(Verdict.REVIEW), context).words

    assert "Review: look at the overlay before you use it." in words
    assert "If it is right, then anywhere in the EM image" in words
    assert "accept the overlay on the operator page" in words


def test_the_report_says_what_a_second_engine_says(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """A contradiction stands first, and both engines are named."""
    second = SecondOpinion(
        agreement=Agreement.DISAGREES,
        answer=register(engine="mine", engine_version="3"),
        sentence="two engines disagree by 41.0 LM px",
    )
    page = written(tmp_path, register(Verdict.REVIEW), replace(context, second=second))

    assert "multimodal 1" in page.words
    assert "mine 3: disagrees" in page.words
    first = page.words.index("two engines disagree by 41.0 LM px")
    assert first < page.words.index("61 of 64 tiles agree.")


def test_the_report_of_a_rejected_pair_gives_no_pose_away(
    tmp_path: Path, register: Register, context: PairContext, em: Plane, layers: Layers
) -> None:
    """Numbers look true; there are none. Nor is there an overlay."""
    rejected = register(Verdict.REJECTED, reasons=("no tile agrees",))
    page = written(tmp_path, rejected, context, em, layers)

    assert "Rejected: the images are not registered." in page.words
    assert "no tile agrees" in page.words
    assert "Check that both images show the same place" in page.words
    assert "8 of 11 tiles find the best place by themselves" in page.words
    for secret in ("clockwise", "off by at most", "measured", "Error radius"):
        assert secret not in page.words
    assert page.titles == ["Tile votes", "The two images"]
    assert "svg" not in page.tags


def test_a_pair_without_any_picture_still_has_a_report(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """A refused pair has no votes, no pose, and perhaps no picture."""
    bare = Registration(verdict=Verdict.REJECTED, confidence=0.01, em_to_lm=None)
    (tmp_path / "preview.png").write_bytes(b"half of a pict")
    page = written(tmp_path, bare, replace(context, em_pixel_um=None))

    assert page.titles == []
    assert "clemd found no place that it believes in." in page.words


def test_a_file_name_cannot_write_the_report(
    tmp_path: Path, register: Register, em: Plane, layers: Layers
) -> None:
    """Names come from other machines; the page has no scripts, not even theirs."""
    evil = PairContext(
        em_name=NAME,
        lm_name=NAME,
        em_shape=(480, 640),
        lm_shape=(200, 220),
        session=NAME,
        registration_id=NAME,
    )
    made = register(
        reasons=(NAME,), warnings=(NAME,), engine=NAME, channel=NAME, device=NAME
    )
    (tmp_path / "x.png").write_bytes(cv2.imencode(".png", em)[1].tobytes())
    write_report(tmp_path / "r.html", made, evil, images={NAME: "x.png"})
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page(text)

    assert "script" not in page.tags
    assert "onload" not in page.attributes
    shown = NAME.replace("\u202e", "\\u202e")
    assert page.titles == [shown]
    assert page.words.count(shown) >= 8
    assert "\u202e" not in text, "no sign may turn the reading order"


@pytest.mark.parametrize(
    ("p95", "step"),
    [(0.02, 1), (0.5, 1), (6.3, 1), (6.5, 2), (12.6, 2), (40, 10), (700, 200)],
)
def test_the_error_circle_is_drawn_to_scale(p95: float, step: int) -> None:
    """The eye compares the ring with the cells around it."""
    error = ErrorRadius(p50=p95 / 2, p95=p95)
    assert grid_step_lm_px(error) == step

    svg = circle_svg(error)
    solid, dashed = (float(r) for r in re.findall(r' r="([\d.]+)"', svg))
    lines = [float(x) for x in re.findall(r"M([\d.]+) 0V", svg)]
    cell = lines[1] - lines[0]
    assert solid / cell == pytest.approx(p95 / step, abs=0.02)
    assert dashed == pytest.approx(solid / 2, abs=0.01)
    assert solid <= 100, "the whole ring is on the drawing"
    assert len(lines) <= 17


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium; it prints as the user's browser does."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: install chromium to print reports")
    arguments = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--disable-quic",
    ]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (200, 640)])
def test_a_report_is_printed_on_one_page(
    tmp_path: Path,
    browser: Any,
    register: Register,
    context: PairContext,
    em: Plane,
    layers: Layers,
    verdict: Verdict,
    shape: tuple[int, int],
) -> None:
    """It goes into the folder of the specimen, and nobody staples."""
    reason = "56 % of 34 tiles find this place by themselves (chance 9 %), 80 % more"
    found = register(
        verdict, reasons=(reason,) * 3, warnings=("pixel-size ratio " + reason,)
    )
    grey = cv2.resize(em, shape[::-1])
    written(tmp_path, found, replace(context, em_shape=shape), grey, layers)
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    complaints = page.evaluate(
        "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    )
    page.close()

    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) == 1
    assert complaints == 0
    beyond = [url for url in asked[1:] if not url.startswith("data:")]
    assert beyond == []
