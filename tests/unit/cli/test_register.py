"""What `clemd register` tells a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2

from clemd.bench.methods._vibrational import RAMAN, vibrational_pair
from clemd_drivers.simulated._envi import encode_envi, envi_text


def test_the_engine_and_the_warnings_of_the_files_are_told(
    clemd: Callable[..., Any], tmp_path: Path
) -> None:
    """A header without wavelengths took a cube to another engine without a word."""
    pair = vibrational_pair(1, replace(RAMAN, bands=12))
    cube = pair.cube[:, :40, :40].astype("float32")
    (tmp_path / "cube.raw").write_bytes(encode_envi(cube))
    (tmp_path / "cube.hdr").write_text(envi_text(cube, None), encoding="utf-8")
    cv2.imwrite(str(tmp_path / "guide.png"), pair.guide)
    files = tmp_path / "cube.raw", tmp_path / "guide.png"
    said = clemd("register", *files, "--pixel-ratio", "0.2").out
    lines = said.splitlines()

    assert lines[1] == "  engine             multimodal (chosen by auto)"
    assert "  warning: cube.raw: no wavelengths in the ENVI header" in said
    assert "the 12 bands were not used as spectra" in said
    told = clemd("register", *files, "--pixel-ratio", "0.2", "--json").json
    assert any("no wavelengths" in warning for warning in told["warnings"])
