"""The JSON file of `clemd export --targets`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
    field_validator,
)

from clemd.errors import UsageError
from clemd.geometry import as_matrix
from clemd.model import Matrix3

Row3 = tuple[FiniteFloat, FiniteFloat, FiniteFloat]


class TargetEntry(BaseModel):
    """One place on the LM map, as a user writes it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    x_lm_px: FiniteFloat
    y_lm_px: FiniteFloat
    radius_um: Annotated[FiniteFloat, Field(gt=0)] | None = None


class TargetsFile(BaseModel):
    """What `--targets` reads."""

    model_config = ConfigDict(extra="forbid")

    targets: tuple[TargetEntry, ...] = ()
    lm_px_to_stage_um: tuple[Row3, Row3, Row3] | None = None
    """LM px -> EM stage micrometres, rows first."""
    stage_z_um: FiniteFloat | None = None

    @field_validator("lm_px_to_stage_um")
    @classmethod
    def _can_be_undone(cls, rows: Matrix3 | None) -> Matrix3 | None:
        """Two places on the map must not share one on the stage."""
        if rows is not None and np.linalg.matrix_rank(as_matrix(rows)) < 3:
            raise ValueError("the matrix cannot be undone")
        return rows


def read_targets(path: Path) -> TargetsFile:
    """The targets, and the way to the stage if the file holds it.

    Raises:
        UsageError: the file cannot be read, or is not as it should be.
    """
    try:
        return TargetsFile.model_validate_json(path.read_bytes())
    except OSError as failed:
        raise UsageError(
            f"cannot be read: {failed.strerror}", str(path), "check --targets"
        ) from failed
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{where}: {first['msg']}" if where else str(first["msg"])
        raise UsageError(
            said, str(path), "docs/dialects.md shows a file of targets"
        ) from wrong
