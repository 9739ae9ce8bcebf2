"""Requests that wait for a response: numbered, in order, each given up in time."""

from smpp.constants import CommandId
from smpp.outgoing import OWN, Outgoing

SUBMIT = CommandId.SUBMIT_SM


def sent(outgoing: Outgoing, number: int, now: float = 0.0, context: object = None) -> None:
    outgoing.add(number, SUBMIT, context, now, None)


def test_numbers_go_from_one_upwards() -> None:
    outgoing = Outgoing(10.0)
    assert [outgoing.take_sequence_number() for _ in range(3)] == [1, 2, 3]


def test_a_number_that_still_waits_is_not_given_out() -> None:
    outgoing = Outgoing(10.0)
    sent(outgoing, 1)
    sent(outgoing, 2)
    assert outgoing.take_sequence_number() == 3


def test_a_response_takes_its_request_once() -> None:
    outgoing = Outgoing(10.0)
    sent(outgoing, 5, context="message")
    taken = outgoing.take(5)
    assert taken is not None
    assert taken.context == "message"
    assert outgoing.take(5) is None


def test_the_sessions_own_requests_are_outside_the_window() -> None:
    outgoing = Outgoing(10.0)
    sent(outgoing, 1, context=OWN)
    sent(outgoing, 2)
    assert outgoing.unacknowledged == 1
    outgoing.take(1)
    assert outgoing.unacknowledged == 1


def test_what_was_not_answered_in_time_is_given_up_in_order() -> None:
    outgoing = Outgoing(10.0)
    for number, now in ((1, 0.0), (2, 1.0), (3, 5.0)):
        sent(outgoing, number, now)
    assert outgoing.next_due() == 10.0
    assert outgoing.take_expired(9.9) == []
    assert [each.sequence_number for each in outgoing.take_expired(11.0)] == [1, 2]
    assert outgoing.next_due() == 15.0


def test_what_is_lost_with_the_connection_is_handed_over() -> None:
    outgoing = Outgoing(10.0)
    sent(outgoing, 1, context=OWN)
    sent(outgoing, 2, context="message")
    assert [each.context for each in outgoing.take_all()] == ["message"]
    assert (outgoing.unacknowledged, outgoing.next_due()) == (0, None)
