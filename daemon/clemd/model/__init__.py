"""Frozen facts that every part of clemd shares; no behaviour, no I/O."""

from ._codec import display_name, from_json, to_dict, to_json
from ._energy import (
    CALIBRATIONS,
    DEFAULT_CALIBRATION,
    MOST_SPECTRUM_RADIUS_PX,
    EnergyCalibration,
)
from ._frame import (
    Channel,
    ChannelKind,
    Frame,
    Modality,
    PixelSize,
    Side,
    StagePose,
)
from ._image import BoolImage, FloatImage, Matrix, PreparedImage
from ._pair import PairProposal
from ._registration import (
    Asked,
    ErrorRadius,
    Matrix3,
    PosePrior,
    Registration,
    TileState,
    TileVote,
    TileVotes,
    Timing,
    TransformModel,
    Verdict,
)
from ._second import Agreement, SecondOpinion
from ._thermal import LeverState, ThermalReading, ThermalState

__all__ = [
    "CALIBRATIONS",
    "DEFAULT_CALIBRATION",
    "MOST_SPECTRUM_RADIUS_PX",
    "Agreement",
    "Asked",
    "BoolImage",
    "Channel",
    "ChannelKind",
    "EnergyCalibration",
    "ErrorRadius",
    "FloatImage",
    "Frame",
    "LeverState",
    "Matrix",
    "Matrix3",
    "Modality",
    "PairProposal",
    "PixelSize",
    "PosePrior",
    "PreparedImage",
    "Registration",
    "SecondOpinion",
    "Side",
    "StagePose",
    "ThermalReading",
    "ThermalState",
    "TileState",
    "TileVote",
    "TileVotes",
    "Timing",
    "TransformModel",
    "Verdict",
    "display_name",
    "from_json",
    "to_dict",
    "to_json",
]
