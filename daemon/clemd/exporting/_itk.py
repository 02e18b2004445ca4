"""The transform as an ITK text file, for SimpleITK, 3D Slicer, elastix and ANTs."""

from __future__ import annotations

from pathlib import Path

from clemd.errors import UsageError
from clemd.geometry import in_um
from clemd.model import Registration, TransformModel

from ._atomic import write_text
from ._context import PairContext, usable_matrix


def write_itk(path: Path, registration: Registration, context: PairContext) -> None:
    """Write an `AffineTransform_double_2_2`: EM (fixed) points -> LM (moving) points.

    ITK pulls: the transform takes a point of the fixed image to where its value is
    found in the moving image, which is `em_to_lm` as it stands. Units are those of the
    images' spacing: micrometres, or 1 px = 1 unit where a pixel size is unknown.

    Raises:
        UsageError: not registered, or a homography, which ITK cannot hold.
        OSError: the file cannot be written.
    """
    matrix = usable_matrix(registration)
    if registration.model is TransformModel.HOMOGRAPHY:
        raise UsageError(
            "an ITK file cannot hold a homography",
            path.name,
            "export bigwarp landmarks or the transform's JSON instead",
        )
    physical = in_um(matrix, *context.spacings)
    (a, b, x), (c, d, y), _ = physical.tolist()
    parameters = " ".join(repr(float(value)) for value in (a, b, c, d, x, y))
    lines = [
        "#Insight Transform File V1.0",
        *_explanation(context),
        "#Transform 0",
        "Transform: AffineTransform_double_2_2",
        f"Parameters: {parameters}",
        "FixedParameters: 0 0",
        "",
    ]
    write_text(path, "\n".join(lines) + "\n")


def _explanation(context: PairContext) -> list[str]:
    em, lm = (f"spacing {x!r} {y!r}" for x, y in context.spacings)
    unit = "um" if context.is_calibrated else "px (a pixel size is unknown: 1 px = 1)"
    return [
        f"# fixed = EM {_one_line(context.em_name)}, {em} {unit}",
        f"# moving = LM {_one_line(context.lm_name)}, {lm} {unit}",
        "# maps fixed (EM) points to moving (LM) points; origin of both images 0 0,",
        "# at the centre of their first pixel; direction identity; x right, y down",
    ]


def _one_line(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name)
