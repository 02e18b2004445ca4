"""Pixel sizes that cannot be true: one pair of bounds for every driver."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from clemd_drivers import formats
from clemd_drivers.formats._notes import Notes, checked_size, size_of_edges


@pytest.mark.parametrize("edge", [1e-300, 1e9, 0.0, -1.0, float("nan")])
def test_edge_outside_the_bounds_counts_as_not_stated(edge: float) -> None:
    """With a line that shows it; the other edge stands for both."""
    notes = Notes()
    size = size_of_edges("somewhere", edge, 0.25, notes)

    assert size is not None
    assert (size.x_um, size.y_um) == (0.25, 0.25)
    assert notes.lines == [
        f"pixel size: somewhere says {edge:.6g} µm, which cannot be true and is "
        "not used"
    ]
    assert size_of_edges("somewhere", edge, edge, Notes()) is None


def test_next_statement_is_used_where_the_first_cannot_be_true() -> None:
    """It would have been doubted by a factor that means nothing."""
    notes = Notes()
    size = checked_size([("text", 1e-300), ("field", 0.25)], notes)

    assert size is not None
    assert (size.source, size.relative_sigma) == ("field", 0.03)
    assert len(notes.lines) == 1


def test_no_driver_makes_a_pixel_size_past_the_bounds() -> None:
    """Every one is made by the two functions that know them."""
    folder = Path(formats.__path__[0])
    makers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "PixelSize"
    }

    assert makers == {"_notes.py"}
