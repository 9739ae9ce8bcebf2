"""Delay distributions."""

import random
import statistics

import pytest
from pydantic import ValidationError

from simulators.smsc.delays import Delay

DRAWS = [random.Random(1).random() for _ in range(1)] + [(each + 0.5) / 10_000 for each in range(10_000)]


def test_constant_is_constant() -> None:
    assert {Delay(ms=20).sample(u) for u in (0.0, 0.5, 1.0)} == {20}


def test_uniform_fills_its_bounds_evenly() -> None:
    drawn = [Delay(kind="uniform", min_ms=100, max_ms=300).sample(u) for u in DRAWS]
    assert (min(drawn), max(drawn)) == (100, 300)
    assert statistics.mean(drawn) == pytest.approx(200, rel=0.01)


def test_exponential_has_its_mean() -> None:
    assert statistics.mean(Delay(kind="exponential", ms=500).sample(u) for u in DRAWS) == pytest.approx(
        500, rel=0.01
    )


def test_lognormal_has_its_median_and_a_long_tail() -> None:
    drawn = sorted(Delay(kind="lognormal", ms=100, sigma=1.0).sample(u) for u in DRAWS)
    assert statistics.median(drawn) == pytest.approx(100, abs=1)
    assert drawn[-100] == pytest.approx(100 * 2.718281828**2.326, rel=0.02)


@pytest.mark.parametrize("kind", ["exponential", "lognormal"])
@pytest.mark.parametrize("u", [0.0, 1.0])
def test_the_ends_of_a_distribution_stay_in_its_bounds(kind: str, u: float) -> None:
    assert 10 <= Delay.model_validate({"kind": kind, "ms": 50, "min_ms": 10, "max_ms": 90}).sample(u) <= 90


@pytest.mark.parametrize("wrong", [{"min_ms": 5, "max_ms": 4}, {"kind": "uniform"}, {"ms": -1}])
def test_a_delay_without_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Delay.model_validate(wrong)
