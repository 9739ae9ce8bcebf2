"""What a script may say, and what a line does by it."""

import random
from typing import Any

import pytest
from pydantic import ValidationError

from simulators.scripts import Behaviour, Script, drawn


def changed(behaviour: Behaviour | None = None, /, **said: Any) -> Behaviour:
    behaviour = behaviour or Behaviour()
    Script.model_validate(said).change(behaviour)
    return behaviour


def test_what_is_not_named_is_as_it_was() -> None:
    behaviour = changed(answer_after=[1, 8], hang_up_after=30, digits="12#")
    assert (behaviour.answer_after, behaviour.hang_up_after, behaviour.digits) == ((1, 8), 30, "12#")
    changed(behaviour, hang_up_after=None)
    assert (behaviour.answer_after, behaviour.hang_up_after, behaviour.digits) == ((1, 8), None, "12#")


@pytest.mark.parametrize(
    ("said", "answer_after", "busy", "reject"),
    [
        ({"busy": True}, 0.3, True, None),
        ({"reject": 603}, 0.3, False, 603),
        ({"reject": 486, "answer_after": 0}, 0, False, 486),
        ({"never": True}, None, False, None),
        ({"answer_after": 2}, 2, False, None),
    ],
)
def test_a_line_answers_or_refuses_or_does_neither(
    said: dict[str, Any], answer_after: float | None, busy: bool, reject: int | None
) -> None:
    for before in (Behaviour(), Behaviour(busy=True), Behaviour(reject=480)):
        behaviour = changed(before, **said)
        assert (behaviour.answer_after, behaviour.busy, behaviour.reject) == (answer_after, busy, reject)


@pytest.mark.parametrize(
    "said",
    [
        {"never": True, "busy": True},
        {"busy": True, "reject": 603},
        {"reject": 200},
        {"answer_after": [5, 1]},
        {"answer_after": [1, 2, 3]},
        {"answer_after": 121},
        {"answer_after": [1, 500]},
        {"hang_up_after": -1},
        {"digits": "12x"},
        {"dance": True},
    ],
)
def test_what_no_line_can_do_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Script.model_validate(said)


def test_a_span_is_drawn_anew_each_time_and_the_same_for_a_seed() -> None:
    draws = [drawn((1.0, 2.0), chance) for chance in (random.Random(7),) for _ in range(50)]
    assert all(1.0 <= each <= 2.0 for each in draws)
    assert len(set(draws)) > 40
    assert draws[0] == drawn((1.0, 2.0), random.Random(7))
    assert drawn(3.0, random.Random()) == 3.0
