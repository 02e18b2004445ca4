"""Sums that are known before they are computed.

A device that gets one of them wrong has computed wrongly, whatever the images show.
Each costs one pass over numbers that are at hand.
"""

from __future__ import annotations

import math
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
    direct = others.flatten(1) @ one.flatten()
    off = (transformed - direct) / norms
    kept = all(abs(share) <= INNER_TOLERANCE for share in off.tolist())
    _demand(kept, off, "a Fourier transform lost part of a correlation")


def demand_histogram(joint: Tensor, share: Tensor) -> None:
    """Parzen weights of each sample sum to 1, so the histogram sums to `share`.

    Raises:
        WrongResultError: it does not.
    """
    lost = joint.sum() - share
    kept = abs(float(lost)) <= SUM_TOLERANCE
    _demand(kept, lost, "a histogram does not hold all of its samples")


def demand_field(z: Tensor) -> None:
    """No vector of a field is longer than it can be.

    Raises:
        WrongResultError: one is, or is not a number.
    """
    least, most = torch.aminmax(z)  # both are NaN where any number is
    kept = -LONGEST_VECTOR <= float(least) and float(most) <= LONGEST_VECTOR
    _demand(kept, most, "a field has impossible numbers")


def demand_numbers(values: Tensor) -> None:
    """Everything is a number, of values that are few.

    Raises:
        WrongResultError: something is not.
    """
    kept = all(map(math.isfinite, values.reshape(-1).tolist()))
    _demand(kept, values, "a score is not a number")


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


def _demand(holds: bool, seen: Tensor, what: str) -> None:
    if not holds:
        complain(f"{seen.device} computes wrongly: {what}")
