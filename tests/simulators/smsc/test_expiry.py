"""Each open message is looked at once a round, and a round is no more than a slice at a time."""

import pytest

from simulators.smsc import expiry
from simulators.smsc.expiry import EVERY_MS, Expiry
from simulators.smsc.messages import Message
from smpp.pdu import SubmitSm


def open_messages(*expires_at: int) -> dict[int, Message]:
    return {
        serial: Message(serial, "esme", False, SubmitSm(destination_addr=b"1"), 0, 0, ends)
        for serial, ends in enumerate(expires_at, start=1)
    }


def over(looker: Expiry, messages: dict[int, Message], now: int) -> list[int]:
    return [message.id for message in looker.over(messages, now)]


def test_what_has_outlived_its_validity() -> None:
    assert over(Expiry(), open_messages(EVERY_MS, EVERY_MS + 1), EVERY_MS) == [1]


def test_what_a_peer_has_is_the_peers_to_answer_for() -> None:
    messages = open_messages(1, 1)
    messages[1].in_flight = True
    assert over(Expiry(), messages, EVERY_MS) == [2]


def test_a_round_goes_slice_by_slice_and_begins_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "SLICE", 2)
    looker, messages = Expiry(), open_messages(1, 1, 1)
    assert over(looker, messages, EVERY_MS) == [1, 2]
    assert over(looker, messages, EVERY_MS) == [3]
    assert over(looker, messages, EVERY_MS + 1) == []
    assert over(looker, messages, 2 * EVERY_MS) == [1, 2]


def test_what_was_closed_during_the_round_is_passed_over() -> None:
    messages = open_messages(1, 1)
    looked = []
    for message in Expiry().over(messages, EVERY_MS):
        looked.append(message.id)
        messages.pop(2, None)
    assert looked == [1]
