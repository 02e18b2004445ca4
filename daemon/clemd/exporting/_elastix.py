"""The transform as elastix writes it, for elastix, transformix and itk-elastix."""

from __future__ import annotations

from pathlib import Path

from ._atomic import write_text
from ._source import ExportSource

_REST = """\
(InitialTransformParameterFileName "NoInitialTransform")
(HowToCombineTransforms "Compose")
(FixedImageDimension 2)
(MovingImageDimension 2)
(FixedInternalImagePixelType "float")
(MovingInternalImagePixelType "float")
(Index 0 0)
(Origin 0 0)
(Direction 1 0 0 1)
(UseDirectionCosines "true")
(CenterOfRotationPoint 0 0)
(ResampleInterpolator "FinalLinearInterpolator")
(Resampler "DefaultResampler")
(DefaultPixelValue 0)
(ResultImageFormat "mha")
(ResultImagePixelType "float")
(CompressResultImage "false")
"""


def write_elastix(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write a TransformParameters file: fixed = EM, moving = LM.

    transformix with it draws the LM image on the EM's pixels. Units are those of the
    images' spacing: micrometres, or px where a pixel size is unknown.

    Raises:
        UsageError: not registered, or a homography.
        OSError: the file cannot be written.
    """
    matrix = source.affine_um("an elastix file", "export bigwarp or json")
    (a, b, x), (c, d, y), _ = matrix.tolist()
    context = source.context
    spacing, _lm = context.spacings
    height, width = context.em_shape
    lines = [
        f"// clemd: fixed = EM, moving = LM; lengths in {context.unit}s,",
        "// origin of both images 0 0 at the centre of their first pixel",
        '(Transform "AffineTransform")',
        "(NumberOfParameters 6)",
        f"(TransformParameters {_numbers(a, b, c, d, x, y)})",
        f"(Size {width} {height})",
        f"(Spacing {_numbers(*spacing)})",
    ]
    write_text(path, "\n".join(lines) + "\n" + _REST)
    return (path,)


def _numbers(*values: float) -> str:
    return " ".join(repr(float(value)) for value in values)
