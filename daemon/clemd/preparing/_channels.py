"""Which light-microscope channels carry the structure that the EM also shows."""

from __future__ import annotations

from collections.abc import Sequence

from clemd.model import Channel, ChannelKind

_ORDER = (
    ChannelKind.REFLECTED,
    ChannelKind.TRANSMITTED,
    ChannelKind.SE,
    ChannelKind.BSE,
)


def structure_channels(channels: Sequence[Channel]) -> tuple[tuple[int, ...], str]:
    """Indices of the channels to register on, and why, in words.

    Reflected light shows the surface the SEM scans; failing that transmitted light;
    failing that every channel takes part (their gradients are summed).
    """
    for kind in _ORDER:
        chosen = tuple(i for i, c in enumerate(channels) if c.kind is kind)
        if chosen:
            names = ", ".join(channels[i].name for i in chosen)
            return chosen, f"{kind.value} channel {names} carries the structure"
    everything = tuple(range(len(channels)))
    if len(everything) == 1:
        return everything, f"only channel {channels[0].name}"
    return everything, "no reflected channel: all channels are combined"
