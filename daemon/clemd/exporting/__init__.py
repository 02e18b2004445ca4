"""Turn a registration into files: pictures, overlays, transforms, a report.

Runs in the worker. Every file is written whole or not at all, and nothing that has
been rejected ever leaves as an overlay or a transform.
"""

from ._bigwarp import write_bigwarp
from ._context import Colour, LightLayer, PairContext, PixelUm, Plane
from ._dialect import Dialect, Need
from ._dialects import DIALECTS
from ._enlarging import enlarged
from ._frame_ome import describe_frame
from ._itk import write_itk
from ._layer import LayerFacts, write_layer
from ._ome_tiff import write_ome_tiff
from ._outline import write_outline
from ._overlay import write_overlay
from ._preview import write_checkerboard, write_preview
from ._report import write_report
from ._source import ExportSource, Pictures, Stage, Target
from ._transform_json import describe_transform, write_transform_json
from ._votes import write_vote_map

__all__ = [
    "DIALECTS",
    "Colour",
    "Dialect",
    "ExportSource",
    "LayerFacts",
    "LightLayer",
    "Need",
    "PairContext",
    "Pictures",
    "PixelUm",
    "Plane",
    "Stage",
    "Target",
    "describe_frame",
    "describe_transform",
    "enlarged",
    "write_bigwarp",
    "write_checkerboard",
    "write_itk",
    "write_layer",
    "write_ome_tiff",
    "write_outline",
    "write_overlay",
    "write_preview",
    "write_report",
    "write_transform_json",
    "write_vote_map",
]
