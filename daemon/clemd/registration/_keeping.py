"""Fields of LM maps, kept between registrations.

A session lays many EM images on one map. The map's fields depend on nothing else, so
they are made once; the oldest are let go when they hold more than `MOST_BYTES`.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable

from clemd.model import PreparedImage

from ._fields import Field

MOST_BYTES = 256 << 20


class KeptFields:
    """Least recently used fields leave first. One thread only, like the engine."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._fields: OrderedDict[Hashable, Field] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Field | None:
        """The field of that key, if it is here."""
        if key in self._fields:
            self._fields.move_to_end(key)
        return self._fields.get(key)

    def put(self, key: Hashable, field: Field) -> None:
        """Keep `field`, which was not here."""
        self._fields[key] = field
        self._bytes += field.z.nbytes
        while self._bytes > self._most_bytes and len(self._fields) > 1:
            _, oldest = self._fields.popitem(last=False)
            self._bytes -= oldest.z.nbytes


LM_FIELDS = KeptFields()
"""Of this process."""


def key_of(image: PreparedImage) -> str:
    """Names the pixels and the mask; empty where the image has no name."""
    if not image.content_key:
        return ""
    mask = hashlib.sha256(image.mask.tobytes()).hexdigest()
    return f"{image.content_key}:{image.label}:{mask}"
