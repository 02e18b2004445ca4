"""A very large EM image is registered by the real command in bounded memory."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "large_image"
MOST_MB = 1200
"""Of 2 GB for 11,000 px; the libraries alone take half of this."""


def measuring() -> Any:
    """The script, which is no package."""
    loader = importlib.machinery.SourceFileLoader("large_image", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.slow
def test_large_image_needs_little_memory_and_errs_nowhere_more() -> None:
    """The EM is averaged tile by tile; a truncated sampling would show as a slope."""
    seen = measuring().measure(5000, 1024, 3)

    assert seen["verdict"] == "accepted"
    assert seen["peak_mb"]["registering"] < MOST_MB
    assert seen["peak_mb"]["reading"] < MOST_MB
    assert seen["slope"] <= 1e-4
    assert abs(seen["ratio_error"]) < 1e-3
    assert seen["corner_error_lm_px"] < 0.5
