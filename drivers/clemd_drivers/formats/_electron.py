"""Which kind of electron microscope it was, and what its detector saw."""

from __future__ import annotations

import re
from collections.abc import Iterable

from clemd.model import Channel, ChannelKind, Modality

_SCANNING = re.compile(
    r"\b(f?e?-?sem|sbf-?sem|3view|quanta|sigma|merlin|gemini ?sem|helios|scios|aquilos"
    r"|apreo|verios|teneo|volumescope|crossbeam|mira|amber|jsm)",
    re.IGNORECASE,
)
_BULK_KV = 30.0
"""The highest tension of microscopes that look at surfaces."""
_BACK = re.compile(
    r"\b(bsed?|bsd|cbs|abs|vcd|bei|3view)\b|back ?scatter", re.IGNORECASE
)
_SECONDARY = re.compile(r"\b(sed?|sei|etd|tld|inlens)\b|secondary", re.IGNORECASE)


def modality_of(words: Iterable[str | None], tension_kv: float | None) -> Modality:
    """SEM or TEM; scanning transmission counts as TEM.

    Args:
        words: Names of microscope, mode and software.
        tension_kv: The high tension, where it is known.
    """
    if any(_SCANNING.search(word) for word in words if word):
        return Modality.SEM
    if tension_kv is not None and 0 < tension_kv <= _BULK_KV:
        return Modality.SEM
    return Modality.TEM


def channel_of(name: str, modality: Modality, *, words: str = "") -> Channel:
    """The channel of one detector.

    Args:
        name: As the file calls it; empty where it is silent.
        modality: Of the microscope.
        words: More that the file says about it.
    """
    said = f"{name} {words}"
    shown = f"detector {name}" if name else "no detector named"
    kind = ChannelKind.UNKNOWN
    if _BACK.search(said):
        kind = ChannelKind.BSE
    elif _SECONDARY.search(said):
        kind = ChannelKind.SE
    elif modality is Modality.TEM:
        kind, shown = ChannelKind.TRANSMITTED, f"{shown}, transmission microscope"
    return Channel(name=name or modality.value.upper(), kind=kind, kind_reason=shown)
