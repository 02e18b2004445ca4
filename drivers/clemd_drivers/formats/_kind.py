"""Which kind of light a channel shows: a score over every clue, reasons kept.

OME has no word for reflection, and vendors call reflected channels fluorescence, so no
single attribute decides. Positive clues speak for reflection, negative for
fluorescence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clemd.model import ChannelKind

_REFLECTION = re.compile(r"\b(refl\w*|rcm|rlm|spiegel\w*|backscatter\w*)", re.I)
_TRANSMITTED = re.compile(
    r"(t-?pmt|pmt.?trans|\bchd\b|\btd\b|transmi|bright.?field)", re.I
)
_ELECTRONS = re.compile(r"^(se2?|sesi|etd|tld|in-?lens|everhart.*|secondary.*)$", re.I)
_BACKSCATTERED = re.compile(
    r"^(bse|bsd|cbs|abs|esb|asb|back-?scattered electrons)$", re.I
)
_NEUTRAL = re.compile(r"(\b(n?t|rt|bs)\s?\d\d\s?/\s?r?\d\d\b|substrat|neutral)", re.I)
_THROUGH = {"Brightfield", "Phase", "DIC", "HoffmanModulation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelClues:
    """Everything a file says about one channel."""

    name: str = ""
    fluor: str = ""
    contrast: str = ""
    illumination: str = ""
    acquisition_mode: str = ""
    excitation_nm: float | None = None
    emission_nm: float | None = None
    detector: str = ""
    dichroic: str = ""
    bands_nm: tuple[tuple[float, float], ...] = ()
    """Detected wavelengths, (from, to)."""


def decide(clues: ChannelClues) -> tuple[ChannelKind, str]:
    """The kind and the reasons in words."""
    for pattern, kind in (
        (_ELECTRONS, ChannelKind.SE),
        (_BACKSCATTERED, ChannelKind.BSE),
    ):
        if pattern.match(clues.name.strip()):
            return kind, f"named {clues.name!r}"
    through = _transmitted(clues)
    if through:
        return ChannelKind.TRANSMITTED, through
    scores = list(_scores(clues))
    total = sum(score for score, _ in scores)
    reasons = ", ".join(f"{reason} ({score:+d})" for score, reason in scores)
    if total > 0 and any(score >= 3 for score, _ in scores):
        return ChannelKind.REFLECTED, reasons
    if total < 0:
        return ChannelKind.FLUORESCENCE, reasons
    return ChannelKind.UNKNOWN, reasons or "nothing is said about it"


def _transmitted(clues: ChannelClues) -> str:
    if clues.illumination == "Transmitted":
        return "illumination is Transmitted"
    if clues.contrast in _THROUGH and clues.illumination != "Epifluorescence":
        return f"contrast is {clues.contrast}"
    for said in (clues.detector, clues.name):
        if _TRANSMITTED.search(said):
            return f"{said!r} is a transmitted-light detector"
    return ""


def _scores(clues: ChannelClues) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    shift = None
    if clues.emission_nm and clues.excitation_nm:
        shift = clues.emission_nm - clues.excitation_nm
    for said in (clues.name, clues.fluor):
        if _REFLECTION.search(said):
            found.append((5, f"named {said!r}"))
            break
    if clues.excitation_nm and any(
        low - 3 <= clues.excitation_nm <= high + 3 for low, high in clues.bands_nm
    ):
        found.append((5, "the detection band contains the laser line"))
    if _NEUTRAL.search(clues.dichroic):
        found.append((3, f"neutral beam splitter {clues.dichroic!r}"))
    dyed = bool(clues.fluor) and not _REFLECTION.search(clues.fluor)
    if clues.contrast in {"", "Other"} and not clues.emission_nm and not dyed:
        found.append((2, "no contrast method, emission or dye"))
    if shift is not None and abs(shift) < 10:
        found.append((3, "emission equals excitation"))
    emits_only = clues.emission_nm and not clues.excitation_nm
    labelled = [
        text
        for text, true in (
            ("contrast is Fluorescence", clues.contrast == "Fluorescence"),
            (f"dye {clues.fluor!r}", dyed),
            ("emission is longer than excitation", shift is not None and shift >= 15),
            # Reflected light is set by its source: who names only what comes out
            # names a dye's light.
            ("an emission and no excitation", bool(emits_only)),
        )
        if true
    ]
    if labelled:
        found.append((-4, " and ".join(labelled)))
    return found
