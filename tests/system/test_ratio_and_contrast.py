"""The measured ratio beside the stated one; contrast that does not matter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from clemd.geometry import as_matrix, corner_errors
from clemd_drivers.simulated import render_pair


@pytest.mark.slow
def test_ratio_that_differs_is_shown_beside_the_stated_one_everywhere(
    clemd: Any, session_files: Path, tmp_path: Path
) -> None:
    """Text, JSON, report and transform name both, and above 1 % there is a warning."""
    (lm,) = (session_files / "lm").glob("*.tif")
    truth = json.loads((session_files / "truth.json").read_text())["em"]
    warned = 0
    for em in sorted((session_files / "em").glob("*.tif"))[:3]:
        out = tmp_path / em.stem
        found = clemd.json("register", em, lm, "--out", out)
        measured, stated = found["pixel_size_ratio"], found["metadata_ratio"]
        rows = truth[em.name]["em_to_lm"][lm.name]
        true = 1 / np.sqrt(abs(np.linalg.det(as_matrix(rows)[:2, :2])))
        assert measured == pytest.approx(true, rel=1e-3)
        off = abs(measured / stated - 1) > 0.01
        said = [w for w in found["warnings"] if "pixel-size ratio" in w]
        assert bool(said) == off
        for text in said:
            assert f"{measured:.4f}" in text
            assert f"{stated:.4f}" in text
        report = (out / "report.html").read_text(encoding="utf-8")
        assert f"{measured:.4f}" in report
        assert f"{stated:.4f}" in report
        assert all(text.split(":")[0] in report for text in said)
        transform = json.loads((out / "transform.json").read_text())
        assert f"{stated:.6g}"[:5] in json.dumps(transform)
        warned += off
    assert warned

    text = clemd("register", em, lm).stdout
    assert f"{measured:.4f} measured, {stated:.4f} in the files" in text


@pytest.mark.slow
def test_inverted_contrast_gives_the_same_matrix(clemd: Any, tmp_path: Path) -> None:
    """TEM against SEM: dark is bright, and nothing else changes."""
    pair = render_pair(21, em_shape=(600, 800), lm_shape=(400, 400))
    tifffile.imwrite(tmp_path / "lm.tif", pair.lm[0], metadata=None)
    tifffile.imwrite(tmp_path / "sem.tif", pair.em, metadata=None)
    tifffile.imwrite(tmp_path / "tem.tif", 255 - pair.em, metadata=None)
    ratio = 1.03 * pair.lm_pixel_um / pair.em_pixel_um
    sem, tem = (
        clemd.json(
            "register", tmp_path / em, tmp_path / "lm.tif", "--pixel-ratio", ratio
        )
        for em in ("sem.tif", "tem.tif")
    )

    assert sem["verdict"] == tem["verdict"] == "accepted"
    gap = corner_errors(
        as_matrix(sem["em_to_lm"]), as_matrix(tem["em_to_lm"]), pair.em.shape
    )
    assert gap.max() <= 0.05
