"""Arrays and encoded files as raw frames with their facts, and back, checked."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._header import BufferFacts
from ._json import MalformedError

Buffer = NDArray[Any] | bytes

# Numbers and truth values only: an object array would be a pickle by another name.
_NUMERIC = re.compile(r"[<>|][biufc](1|2|4|8|16)")
_BYTES = "bytes"


def pack(name: str, value: Buffer) -> tuple[BufferFacts, bytes]:
    """The facts and the frame of one buffer; the frame is a copy of its own.

    Raises:
        ValueError: the array holds something other than plain numbers.
    """
    if isinstance(value, bytes):
        dtype, shape, raw = _BYTES, (len(value),), value
    else:
        dtype, shape, raw = value.dtype.str, value.shape, value.tobytes()
        if not _NUMERIC.fullmatch(dtype):
            raise ValueError(f"buffer {name!r} must hold numbers, got dtype {dtype}")
    digest = hashlib.sha256(raw).hexdigest()
    facts = BufferFacts(
        name=name, dtype=dtype, shape=shape, nbytes=len(raw), sha256=digest
    )
    return facts, raw


def unpack(
    facts: Sequence[BufferFacts], frames: Sequence[bytes]
) -> Mapping[str, Buffer]:
    """The buffers that `facts` promise, read-only.

    Raises:
        MalformedError: a frame differs from its facts in number, size or content.
    """
    if len(facts) != len(frames):
        raise MalformedError(f"{len(facts)} buffers promised, {len(frames)} came")
    return {
        fact.name: _restore(fact, frame)
        for fact, frame in zip(facts, frames, strict=True)
    }


def _restore(fact: BufferFacts, frame: bytes) -> Buffer:
    if len(frame) != fact.nbytes:
        raise MalformedError(
            f"buffer {fact.name!r}: {fact.nbytes} bytes promised, {len(frame)} came"
        )
    if hashlib.sha256(frame).hexdigest() != fact.sha256:
        raise MalformedError(f"buffer {fact.name!r}: content differs from its hash")
    if fact.dtype == _BYTES:
        return frame
    if not _NUMERIC.fullmatch(fact.dtype):
        raise MalformedError(f"buffer {fact.name!r}: dtype {fact.dtype!r} refused")
    try:
        dtype = np.dtype(fact.dtype)
    except TypeError as failed:
        raise MalformedError(f"buffer {fact.name!r}: {failed}") from failed
    # math.prod on Python integers: numpy's would wrap around on a huge shape.
    if math.prod(fact.shape) * dtype.itemsize != fact.nbytes or len(fact.shape) > 8:
        raise MalformedError(f"buffer {fact.name!r}: shape and bytes disagree")
    return np.frombuffer(frame, dtype).reshape(fact.shape)
