"""Which EM image was laid beside which LM image, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PairProposal:
    """One EM frame proposed for one LM frame."""

    em_frame_id: str
    lm_frame_id: str
    score: float
    """Larger is likelier; only the order matters."""
    reasons: tuple[str, ...]
    """Why, in words, strongest first."""
