"""Outcomes: seeded chance, and the handset's answer as a table."""

import pytest

from simulators.smsc.messages import owes_receipt
from simulators.smsc.outcomes import CERTAIN_DELIVERY, Final, Outcome, OutcomeDraw, final_of
from smpp.constants import MessageState


def test_without_outcomes_every_message_gets_what_the_handset_answers() -> None:
    assert OutcomeDraw([], 7).next() == (CERTAIN_DELIVERY, 0.0)
    assert final_of(CERTAIN_DELIVERY) is None


def test_the_same_seed_draws_the_same() -> None:
    outcomes = [Outcome(weight=9), Outcome(weight=1, result="rejected", error=2, delay_ms=100)]
    one, other = OutcomeDraw(outcomes, 42), OutcomeDraw(outcomes, 42)
    drawn = [one.next() for _ in range(200)]
    assert drawn == [other.next() for _ in range(200)]
    rejected = [delay for outcome, delay in drawn if outcome.result == "rejected"]
    assert 5 <= len(rejected) <= 40
    assert all(delay > 0 for delay in rejected)


def test_an_outcome_names_its_final_state() -> None:
    assert final_of(Outcome(result="expired", error=27)) == Final(MessageState.EXPIRED, 27)


@pytest.mark.parametrize(
    ("asked", "delivered", "failed"),
    [(0, False, False), (1, True, True), (2, False, True), (3, True, False)],
)
def test_registered_delivery_says_which_ends_are_told(asked: int, delivered: bool, failed: bool) -> None:
    assert owes_receipt(asked, MessageState.DELIVERED) is delivered
    assert owes_receipt(asked, MessageState.UNDELIVERABLE) is failed
