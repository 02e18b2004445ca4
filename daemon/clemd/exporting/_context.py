"""What an exported file must say besides the registration itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.geometry import as_matrix
from clemd.model import ChannelKind, Matrix, Registration, SecondOpinion, Verdict

Plane = NDArray[Any]
"""One channel, (height, width), any real sample type."""
PixelUm = tuple[float, float]
"""Edge lengths (x, y) of one pixel in micrometres."""
Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LightLayer:
    """One LM channel as it is to be shown."""

    plane: Plane
    """Pixels as stored, (height, width)."""
    name: str = ""
    kind: ChannelKind = ChannelKind.UNKNOWN
    colour: Colour | None = None
    """None = chosen by kind: reflected grey-cyan, others magenta, green, yellow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairContext:
    """The two images of a registration: names, sizes, pixel sizes."""

    em_name: str
    """File name as shown to people."""
    lm_name: str
    em_shape: tuple[int, int]
    """(height, width) in px of the image as stored, info bar included."""
    lm_shape: tuple[int, int]
    em_pixel_um: PixelUm | None = None
    lm_pixel_um: PixelUm | None = None
    metadata_ratio: float | None = None
    """LM / EM pixel size as the files' metadata promise it."""
    registration_id: str = ""
    session: str = ""
    second: SecondOpinion | None = None
    """What another engine says of the result."""

    def told(self, found: Registration) -> Registration:
        """The registration as it goes out: with the other engine's word, if any."""
        return found if self.second is None else self.second.beside(found)

    @property
    def is_calibrated(self) -> bool:
        """Both pixel sizes are known, so the transform has micrometres."""
        return self.em_pixel_um is not None and self.lm_pixel_um is not None

    @property
    def spacings(self) -> tuple[PixelUm, PixelUm]:
        """(EM, LM) pixel sizes in µm, or 1 px = 1 unit for both if one is unknown."""
        if self.em_pixel_um is None or self.lm_pixel_um is None:
            return (1.0, 1.0), (1.0, 1.0)
        return self.em_pixel_um, self.lm_pixel_um

    @property
    def unit(self) -> str:
        """The unit of `spacings`."""
        return "micrometre" if self.is_calibrated else "pixel"


def usable_matrix(registration: Registration) -> Matrix:
    """The EM -> LM px matrix of a registration that may leave the house.

    Raises:
        UsageError: there is no matrix, or the verdict says that it is wrong.
    """
    if registration.em_to_lm is None or registration.verdict is Verdict.REJECTED:
        raise UsageError(
            "the images are not registered",
            registration.reasons[0] if registration.reasons else "verdict: rejected",
            "register them again, then export",
        )
    return as_matrix(registration.em_to_lm)
