"""Pictures of the report, carried inside it: it may be mailed as one file."""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from pathlib import Path

import cv2
import numpy as np

from ._banner import banner_rows

_WIDTH_PX = 1300
"""Half an A4 page at 350 dots per inch."""
_QUALITY = 88

RowsBelow = Callable[[int], int]
"""Width of a picture -> rows at its lower end that are not wanted."""


def _none(_width_px: int) -> int:
    return 0


def figure(path: Path, title: str, words: str, *, cut: RowsBelow = _none) -> str:
    """A `figure` element with the picture in it; empty where there is no such file.

    `words` is HTML. The strip with the verdict is cut off, for the page has said it
    already, and so are the rows below the picture that `cut` asks for.
    """
    source = _embedded(path, cut)
    if not source:
        return ""
    return (
        f'<figure><img src="{source}" alt="{escape(title, quote=True)}">'
        f"<figcaption><b>{escape(title)}.</b> {words}</figcaption></figure>"
    )


def _embedded(path: Path, cut: RowsBelow) -> str:
    """The picture as a `data:` address."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except FileNotFoundError:
        return ""
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if picture is None:
        return ""
    rows, width = picture.shape[:2]
    picture = picture[banner_rows(width) : rows - cut(width)]
    if not picture.size:
        return ""
    height = picture.shape[0]
    if width > _WIDTH_PX:
        size = _WIDTH_PX, max(1, round(height * _WIDTH_PX / width))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    # thin coloured lines smear where colour is stored at half the resolution
    whole = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    settings = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, whole]
    written, encoded = cv2.imencode(".jpg", picture, settings)
    if not written:
        raise OSError("the JPEG encoder failed")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
