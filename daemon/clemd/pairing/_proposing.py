"""Propose which LM maps an EM image may lie on, and say why.

Metadata is a hint: it orders the candidates and bounds their number, the pixels
decide. Proposals work either way round, whichever image arrived first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from clemd.config import PairingSettings
from clemd.model import Frame, PairProposal, Side

SAME_SAMPLE, SAME_INSTRUMENT, PLAUSIBLE_RATIO, RECENT = 4.0, 0.5, 1.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One frame as pairing sees it."""

    frame_id: str
    side: Side
    session: str
    frame: Frame
    arrived_at: datetime
    """Aware; stands in for the acquisition time where the file states none."""

    @property
    def taken_at(self) -> datetime:
        """When the image was acquired, as well as we know."""
        return self.frame.acquired_at or self.arrived_at


def propose(
    new: Arrived, others: Sequence[Arrived], settings: PairingSettings
) -> list[PairProposal]:
    """Partners for `new` among `others`, likeliest first.

    For an EM image at most `settings.max_candidates` LM maps; for an LM map every
    EM image that may lie on it (each of those has its own limit of maps).
    """
    partners = [o for o in others if o.side is not new.side]
    weighed = [_weigh(new, other, settings) for other in partners]
    found = sorted((p for p in weighed if p is not None), key=lambda p: -p.score)
    return found[: settings.max_candidates] if new.side is Side.EM else found


def waiting_reason(
    new: Arrived, others: Sequence[Arrived], settings: PairingSettings
) -> str:
    """Why `new` has no partner, in words."""
    missing = "LM map" if new.side is Side.EM else "EM image"
    if not any(o.side is not new.side for o in others):
        return f"no {missing} has arrived yet"
    same = [o for o in others if o.side is not new.side and o.session == new.session]
    if not same:
        return f"no {missing} in session {new.session!r} yet"
    return f"no {missing} within {settings.window_h:g} h of this image"


def session_of(frame: Frame, relative: bytes, settings: PairingSettings) -> str:
    """The session an image belongs to, by the profile's rule."""
    if settings.session_from == "none":
        return "default"
    if settings.session_from == "sample":
        return frame.sample or frame.session or "default"
    folder, _, rest = relative.decode("utf-8", "backslashreplace").partition("/")
    return folder if rest else "default"


def _weigh(
    new: Arrived, other: Arrived, settings: PairingSettings
) -> PairProposal | None:
    if other.session != new.session:
        return None
    apart_h = abs((new.taken_at - other.taken_at).total_seconds()) / 3600
    stated = new.frame.acquired_at and other.frame.acquired_at
    if stated and apart_h > settings.window_h:
        return None
    em, lm = (new, other) if new.side is Side.EM else (other, new)
    reasons = [f"same session {new.session!r}"]
    score = RECENT / (1 + apart_h)
    if em.frame.sample and em.frame.sample == lm.frame.sample:
        score += SAME_SAMPLE
        reasons.insert(0, f"same sample {em.frame.sample!r} in both files")
    ratio = metadata_ratio(em.frame, lm.frame)
    if ratio is not None and 0.5 <= ratio <= 200:
        score += PLAUSIBLE_RATIO
        reasons.append(f"metadata say one LM pixel is {ratio:.2f} EM pixels")
    if stated:
        reasons.append(f"taken {_span(apart_h)} apart")
    return PairProposal(
        em_frame_id=em.frame_id,
        lm_frame_id=lm.frame_id,
        score=score,
        reasons=tuple(reasons),
    )


def metadata_ratio(em: Frame, lm: Frame) -> float | None:
    """LM pixel size / EM pixel size as the files promise it; None if one is silent."""
    if em.pixel_size is None or lm.pixel_size is None:
        return None
    return lm.pixel_size.x_um / em.pixel_size.x_um


def _span(hours: float) -> str:
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"
