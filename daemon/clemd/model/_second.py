"""What another engine says of a result that the first one left in doubt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ._registration import Registration


class Agreement(StrEnum):
    """How the second answer stands to the first."""

    AGREES = "agrees"
    """The same place, as far as both radii can tell."""
    DISAGREES = "disagrees"
    """Another place: one of the two is wrong, or both are."""
    SILENT = "silent"
    """It has no answer: it believes in no place, refused, or ran out of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """A second engine's answer, beside the one that holds; it replaces nothing."""

    agreement: Agreement
    answer: Registration
    """As that engine gave it, with all that `clemd replay` needs. Its matrix is never
    shown, exported or published."""
    apart_lm_px: float | None = None
    """Largest distance between the EM corners of the two answers; None if silent."""
    allowed_lm_px: float | None = None
    """What the two 95 % radii together leave open."""
    sentence: str = ""
    """For the operator."""

    def beside(self, first: Registration) -> Registration:
        """`first` with this among its reasons; a contradiction goes before all."""
        if self.agreement is Agreement.DISAGREES:
            return replace(first, reasons=(self.sentence, *first.reasons))
        return replace(first, reasons=(*first.reasons, self.sentence))

    def to_contract(self) -> dict[str, Any]:
        """The field `second` of the bus and the page."""
        answer = self.answer
        return {
            "engine": answer.engine,
            "engine_version": answer.engine_version,
            "agreement": self.agreement.value,
            "apart_lm_px": self.apart_lm_px,
            "allowed_lm_px": self.allowed_lm_px,
            "verdict": answer.verdict.value,
            "confidence": answer.confidence,
            "device": answer.device,
            "seconds": answer.seconds.total,
            "sentence": self.sentence,
        }
