"""Figures with their goals, as a table that is plain text and Markdown at once."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise `values`.

        Raises:
            ValueError: there are none.
        """
        if not values:
            raise ValueError("a spread needs at least one value")
        return cls(
            median=statistics.median(values),
            least=min(values),
            most=max(values),
            count=len(values),
        )

    def in_words(self, unit: str) -> str:
        """Median first, then the range."""
        return (
            f"{self.median:.2f} {unit} "
            f"({self.least:.2f} to {self.most:.2f}, n = {self.count})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table."""

    part: str
    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    """None where there is no goal, nothing could be measured, or it is still open."""
    is_open: bool = False
    """The figure meets the goal, but with so few trials it need not be true."""
    figure: float | None = None
    """The number behind `value`, for programs."""

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def against_goal(
    part: str, what: str, figure: float, *, unit: str, at_most: float
) -> Row:
    """A row for a figure that must not exceed a limit."""
    return Row(
        part=part,
        what=what,
        value=f"{figure:.2f} {unit}",
        goal=f"<= {at_most:g} {unit}",
        met=figure <= at_most,
        figure=figure,
    )


def rows_table(rows: Sequence[Row]) -> str:
    """All rows with their goals."""
    marks = {True: "met", False: "NOT MET", None: ""}
    return table(
        ("part", "measure", "value", "goal", ""),
        [
            (r.part, r.what, r.value, r.goal, "open" if r.is_open else marks[r.met])
            for r in rows
        ],
    )


def table(head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """Columns in line, vertical bars escaped; a Markdown table, no final newline."""
    cells = [[_cell(c) for c in line] for line in (head, *lines)]
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(head))]
    cells.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    )


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
