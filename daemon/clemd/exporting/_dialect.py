"""What every dialect says about itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from clemd.errors import UsageError

from ._source import ExportSource


class Need(StrEnum):
    """What a dialect cannot do without, besides the registration."""

    STAGE = "stage"
    TARGETS = "targets"
    PICTURES = "pictures"


_MISSING = {
    Need.STAGE: (
        "the way from the LM map to the EM stage is not known",
        "give lm_px_to_stage_um in a file with --targets, or export csv",
    ),
    Need.TARGETS: ("there are no targets", "name some in a file with --targets"),
    Need.PICTURES: ("the pixels are not at hand", "export a transform instead"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """A way of writing a result down that some other program reads."""

    name: str
    """As `clemd export --format` takes it."""
    description: str
    """One line: for which program, and what it carries."""
    file_name: str
    """Usual name of the file, or of the first of several."""
    refuses: str
    """What it cannot carry, in words; empty if it takes everything."""
    write: Callable[[Path, ExportSource], tuple[Path, ...]]
    """Writes the file(s) and returns them; call `export` instead."""
    needs: frozenset[Need] = frozenset()

    def export(self, path: Path, source: ExportSource) -> tuple[Path, ...]:
        """Write `source` to `path`, whole or not at all; the files written.

        Raises:
            UsageError: not registered, or what the dialect needs is missing, or it
                cannot carry this result.
            OSError: a file cannot be written.
        """
        _ = source.em_to_lm  # a rejected result leaves in no dialect at all
        present = {
            Need.STAGE: source.stage is not None,
            Need.TARGETS: bool(source.targets),
            Need.PICTURES: source.pictures is not None,
        }
        for need in sorted(self.needs):
            if not present[need]:
                what, mend = _MISSING[need]
                raise UsageError(what, self.name, mend)
        return self.write(path, source)
