"""Networks that have learned, kept for the next pairs of the same channels.

What a network knows is which greys of the two detectors belong together. That is
true of the next image of the session as well, as long as detectors, channels and the
preparation stay the same; so it is kept under the channels' names, of accepted results
only, and is asked again before it is believed (see `MineEngine`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ._network import Arrays

MOST = 16
"""Networks kept; each is about 45 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A network and what it was good for."""

    weights: Arrays
    nats: float
    """The bound that it reached on the pair it learned from."""


class Networks:
    """Least recently used leave first. One thread only, like the engine."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: OrderedDict[str, Learned] = OrderedDict()

    def get(self, key: str) -> Learned | None:
        """The network of these channels, if there is one and they have a name."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: str, learned: Learned) -> None:
        """Keep a network; channels without a name are not kept."""
        if not key:
            return
        self._kept[key] = learned
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


NETWORKS = Networks()
"""Of this process."""
