"""Poses as matrix exponentials: any step along the generators is a proper matrix."""

from __future__ import annotations

import torch
from torch import Tensor

SIX = torch.tensor(
    [
        [[0, 0, 1], [0, 0, 0], [0, 0, 0]],  # shift along x
        [[0, 0, 0], [0, 0, 1], [0, 0, 0]],  # shift along y
        [[0, 1, 0], [0, 0, 0], [0, 0, 0]],  # shear of x; with the next: a turn
        [[0, 0, 0], [1, 0, 0], [0, 0, 0]],  # shear of y
        [[1, 0, 0], [0, -1, 0], [0, 0, 0]],  # stretch that keeps the area
        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],  # size, by the last element
    ],
    dtype=torch.float32,
)
"""The published generators: an affine."""

EIGHT = torch.tensor(
    [
        [[0, 0, 1], [0, 0, 0], [0, 0, 0]],  # shift along x
        [[0, 0, 0], [0, 0, 1], [0, 0, 0]],  # shift along y
        [[0, -1, 0], [1, 0, 0], [0, 0, 0]],  # turn
        [[1, 0, 0], [0, 1, 0], [0, 0, 0]],  # size
        [[1, 0, 0], [0, -1, 0], [0, 0, 0]],  # stretch along the axes
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]],  # stretch along the diagonals
        [[0, 0, 0], [0, 0, 0], [1, 0, 0]],  # keystone along x
        [[0, 0, 0], [0, 0, 0], [0, 1, 0]],  # keystone along y
    ],
    dtype=torch.float32,
)
"""A homography; the first four are the similarities, the first six the affines."""
SIMILARITY, AFFINE = 4, 6
"""How many of `EIGHT` keep shapes, and straight things parallel."""


def matrices_of(vectors: Tensor, generators: Tensor) -> Tensor:
    """(n, 3, 3) of (n, generators): exp of their weighed sums."""
    weighed = torch.einsum("pg,gij->pij", vectors, generators.to(vectors))
    return torch.matrix_exp(weighed)
