"""The transform graph of a session: what registered images say about the next one.

A session joins the EM stage, the EM images and one LM map. It learns from every
accepted registration, foretells the next image from its stage position, notices when
the specimen, the stage or the scan is no longer as it was, and says where to drive.
"""

from ._axes import Axes, StatedAxes, hypotheses
from ._coordinates import Placement
from ._estimate import Estimate, Noise
from ._facts import (
    Observed,
    Predicted,
    Sighting,
    Target,
    observed_of,
    sighting_of,
    states_place,
)
from ._gate import Change, Contradiction
from ._maps import MapsDiffer, OnBoth, maps_differ
from ._memory import from_text, observed_from, sighting_from, to_text
from ._same_pixels import cut_out_of
from ._session import Epoch, Event, Folded, Session, Standing
from ._targets import lm_to_stage_um, next_best, next_image, target

__all__ = [
    "Axes",
    "Change",
    "Contradiction",
    "Epoch",
    "Estimate",
    "Event",
    "Folded",
    "MapsDiffer",
    "Noise",
    "Observed",
    "OnBoth",
    "Placement",
    "Predicted",
    "Session",
    "Sighting",
    "Standing",
    "StatedAxes",
    "Target",
    "cut_out_of",
    "from_text",
    "hypotheses",
    "lm_to_stage_um",
    "maps_differ",
    "next_best",
    "next_image",
    "observed_from",
    "observed_of",
    "sighting_from",
    "sighting_of",
    "states_place",
    "target",
    "to_text",
]
