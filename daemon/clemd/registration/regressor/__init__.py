"""A two-headed network that looks at both images and says the pose, with a variance.

After Luo et al.: both images in, rotation, scale and shifts out. Written anew:
correlation stands between the heads, so that what is learned is how to read shifts
and not what specimens look like.

seeing      small gradient fields of both images (`_seeing`)
proposing   turns and shifts by correlation, without weights (`_proposing`)
network     two heads, a correlation, a regression (`_network`)
looking     the network's grid, its answers as matrices (`_looking`)
predicting  propose, look, look again (`_predicting`)
weights     the trained file, pinned (`_weights`)
engine      predict, refine, have it judged (`_engine`)
hinting     where `multimodal` might look first (`_hinting`)

`_examples` and `_training` are how the weights came about (`scripts/train`).
"""

from pathlib import Path

from ._engine import RegressorEngine
from ._examples import Example, example_of
from ._hinting import LEAST_LOG_ODDS, hint
from ._predicting import Prediction, outside, predict
from ._training import Progress, Recipe, train
from ._weights import NAME, SHA256, Trained, as_bytes, from_bytes, sha256_of, trained

WEIGHTS = Path(__file__).with_name(NAME)
"""Where they lie in the source."""

__all__ = [
    "LEAST_LOG_ODDS",
    "SHA256",
    "WEIGHTS",
    "Example",
    "Prediction",
    "Progress",
    "Recipe",
    "RegressorEngine",
    "Trained",
    "as_bytes",
    "example_of",
    "from_bytes",
    "hint",
    "outside",
    "predict",
    "sha256_of",
    "train",
    "trained",
]
