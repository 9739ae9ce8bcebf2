"""How long an SMSC takes: delay distributions, drawn from a number that the caller brings."""

import math
from statistics import NormalDist
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from foundation.config import Config

DELAY_MAX_MS = 86_400_000
"""A day: no delay is longer."""

Milliseconds = Annotated[float, Field(ge=0, le=DELAY_MAX_MS)]

_NORMAL = NormalDist()


class Delay(Config):
    """One distribution. What is drawn is cut to `min_ms`..`max_ms`."""

    kind: Literal["constant", "uniform", "exponential", "lognormal"] = "constant"
    ms: Milliseconds = 0.0
    """constant: the delay; exponential: its mean; lognormal: its median; uniform: unused."""
    sigma: Annotated[float, Field(gt=0, le=5)] = 0.5
    """lognormal: standard deviation of the logarithm."""
    min_ms: Milliseconds = 0.0
    max_ms: Milliseconds = float(DELAY_MAX_MS)

    @model_validator(mode="after")
    def _bounds_agree(self) -> Self:
        if self.min_ms > self.max_ms:
            raise ValueError("min_ms is above max_ms")
        if self.kind == "uniform" and self.max_ms == DELAY_MAX_MS:
            raise ValueError("uniform: max_ms is missing")
        return self

    @property
    def is_constant(self) -> bool:
        """Nothing is drawn."""
        return self.kind == "constant"

    def sample(self, u: float) -> int:
        """The delay in milliseconds at quantile `u`, 0 to 1."""
        match self.kind:
            case "constant":
                drawn = self.ms
            case "uniform":
                drawn = self.min_ms + u * (self.max_ms - self.min_ms)
            case "exponential":
                drawn = -self.ms * math.log1p(-min(u, 1 - 1e-12))
            case "lognormal":
                drawn = self.ms * math.exp(self.sigma * _NORMAL.inv_cdf(min(max(u, 1e-12), 1 - 1e-12)))
        return round(min(max(drawn, self.min_ms), self.max_ms))


NO_DELAY = Delay()
