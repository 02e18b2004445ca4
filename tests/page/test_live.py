"""The real daemon's page in a real browser, through a session."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_operator_sees_files_become_overlays(
    browser: Any, daemon: Callable[..., Any], session_files: Path, tmp_path: Path
) -> None:
    """From an empty page to a verdict and a picture, without a reload."""
    one = daemon(tables="[page]\nport = 0\n[pairing]\nwindow_h = 1e6\n")
    one.start()
    context = browser.new_context(viewport={"width": 1100, "height": 700})
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda failed: complaints.append(str(failed)))
        page.goto(f"{one.page}/?token={one.token}")
        page.locator("#line[data-state=live]").wait_for(timeout=60_000)
        assert page.locator("#badge.accepted, #badge.review").count() == 0
        for side in ("lm", "em"):
            for file in (session_files / side).iterdir():
                shutil.copy(file, getattr(one, side) / file.name)
        page.locator("#badge.accepted, #badge.review").wait_for(timeout=240_000)
        page.locator("#results li:nth-child(2)").wait_for(timeout=240_000)
        one.wait_for_results(2)
        picture = shown(page, tmp_path / "view.png")
        verdict = page.locator("#verdict").inner_text()
        files = page.locator("#files").inner_text()
        page.screenshot(path=tmp_path / "page.png")
    finally:
        context.close()

    assert complaints == []
    assert picture.std() > 8, "the overlay is one flat colour"
    assert "µm" in verdict or "nm" in verdict
    for side in ("lm", "em"):
        for file in (session_files / side).iterdir():
            assert file.name in files


def shown(page: Any, path: Path) -> Any:
    """The viewer's picture, once the textures are on it."""
    for _ in range(200):
        page.locator("#view").screenshot(path=path)
        picture = cv2.imread(str(path))
        if picture is not None and picture.std() > 8:
            break
        page.wait_for_timeout(100)
    return picture
