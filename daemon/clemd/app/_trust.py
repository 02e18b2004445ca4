"""May a device be believed? It must prove it, and again, and after every doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Cause = Literal["wrong", "unusable"]
"""It has computed something wrong, or could not be used."""
FIRST_BAN_S = 60.0
LONGEST_BAN_S = 3600.0


@dataclass(slots=True, kw_only=True)
class Trust:
    """What is known of a device's arithmetic.

        unproven ──proved──► trusted ──time, heat──► unproven
            │                   │ wrong result
            │ wrong answer      ▼
            └─────────────► set aside ──after a while──► unproven

    Each time that it is set aside again without a success between, it stays so for
    twice as long. The CPU proves nothing: there is nobody to ask instead.
    """

    every_s: float
    """Between two proofs."""
    is_cpu: bool
    set_aside: str = ""
    """Why; empty while it may work."""
    cause: Cause | Literal[""] = ""
    """Of that."""
    _proved_s: float | None = None
    _until_s: float = 0.0
    _ban_s: float = FIRST_BAN_S

    def may_work(self, now_s: float) -> bool:
        """Not set aside, or long enough that it may try to prove itself."""
        return not self.set_aside or now_s >= self._until_s

    def owes_proof(self, now_s: float) -> bool:
        """The known answer must be asked before the next job."""
        if self.is_cpu:
            return False
        return self._proved_s is None or now_s - self._proved_s >= self.every_s

    def doubt(self) -> None:
        """It was hot, or its worker is another one."""
        self._proved_s = None

    def prove(self, now_s: float) -> None:
        """It has given the known answer."""
        self._proved_s, self._ban_s = now_s, FIRST_BAN_S
        self.set_aside = self.cause = ""

    def ban(self, reason: str, now_s: float, *, cause: Cause = "wrong") -> float:
        """It is not to be used; seconds until it may try again."""
        lasts_s = self._ban_s
        self.set_aside, self.cause = reason, cause
        self._until_s = now_s + lasts_s
        self._proved_s = None
        self._ban_s = min(LONGEST_BAN_S, 2 * lasts_s)
        return lasts_s
