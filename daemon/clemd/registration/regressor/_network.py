"""The two-headed network: one head per image, a correlation between, a regression.

A plain stack of both images learns the training specimens by heart. Here each head
makes features of its own image, cells of the one are correlated with the surroundings
of the same cells of the other, and only these surfaces go on: they say by how much a
cell is shifted, and nothing of what is in it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

SIDE_PX = 56
"""Side of the square the EM field is laid in."""
EM_PX = 48.0
"""Side of a square as large as the EM field, px of the same grid."""
CELL_PX, REACH_PX = 8, 6
CELLS = SIDE_PX // CELL_PX
WINDOW_PX = CELL_PX + 2 * REACH_PX
TRANSFORM_PX = 20
"""The window: shifts within reach do not wrap around."""
SHIFTS = 2 * REACH_PX + 1
FEATURES, HIDDEN = 4, 8
ARM_PX = 20.0
"""Rotation and log scale are predicted as the shift of a point so far out."""
OUTPUTS = 9
"""Four shifts, their four log variances, one log odds."""
GAIN = 5.0
LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE = -9.0, 5.0


class Head(nn.Module):
    """Features of one image; what was put in goes along."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, HIDDEN, 3, padding=1)
        self.second = nn.Conv2d(HIDDEN, FEATURES, 3, padding=1)

    def forward(self, view: Tensor) -> Tensor:
        """(n, 3, h, w) field and mask -> (n, FEATURES, h, w)."""
        made = self.second(torch.relu(self.first(view)))
        kept = nnf.pad(view[:, :2], (0, 0, 0, 0, 0, FEATURES - 2))
        features: Tensor = (made + kept) * view[:, 2:]
        return features


class TwoHeads(nn.Module):
    """Both fields in; four shifts, their log variances and log odds out."""

    def __init__(self) -> None:
        super().__init__()
        self.em_head, self.lm_head = Head(), Head()
        self.mix = nn.Conv2d(2 * SHIFTS * SHIFTS + 3, 96, 1)
        self.near = nn.Conv2d(96, 64, 3, padding=1)
        self.far = nn.Conv2d(64, 64, 3, padding=1)
        self.join = nn.Linear(64 * CELLS * CELLS, 96)
        self.last = nn.Linear(96, OUTPUTS)

    def forward(self, em: Tensor, lm: Tensor) -> Tensor:
        """Regress where `em` lies in `lm`.

        `em` is (1 or n, 3, SIDE_PX, SIDE_PX), `lm` (n, 3, SIDE_PX + 2·REACH_PX, the
        same) on one grid. Returns (n, OUTPUTS).
        """
        return self.read(em, self.cells_of(em), lm)

    def cells_of(self, em: Tensor) -> Tensor:
        """What `read` wants of `em`, for several looks at one image."""
        return cell_spectra(self.em_head(em))

    def read(self, em: Tensor, cells: Tensor, lm: Tensor) -> Tensor:
        """`forward`, with `cells` made before."""
        surfaces = correlated(cells, self.lm_head(lm))
        inner = lm[:, :, REACH_PX:-REACH_PX, REACH_PX:-REACH_PX]
        told = torch.cat(
            [
                _shares(em[:, 2:]).expand(len(lm), -1, -1, -1),
                _shares((em[:, :2] ** 2).sum(1, True)).expand(len(lm), -1, -1, -1),
                _shares(inner[:, 2:]),
            ],
            1,
        )
        seen = torch.cat([surfaces, told], 1)
        seen = torch.relu(self.mix(seen))
        seen = torch.relu(self.near(seen))
        seen = torch.relu(self.far(seen))
        joined = torch.relu(self.join(seen.flatten(1)))
        out: Tensor = self.last(joined)
        return out


def _shares(plane: Tensor) -> Tensor:
    """(n, 1, SIDE, SIDE) -> its mean over each cell."""
    return nnf.avg_pool2d(plane, CELL_PX)


def cell_spectra(features: Tensor) -> Tensor:
    """(n, FEATURES, SIDE, SIDE) -> conjugate spectra of its cells."""
    cells = features.unfold(2, CELL_PX, CELL_PX).unfold(3, CELL_PX, CELL_PX)
    spectra: Tensor = torch.fft.rfft2(cells, s=(TRANSFORM_PX, TRANSFORM_PX))
    return spectra.conj()


def correlated(cells: Tensor, lm: Tensor) -> Tensor:
    """Each cell with the features of `lm` around it, over all shifts within reach.

    `cells` of `cell_spectra`, (n, FEATURES, SIDE + 2·REACH, the same) ->
    (n, 2·SHIFTS², CELLS, CELLS): one surface of the first two features and one of the
    others.
    """
    windows = lm.unfold(2, WINDOW_PX, CELL_PX).unfold(3, WINDOW_PX, CELL_PX)
    size = (TRANSFORM_PX, TRANSFORM_PX)
    f = torch.fft.rfft2(windows, s=size) * cells
    n = f.shape[0]
    both = f.reshape(n, 2, FEATURES // 2, *f.shape[2:]).sum(2)
    surface: Tensor = torch.fft.irfft2(both, s=size)[..., :SHIFTS, :SHIFTS]
    surface = surface.permute(0, 1, 4, 5, 2, 3) * (GAIN / CELL_PX**2)
    return surface.reshape(n, 2 * SHIFTS * SHIFTS, CELLS, CELLS)
