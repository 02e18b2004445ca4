"""Recursive least squares for two unknowns that may wander, in plain numbers."""

from __future__ import annotations


class TwoUnknowns:
    """Learns a and b of y = a p + b q, each forgotten at its own pace.

    The pace is given as the distance each may wander between observations (a Kalman
    filter's form of forgetting). One forgetting factor for both would lose b whenever
    the data do not show it, which is what a controller that holds y brings about.
    """

    __slots__ = (
        "_cap_a",
        "_cap_b",
        "_noise",
        "_step_a",
        "_step_b",
        "a",
        "b",
        "cov",
        "var_a",
        "var_b",
    )

    def __init__(
        self,
        a: tuple[float, float],
        b: tuple[float, float],
        *,
        step_a: float,
        step_b: float,
        noise_sd: float,
    ) -> None:
        (self.a, sd_a), (self.b, sd_b) = a, b
        self.var_a, self.var_b, self.cov = sd_a * sd_a, sd_b * sd_b, 0.0
        self._cap_a, self._cap_b = self.var_a, self.var_b
        self._step_a, self._step_b = step_a * step_a, step_b * step_b
        self._noise = noise_sd * noise_sd

    def take(self, p: float, q: float, y: float) -> float:
        """Learn from one observation; its error before learning."""
        self.var_a = min(self.var_a + self._step_a, self._cap_a)
        self.var_b = min(self.var_b + self._step_b, self._cap_b)
        along_a = self.var_a * p + self.cov * q
        along_b = self.cov * p + self.var_b * q
        spread = self._noise + p * along_a + q * along_b
        error = y - self.a * p - self.b * q
        gain_a, gain_b = along_a / spread, along_b / spread
        self.a += gain_a * error
        self.b += gain_b * error
        self.var_a -= gain_a * along_a
        self.var_b -= gain_b * along_b
        self.cov -= gain_a * along_b
        return error
