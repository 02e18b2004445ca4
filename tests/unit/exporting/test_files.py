"""Files appear whole or not at all, and the report can be trusted and read."""

from __future__ import annotations

import stat
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from clemd.exporting import PairContext, write_report
from clemd.exporting._atomic import replacing, write_text
from clemd.model import Registration, Verdict

Register = Callable[..., Registration]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A reader must never meet a part of a file."""
    path = tmp_path / "t.json"
    write_text(path, "old")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("half of the n")
            assert partial.parent == path.parent, "a rename stays in one file system"
            assert partial.name.startswith(".")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces(tmp_path: Path) -> None:
    """Replays write the same names again."""
    path = tmp_path / "t.json"
    write_text(path, "old")
    write_text(path, "new µ")

    assert path.read_text(encoding="utf-8") == "new µ"
    assert stat.S_ISREG(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]


class Page(HTMLParser):
    """Tags, sources and text of a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.sources += [v or "" for k, v in attrs if k in {"src", "href"}]

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.words += data


IMAGES = {"preview": "preview.png", "checkerboard": "checkerboard.png"}


def test_the_report_gives_the_verdict_first_and_the_reasons_in_words(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """A microscopist reads the first line, perhaps the second."""
    path = tmp_path / "r.html"
    write_report(path, register(), context, images=IMAGES)
    page = Page(path.read_text(encoding="utf-8"))

    order = [
        "Accepted: the overlay may be used.",
        "off by at most 100 nm (95 % certain)",
        "61 of 64 tiles agree.",
        "EM in grey",
        "4.0000 measured, 4.2000 by the files' metadata",
        "640 × 480 px, 0.05 µm per px",
    ]
    places = [page.words.find(words) for words in order]
    assert places == sorted(places)
    assert places[0] >= 0
    assert page.sources == ["preview.png", "checkerboard.png"]


def test_the_report_of_a_doubtful_pair_promises_nothing(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """The radius holds only if the overlay is right at all."""
    path = tmp_path / "r.html"
    write_report(path, register(Verdict.REVIEW), context, images=IMAGES)
    words = Page(path.read_text(encoding="utf-8")).words

    assert "Review: look at the overlay before you use it." in words
    assert "If it is right, then anywhere in the EM image" in words


def test_the_report_of_a_rejected_pair_gives_no_pose_away(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """Numbers look true; there are none."""
    path = tmp_path / "r.html"
    rejected = register(Verdict.REJECTED, reasons=("no tile agrees",))
    write_report(path, rejected, context, images=IMAGES)
    words = Page(path.read_text(encoding="utf-8")).words

    assert "Rejected: the images are not registered." in words
    assert "no tile agrees" in words
    assert "Rotation" not in words
    assert "off by at most" not in words


def test_a_file_name_cannot_write_the_report(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """Names come from other machines; the page has no scripts, not even theirs."""
    name = '<script>alert(1)</script>"onload=x.tif'
    evil = PairContext(
        em_name=name, lm_name=name, em_shape=(1, 1), lm_shape=(1, 1), session=name
    )
    path = tmp_path / "r.html"
    made = register(reasons=(name,), warnings=(name,), engine=name, channel=name)
    write_report(path, made, evil, images={name: 'x" onerror="y'})
    page = Page(path.read_text(encoding="utf-8"))

    assert "script" not in page.tags
    assert page.sources == ['x" onerror="y']
    assert name in page.words
