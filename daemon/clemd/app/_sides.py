"""Which microscope an image is from: its folder says, else the file."""

from __future__ import annotations

from clemd.config import RootSettings
from clemd.model import Frame, Modality, Side


def sided(root: RootSettings, frames: list[Frame]) -> list[tuple[Side | None, Frame]]:
    """Each image of one file with its side.

    The folder decides. Only a file that holds images of several instruments (a
    spectral map, and the camera image that it was planned on) knows better.
    """
    if len({frame.modality for frame in frames}) == 1:
        return [(root.side or frame.side, frame) for frame in frames]
    return [
        (
            frame.side
            or (Side.EM if frame.modality is Modality.HYPERSPECTRAL else root.side),
            frame,
        )
        for frame in frames
    ]
