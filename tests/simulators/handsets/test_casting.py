"""Who does what: by number, by weight, and the same ones each time."""

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from simulators.handsets.casting import Casting
from simulators.handsets.settings import HandsetScript
from simulators.handsets.subscribers import generate
from simulators.scripts import Behaviour

NUMBERS = [one.msisdn for one in generate(4000)]


def casting(*scripts: dict[str, Any], seed: int = 1) -> Casting:
    return Casting([HandsetScript.model_validate(each) for each in scripts], Behaviour(0.5), seed)


def test_without_a_script_all_answer_alike() -> None:
    assert casting().behaviour_of(NUMBERS[0]) == Behaviour(0.5)


def test_shares_divide_the_handsets() -> None:
    cast = casting({"share": 3, "digits": "1"}, {"share": 1, "busy": True})
    kinds = Counter(cast.behaviour_of(number).busy for number in NUMBERS)
    assert 850 < kinds[True] < 1150
    assert kinds[False] == len(NUMBERS) - kinds[True]


def test_a_script_with_numbers_is_theirs_alone() -> None:
    cast = casting(
        {"numbers": [NUMBERS[4], f"{NUMBERS[10]}-{NUMBERS[12]}"], "reject": 603}, {"share": 1, "busy": True}
    )
    refusing = [place for place in range(20) if cast.behaviour_of(NUMBERS[place]).reject]
    assert refusing == [4, 10, 11, 12]
    assert not casting({"numbers": [NUMBERS[4]], "busy": True}).behaviour_of(NUMBERS[5]).busy


def test_the_seed_says_who_does_what() -> None:
    scripts = ({"share": 1, "busy": True}, {"share": 1, "never": True})

    def cast(seed: int) -> list[bool]:
        return [casting(*scripts, seed=seed).behaviour_of(number).busy for number in NUMBERS[:100]]

    assert cast(1) == cast(1)
    assert cast(1) != cast(2)


@pytest.mark.parametrize(
    "script", [{"busy": True}, {"numbers": ["13-12"]}, {"numbers": ["+86138"]}, {"share": -1}]
)
def test_a_script_that_is_nobodys_is_refused(script: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HandsetScript.model_validate(script)
