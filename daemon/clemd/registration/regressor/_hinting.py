"""What the network is good for before a search: where to look first."""

from __future__ import annotations

from clemd.errors import UsageError
from clemd.geometry import as_rows
from clemd.model import Matrix3, PosePrior, PreparedImage

from ._predicting import outside, predict
from ._weights import trained

LEAST_LOG_ODDS = 6.0
"""Below, the network doubts its place; chosen on tuning pairs."""


def hint(em: PreparedImage, lm: PreparedImage, prior: PosePrior) -> Matrix3 | None:
    """EM px -> LM px, where the network expects the image; None if it cannot say.

    Something that is only meant to save time never ends a job: damaged weights are no
    hint either (`clemd register --engine regressor` says so).
    """
    if prior.expected is not None or outside(em, lm, prior):
        return None
    try:
        said = predict(trained(), em, lm, prior)
    except UsageError:
        return None
    if said is None or said.log_odds < LEAST_LOG_ODDS:
        return None
    return as_rows(said.matrix)
