"""The engine: the published procedure finds, all bands refine, the witnesses judge."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import apply, compose, corner_errors, invert
from clemd.model import (
    FloatImage,
    Matrix,
    PosePrior,
    PreparedImage,
    Registration,
    Timing,
    TransformModel,
    Verdict,
)
from clemd.registration._engine import EngineContext
from clemd.registration._images import Images
from clemd.registration._judging import Rivals, judged, nowhere, registration_of
from clemd.registration._limits import keeping_limits

from ._coarse import Coarse, Missed, coarse
from ._cube import Cube, check_same_axis, chosen_grey, cube_of
from ._drift import drift_of
from ._refining import Refined, refine
from ._strays import without_strays

HALVES_LM_PX = 0.5
"""Odd and even bands that put the corners further apart than this do not agree."""
MOVED_LM_PX = 4.0
"""Refinement that moves the matches' pose further than this has left it."""
LEAST_ALIKE = 0.90
"""Mean cosine of the matches' spectra, below which the materials are in doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """One series laid on another, before it is judged."""

    matrix: Matrix
    """EM px -> LM px of the series as stored, between their reference bands."""
    coarse: Coarse
    refined: Refined | None
    em_drift: NDArray[np.float64]
    """(bands, 2) EM cube px against the reference band, ascending energy."""
    lm_drift: NDArray[np.float64]
    search_s: float
    refine_s: float

    def inlier_error_lm_px(self) -> float:
        """Equation 10 of the paper, by the final pose; mean, LM cube px.

        Not an error against truth: the matches judged are those that made the pose.
        """
        found = self.coarse
        rows = found.vote.inliers
        em = found.em.features.points[found.matches.em[rows]]
        lm = found.lm.features.points[found.matches.lm[rows]]
        a = apply(invert(found.em.from_cube), em)
        b = apply(invert(found.lm.from_cube), lm)
        matrix = found.matrix if self.refined is None else self.refined.matrix
        return float(np.linalg.norm(apply(matrix, a) - b, axis=1).mean())

    @property
    def model(self) -> TransformModel:
        """The family of the matrix."""
        return TransformModel.SIMILARITY if self.refined is None else self.refined.model


def lay(
    em: Cube, lm: Cube, prior: PosePrior, context: EngineContext
) -> tuple[Laid | Missed, float]:
    """Find and refine; also the seconds of the search."""
    started = time.perf_counter()
    context.breathe("search")
    found = coarse(em, lm, prior)
    searched = time.perf_counter()
    if isinstance(found, Missed):
        return found, searched - started
    context.breathe("refine")
    em_drift = drift_of(em.bands, found.em.band, em.mask)
    lm_drift = drift_of(lm.bands, found.lm.band, lm.mask)
    context.breathe("refine")
    fine = refine(em, lm, em_drift, lm_drift, found.matrix)
    matrix = found.matrix if fine is None else fine.matrix
    laid = Laid(
        matrix=compose(invert(lm.from_full), matrix, em.from_full),
        coarse=found,
        refined=fine,
        em_drift=em_drift,
        lm_drift=lm_drift,
        search_s=searched - started,
        refine_s=time.perf_counter() - searched,
    )
    return laid, searched - started


class SpatioSpectralEngine:
    """Energy series on energy series (Alsari et al. 2025), refined over all bands."""

    name = "spatio-spectral"
    version = "1"
    """It is given every band as measured, not the structure of a few."""

    def register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        """Lay one energy series on another; see `Engine.register`.

        Raises:
            RegistrationRefusedError: not two series of the same energies.
        """
        started = time.perf_counter()
        context = keeping_limits(context)
        both = cube_of(em, "EM"), cube_of(lm, "LM")
        check_same_axis(*both)
        if prior.mirror is True:
            raise RegistrationRefusedError(
                "spatio-spectral cannot register a mirrored series: flip it first, or "
                "choose the engine multimodal"
            )
        em_cube, lm_cube, told = without_strays(*both)
        cubes = em_cube, lm_cube
        laid, search_s = lay(*cubes, prior, context)
        if isinstance(laid, Missed):
            total = time.perf_counter() - started
            spent = Timing(search=search_s, total=total)
            answer = nowhere(self, context, spent, laid.in_words())
            return replace(answer, warnings=(*answer.warnings, *told))
        images = Images(
            _structure(em, cubes[0], laid.coarse.em.band),
            _structure(lm, cubes[1], laid.coarse.lm.band),
            torch.device(context.device),
        )
        # features and spectra foretell the pose as a session would: the witnesses get
        # rivals at its own scale, and need no search of their own
        seen = judged(
            images,
            laid.matrix,
            prior,
            context,
            model=laid.model,
            rivals=Rivals([], []),
        )
        spent = Timing(search=laid.search_s, refine=laid.refine_s)
        answer = registration_of(seen, images, self, context, spent)
        answer = _with_own_evidence(answer, laid, cubes)
        total = time.perf_counter() - started
        return replace(
            answer,
            seconds=replace(answer.seconds, total=total),
            warnings=(*answer.warnings, *told),
        )


def _structure(image: PreparedImage, cube: Cube, band: int) -> PreparedImage:
    """The reference band with even contrast, for the witnesses."""
    smooth = cv2.GaussianBlur(cube.bands[band], (0, 0), 0.7)
    even = cv2.createCLAHE(3.0, (8, 8)).apply(chosen_grey(smooth, cube.mask))
    layer: FloatImage = np.asarray(even, np.float32) / np.float32(255)
    energy = f"{cube.energies_ev[band]:.2f}"
    return replace(
        image,
        layers=(layer,),
        axis=(),
        label=f"all bands, structure of the one at {energy} eV",
        content_key="",
    )


def _with_own_evidence(
    answer: Registration, laid: Laid, cubes: tuple[Cube, Cube]
) -> Registration:
    """The engine's own numbers, for audit; they can only lower the verdict."""
    fine, found = laid.refined, laid.coarse
    evidence = {
        **answer.evidence,
        "em_features": float(len(found.em.features)),
        "lm_features": float(len(found.lm.features)),
        "matches": float(len(found.matches)),
        "inliers": float(len(found.vote.inliers)),
        "inlier_error_lm_px": laid.inlier_error_lm_px(),
        "spectra_cosine": found.alike,
        "em_band_ev": float(cubes[0].energies_ev[found.em.band]),
        "lm_band_ev": float(cubes[1].energies_ev[found.lm.band]),
        "em_drift_px": float(np.abs(laid.em_drift).max()),
        "lm_drift_px": float(np.abs(laid.lm_drift).max()),
    }
    doubts, why = [], []
    if fine is None:
        doubts.append("too little overlap to refine over all bands")
    else:
        moved = corner_errors(fine.matrix, found.matrix, cubes[0].shape).mean()
        evidence |= {
            "bands_apart_lm_px": fine.halves_px,
            "bands_noise_lm_px": fine.noise_px,
            "bands_explained": fine.explained,
        }
        why = [f"{len(cubes[0].bands)} bands of both series take part"]
        if fine.halves_px > HALVES_LM_PX:
            doubts.append(
                f"odd and even bands put the image {fine.halves_px:.2f} LM px apart"
            )
        if moved > MOVED_LM_PX:
            doubts.append(f"all bands want a place {moved:.1f} LM px from the matches'")
    if found.alike < LEAST_ALIKE:
        doubts.append(
            f"the spectra agree by {found.alike:.2f} only: other materials, or another "
            "calibration of the energy"
        )
    if doubts and answer.verdict is Verdict.ACCEPTED:
        return replace(
            answer,
            verdict=Verdict.REVIEW,
            confidence=min(answer.confidence, 0.9),
            reasons=(*doubts, *answer.reasons, *why),
            evidence=evidence,
        )
    return replace(answer, reasons=(*answer.reasons, *doubts, *why), evidence=evidence)
