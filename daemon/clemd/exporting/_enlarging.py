"""LM px enlarged for the eye: Lanczos, without the rings it draws beside edges.

Nothing is learned and nothing is added: every value lies within the range of the 3 x 3
stored px around it. A picture enlarged so is smooth and sharp to look at; it holds no
more than the stored px did, so measure on those (docs/methods.md).
"""

from __future__ import annotations

import cv2
import numpy as np

from clemd.model import Matrix

from ._context import Plane

_PULL = cv2.WARP_INVERSE_MAP


def enlarged(plane: Plane, grid_to_plane: Matrix, shape: tuple[int, int]) -> Plane:
    """`plane` on a finer grid of `shape` (height, width); beyond its edge, the edge.

    Source of the kernel: Lanczos windowed sinc of 8 x 8 (Duchon 1979), as in OpenCV.
    """
    around = np.ones((3, 3), np.uint8)
    least, most = (
        cv2.warpPerspective(
            found,
            grid_to_plane,
            shape[::-1],
            flags=cv2.INTER_NEAREST | _PULL,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for found in (cv2.erode(plane, around), cv2.dilate(plane, around))
    )
    fine = cv2.warpPerspective(
        plane,
        grid_to_plane,
        shape[::-1],
        flags=cv2.INTER_LANCZOS4 | _PULL,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(np.clip(fine, least, most), plane.dtype)
