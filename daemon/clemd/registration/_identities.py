"""Sums that are known before they are computed.

A device that gets one of them wrong has computed wrongly, whatever the images show.
Each costs one pass over numbers that are at hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from clemd.errors import WrongResultError

INNER_TOLERANCE = 1e-3
"""Single precision leaves some 1e-6 of the product of the norms."""
SUM_TOLERANCE = 1e-6
LONGEST_VECTOR = 2.0
"""A field's vectors are shorter than 1, less a mean that is shorter too."""
_notes: list[str] | None = None


def demand_inner_products(
    transformed: Tensor, one: Tensor, others: Tensor, norms: Tensor
) -> None:
    """A Fourier transform keeps inner products (Parseval, Plancherel).

    `transformed`: correlations at no shift, by way of spectra, (batch,); they are the
    inner products of `one` (2, height, width) with `others` (batch, 2, height, width).
    `norms` (batch,) are the products of the two norms, which set the scale.

    Raises:
        WrongResultError: it did not.
    """
    direct = (others * one).double().sum((1, 2, 3))
    kept = ((transformed - direct).abs() <= INNER_TOLERANCE * norms).all()
    _demand(kept, "a Fourier transform lost part of a correlation")


def demand_histogram(joint: Tensor, share: Tensor) -> None:
    """Parzen weights of each sample sum to 1, so the histogram sums to `share`.

    Raises:
        WrongResultError: it does not.
    """
    kept = (joint.sum() - share).abs() <= SUM_TOLERANCE
    _demand(kept, "a histogram does not hold all of its samples")


def demand_field(z: Tensor) -> None:
    """No vector of a field is longer than it can be.

    Raises:
        WrongResultError: one is, or is not a number.
    """
    longest = torch.linalg.vector_norm(z, ord=float("inf"))
    _demand(longest <= LONGEST_VECTOR, "a field has impossible numbers")


def demand_numbers(values: Tensor) -> None:
    """Everything is a number.

    Raises:
        WrongResultError: something is not.
    """
    _demand(torch.isfinite(values).all(), "a score is not a number")


def complain(said: str) -> None:
    """A device has computed something that is not so.

    Raises:
        WrongResultError: always, but within `noting`.
    """
    if _notes is None:
        raise WrongResultError(said)
    _notes.append(said)


@contextmanager
def noting() -> Iterator[list[str]]:
    """Complaints are noted and the registration goes on; for measuring the checks."""
    global _notes
    _notes = []
    try:
        yield _notes
    finally:
        _notes = None


def _demand(holds: Tensor, what: str) -> None:
    if not bool(holds):
        complain(f"{holds.device} computes wrongly: {what}")
