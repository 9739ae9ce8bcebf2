"""Outcomes: chance that repeats, and what it decides."""

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from simulators.smsc.delays import Delay
from simulators.smsc.outcomes import PLAIN, Fate, NetworkError, Outcome, OutcomeDraw, Plan, plan_of
from smpp.constants import MessageState

NUMBER = b"8613800000001"
MIXED = [Outcome(weight=9), Outcome(weight=1, result="rejected", error=2)]


def test_without_outcomes_every_message_gets_what_the_phone_answers() -> None:
    assert OutcomeDraw([], 7).draw(1, NUMBER) == Fate(0, PLAIN, 0, 0)


def test_the_same_seed_draws_the_same_whatever_was_drawn_before() -> None:
    delay = Delay(kind="exponential", ms=100)
    one, other = (OutcomeDraw(MIXED, 42, delivery_delay=delay) for _ in range(2))
    forward = [one.draw(serial, NUMBER) for serial in range(300)]
    assert forward == [other.draw(serial, NUMBER) for serial in reversed(range(300))][::-1]
    assert forward != [OutcomeDraw(MIXED, 43).draw(serial, NUMBER) for serial in range(300)]


def test_outcomes_come_as_often_as_their_weights_say() -> None:
    draw = OutcomeDraw(MIXED, 1)
    counted = Counter(draw.draw(serial, NUMBER).plan.state for serial in range(10_000))
    assert counted[MessageState.REJECTED] == pytest.approx(1000, rel=0.1)


def test_by_number_a_destination_always_fares_the_same() -> None:
    draw = OutcomeDraw(MIXED, 3, by="number")
    fates = [{draw.draw(serial, b"%d" % number).plan for serial in range(20)} for number in range(200)]
    assert all(len(each) == 1 for each in fates)
    assert len(set.union(*fates)) == 2


def test_an_outcome_for_a_number_goes_before_the_others() -> None:
    draw = OutcomeDraw([Outcome(), Outcome(number="86139.*", result="unknown")], 0)
    assert draw.draw(1, b"8613900000001").plan.state == MessageState.UNKNOWN
    assert draw.draw(1, b"8613800000001").plan.state == 0


def test_delays_are_the_outcomes_own_or_those_of_all() -> None:
    outcome = Outcome(response_delay=Delay(ms=7))
    assert OutcomeDraw([outcome], 0, delivery_delay=Delay(ms=9)).draw(1, NUMBER) == Fate(0, PLAIN, 7, 9)


def test_a_refusal_has_a_status_and_no_plan() -> None:
    assert OutcomeDraw([Outcome(result="refuse", status=0x14)], 0).draw(1, NUMBER).refused == 0x14


@pytest.mark.parametrize(
    "plan",
    [
        PLAIN,
        Plan(5, 999, 200, False, False, 255, 65535, True),
        Plan(3, 27, 0, True, False, 3, 0, True),
        plan_of(Outcome(result="undeliverable", error=11, network_error_code=NetworkError(code=21))),
    ],
)
def test_a_plan_survives_its_column(plan: Plan) -> None:
    assert 0 <= plan.packed() < 2**63
    assert Plan.unpacked(plan.packed()) == plan


@pytest.mark.parametrize(
    "wrong",
    [{"number": "("}, {"weight": 0}, {"result": "maybe"}, {"network_error_code": {"code": 1}}],
)
def test_an_outcome_without_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outcome.model_validate(wrong)
