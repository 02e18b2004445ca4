"""Where the stage lies on one LM map; every registered image sharpens the estimate.

An image's place is `t + B (stage - origin)` and its linear part `K diag(pixel size)`:

    t   2 numbers   where the origin of the stage lies, LM px
    B   2 x 2       LM px per stage µm
    K   2 x 2       LM px per image µm

All ten are estimated together. `B = K G`, where G is one of the hypotheses of `_axes`,
ties them before a second image is there. Metadata are noisy in known ways: the stage
returns to within `stage_sigma_um`, a magnification is calibrated to `scale_sigma`, and
both figures are themselves estimated from how far images were off. Time lets `t` walk,
so that a slow drift is followed. Because all of this is linear and normal, one image
costs the same however many there were before, and nothing has to be iterated: a Kalman
filter (R. E. Kalman, 1960), one for each hypothesis, weighed by what each foretold (a
static multiple-model filter: D. T. Magill, 1965).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from clemd.model import ErrorRadius

from ._axes import Axes, hypotheses
from ._coordinates import Placement, mixed_radius_lm_px
from ._facts import Sighting

Array = NDArray[np.float64]
PLACE, STAGE, SCALE = slice(0, 2), slice(2, 6), slice(6, 10)
LEAST_WEIGHT = 1e-7
"""No hypothesis is given up: a stage that was silent may speak again."""
PLAUSIBLE = 1e-3
"""Hypotheses that weigh less do not count in what is expected."""
UNMOVED_UM = 0.01
"""A stage that reads the same has not moved, so its error is the one it had."""
UNTOLD_LM_PX2 = 1e12
"""Variance of a place that tells nothing new."""
CLOCK_BACK_S = 3600.0
"""A clock that is put back by more was wrong before."""
MAGNIFICATIONS = 32
"""Newest pixel sizes that are remembered."""
MOST_BELIEFS = 200.0
"""So that a stage which changes its ways is noticed within a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What metadata are known to be wrong by; starting values, then learned."""

    stage_um: float = 0.7
    """A stage comes back to within this, each axis, one standard deviation."""
    linear: float = 2e-3
    """Turn (rad), scale and shear between two images of one magnification."""
    other_magnification: float = 3e-3
    """Scale between two magnifications."""
    drift_um_per_root_h: float = 0.3
    """Random walk of the stage's origin."""
    beliefs: float = 3.0
    """How many images the starting values count for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Variances as the images have shown them."""

    stage_um2: float
    linear2: float
    beliefs: float

    @property
    def heavy_tails(self) -> float:
        """How much wider than a normal's the 95 % radius is for so few beliefs."""
        return _heavy_tails(round(2 * self.beliefs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The ten numbers under each hypothesis, how sure they are, and their weights."""

    origin_um: tuple[float, float]
    axes: tuple[Axes, ...]
    means: Array
    """(hypotheses, 10)."""
    covariances: Array
    """(hypotheses, 10, 10)."""
    weights: Array
    """(hypotheses,), sum 1."""
    noise: Noise
    learned: Learned
    at_s: float
    stage_um: tuple[float, float]
    """What the stage read last."""
    pixel_um: tuple[float, ...]
    """Pixel sizes (x) that were seen: one magnification each."""
    images: int

    @classmethod
    def begun(
        cls,
        sighting: Sighting,
        seen: Placement,
        noise: Noise,
        *,
        axes: tuple[Axes, ...] | None = None,
        weights: Array | None = None,
        learned: Learned | None = None,
    ) -> Estimate:
        """After the first image; `weights` if the axes are known from before."""
        taken = axes or tuple(hypotheses())
        start = np.array([a.weight for a in taken]) if weights is None else weights
        scale = np.kron(np.eye(2), np.diag(sighting.pixel_um))
        undo = np.linalg.inv(scale)
        k = undo @ seen.values[2:]
        k_cov = undo @ seen.covariance[2:, 2:] @ undo.T
        size2 = float(k @ k) / 2
        known = learned or Learned(
            stage_um2=noise.stage_um**2,
            linear2=noise.linear**2,
            beliefs=noise.beliefs,
        )
        means, covariances = [], []
        for one in taken:
            # B = K G, entry by entry
            tie = np.kron(np.eye(2), one.matrix.T)
            mean, cov = np.zeros(10), np.zeros((10, 10))
            mean[PLACE], mean[STAGE], mean[SCALE] = seen.values[:2], tie @ k, k
            scatter = known.stage_um2 + one.scatter_um**2
            cov[PLACE, PLACE] = seen.covariance[:2, :2] + scatter * size2 * np.eye(2)
            k_own = k_cov + known.linear2 * size2 * np.eye(4)
            cov[SCALE, SCALE] = k_own
            cov[STAGE, SCALE] = tie @ k_own
            cov[SCALE, STAGE] = cov[STAGE, SCALE].T
            loose = one.looseness**2 * size2 * np.eye(4)
            cov[STAGE, STAGE] = tie @ k_own @ tie.T + loose
            means.append(mean)
            covariances.append(cov)
        return cls(
            origin_um=sighting.stage_um,
            axes=taken,
            means=np.array(means),
            covariances=np.array(covariances),
            weights=start / start.sum(),
            noise=noise,
            learned=known,
            at_s=sighting.at_s,
            stage_um=sighting.stage_um,
            pixel_um=(sighting.pixel_um[0],),
            images=1,
        )

    @property
    def best(self) -> int:
        """The likeliest hypothesis."""
        return int(self.weights.argmax())

    @property
    def speaks(self) -> bool:
        """The stage's numbers mean something."""
        return self.axes[self.best].scatter_um == 0.0

    @property
    def lm_px_per_um(self) -> float:
        """Scale of the map against the EM image's micrometres."""
        k = self.means[self.best, SCALE]
        return math.sqrt(abs(float(k[0] * k[3] - k[1] * k[2])))

    def expected(self, sighting: Sighting) -> Placement:
        """Where an image with these metadata lies, and how sure that is.

        The covariance is of the image's true pose: it holds what the session does not
        know, what the metadata are wrong by, and that hypotheses differ.
        """
        means, covariances = self.foretold(sighting)
        best = means[self.best]
        apart = means - best
        # a ghost far away must not blur the likely ones, however little it weighs
        weights = np.where(self.weights > PLAUSIBLE, self.weights, 0.0)
        weights = weights / weights.sum()
        mixed = np.einsum("h,hij->ij", weights, covariances)
        mixed += np.einsum("h,hi,hj->ij", weights, apart, apart)
        return Placement(best, mixed, sighting.shape)

    def radius_lm_px(self, sighting: Sighting) -> ErrorRadius:
        """How far `expected` may be off anywhere in the image."""
        means, covariances = self.foretold(sighting)
        return mixed_radius_lm_px(
            Placement(means[self.best], covariances[self.best], sighting.shape),
            means - means[self.best],
            covariances,
            self.weights,
            heavy_tails=self.learned.heavy_tails,
        )

    def folded(self, sighting: Sighting, seen: Placement) -> Estimate:
        """With one more registered image."""
        walked = self._walked(sighting.at_s)
        look = self._look(sighting)
        means, covariances = walked.foretold(sighting)
        innovation = seen.values - means
        spread = covariances + self._told(sighting, seen)
        solved = np.linalg.solve(spread, innovation[..., None])[..., 0]
        _, logs = np.linalg.slogdet(spread)
        evidence = -0.5 * (logs + np.einsum("hi,hi->h", innovation, solved))
        weights = walked.weights * np.exp(evidence - evidence.max())
        weights = weights / weights.sum()
        gain = np.linalg.solve(spread, look @ walked.covariances).transpose(0, 2, 1)
        updated = walked.means + np.einsum("hij,hj->hi", gain, innovation)
        # Joseph's form stays symmetric and positive over ten thousand images
        keep = np.eye(10) - gain @ look
        noise = spread - look @ walked.covariances @ look.T  # metadata's and pixels'
        left = keep @ walked.covariances @ keep.transpose(0, 2, 1)
        left = left + gain @ noise @ gain.transpose(0, 2, 1)
        weights = np.maximum(weights, LEAST_WEIGHT)
        best = int(weights.argmax())
        known = self._is_known(sighting)
        learned = walked.learning(sighting, innovation[best], spread[best], best)
        # where the stage turns out worse than thought, so does what it has taught
        grown = math.sqrt(learned.stage_um2 / self.learned.stage_um2)
        doubt = np.diag([grown] * 6 + [1.0] * 4)
        return replace(
            walked,
            means=updated,
            covariances=doubt @ left @ doubt,
            weights=weights / weights.sum(),
            learned=learned,
            stage_um=sighting.stage_um,
            pixel_um=self.pixel_um
            if known
            else (*self.pixel_um, sighting.pixel_um[0])[-MAGNIFICATIONS:],
            images=self.images + 1,
        )

    def loosened(self, sighting: Sighting, seen: Placement) -> Estimate:
        """With the origin forgotten and taken from this image; the rest is kept."""
        covariances = self.covariances.copy()
        covariances[:, PLACE, :] = 0.0
        covariances[:, :, PLACE] = 0.0
        size = 1e3 * max(sighting.shape) * max(sighting.pixel_um) * self.lm_px_per_um
        covariances[:, 0, 0] = covariances[:, 1, 1] = size**2
        return replace(self, covariances=covariances).folded(sighting, seen)

    def _walked(self, at_s: float) -> Estimate:
        hours = max(at_s - self.at_s, 0.0) / 3600
        step = self.noise.drift_um_per_root_h**2 * hours * self.lm_px_per_um**2
        covariances = self.covariances.copy()
        covariances[:, 0, 0] += step
        covariances[:, 1, 1] += step
        put_back = at_s < self.at_s - CLOCK_BACK_S
        now_s = at_s if put_back else max(at_s, self.at_s)
        return replace(self, covariances=covariances, at_s=now_s)

    def _told(self, sighting: Sighting, seen: Placement) -> Array:
        """(6, 6): doubt of what the image tells that was not told before.

        Retakes and focus series share one arrival of the stage, and so one error of
        it: their place says nothing of where the stage lies on the map.
        """
        covariance = seen.covariance.copy()
        if math.dist(sighting.stage_um, self.stage_um) < UNMOVED_UM:
            covariance[0, 0] += UNTOLD_LM_PX2
            covariance[1, 1] += UNTOLD_LM_PX2
        return covariance

    def _look(self, sighting: Sighting) -> Array:
        """(6, 10): what of the ten an image's six numbers show."""
        look = np.zeros((6, 10))
        look[PLACE, PLACE] = np.eye(2)
        moved = np.subtract(sighting.stage_um, self.origin_um)
        look[PLACE, STAGE] = np.kron(np.eye(2), moved)
        look[2:, SCALE] = np.kron(np.eye(2), np.diag(sighting.pixel_um))
        return look

    def foretold(self, sighting: Sighting) -> tuple[Array, Array]:
        """The image's true pose under each hypothesis (hypotheses, 6), its doubt."""
        walked = self._walked(sighting.at_s)
        look = self._look(sighting)
        covariances = look @ walked.covariances @ look.T
        return walked.means @ look.T, covariances + self._of_metadata(sighting)

    def _of_metadata(self, sighting: Sighting) -> Array:
        """(hypotheses, 6, 6): what this image's metadata are wrong by, LM px."""
        size2 = self.lm_px_per_um**2
        noise = np.zeros((len(self.axes), 6, 6))
        for at, one in enumerate(self.axes):
            stage_um2 = self.learned.stage_um2 + one.scatter_um**2
            noise[at, :2, :2] = stage_um2 * size2 * np.eye(2)
        linear2 = self.learned.linear2
        if not self._is_known(sighting):
            linear2 += self.noise.other_magnification**2
        per_px = sighting.pixel_um[0] * sighting.pixel_um[1] * size2
        noise[:, 2:, 2:] = linear2 * per_px * np.eye(4)
        return noise

    def _is_known(self, sighting: Sighting) -> bool:
        return any(abs(sighting.pixel_um[0] / p - 1) < 1e-3 for p in self.pixel_um)

    def learning(
        self, sighting: Sighting, innovation: Array, spread: Array, best: int
    ) -> Learned:
        """The variances, after an image that was off by `innovation`.

        What the pose's own doubt explains is taken off first, so that only what is
        left counts against the metadata.
        """
        own = np.diag(self._of_metadata(sighting)[best])
        whole = np.diag(spread)
        stage, told = _sharpened(
            self.learned.stage_um2, innovation[:2], own[:2], whole[:2], self.learned
        )
        linear = self.learned.linear2
        if self._is_known(sighting):
            linear, _ = _sharpened(
                linear, innovation[2:], own[2:], whole[2:], self.learned
            )
        return Learned(
            stage_um2=stage,
            linear2=linear,
            beliefs=min(self.learned.beliefs + told, MOST_BELIEFS),
        )


def _sharpened(
    before: float, off: Array, own: Array, whole: Array, learned: Learned
) -> tuple[float, float]:
    """A variance after one image, and how much that image could tell of it.

    `own` is the part of the innovation's variance `whole` that this variance stands
    for. An image tells as the square of that share (Fisher's information).
    """
    share = own / whole
    told = float((share**2).mean())
    surplus = float((share**2 * (1 + (off**2 - whole) / own)).mean())
    return before * (learned.beliefs + surplus) / (learned.beliefs + told), told


@cache
def _heavy_tails(degrees: int) -> float:
    return float(stdtrit(max(degrees, 2), 0.975) / 1.959964)
