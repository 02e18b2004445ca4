"""Which EM image belongs to which LM map, with a reason for every decision."""

from ._arrived import UNKNOWN, Arrived, Told, name_fields, session_of
from ._candidates import LeftOut, several_specimens, weighed
from ._clues import StageShare, metadata_ratio, searched_ratio
from ._deciding import decide
from ._decision import Decision, State
from ._doubting import Tried
from ._stated import stated_place

__all__ = [
    "UNKNOWN",
    "Arrived",
    "Decision",
    "LeftOut",
    "StageShare",
    "State",
    "Told",
    "Tried",
    "decide",
    "metadata_ratio",
    "name_fields",
    "searched_ratio",
    "session_of",
    "several_specimens",
    "stated_place",
    "weighed",
]
