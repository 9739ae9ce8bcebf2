"""Telephone events (RFC 4733)."""

import pytest

from sip.media.dtmf import DIGITS, DigitDetector, Event, build_event, events, parse_event
from sip.media.rtp import RtpPacket


def packets(digit: str, timestamp: int, sequence: int = 0) -> list[RtpPacket]:
    return [
        RtpPacket(101, sequence + index, timestamp, 7, payload, marker)
        for index, (marker, payload) in enumerate(events(digit))
    ]


def heard(detector: DigitDetector, stream: list[RtpPacket]) -> str:
    return "".join(filter(None, map(detector.receive, stream)))


@pytest.mark.parametrize("digit", DIGITS)
def test_each_digit_is_heard_once(digit: str) -> None:
    assert heard(DigitDetector(), packets(digit, 1000)) == digit


def test_the_first_packet_is_marked_and_the_end_is_sent_three_times() -> None:
    sent = events("5", duration_ms=100)
    assert [marker for marker, _ in sent] == [True] + [False] * (len(sent) - 1)
    decoded = [parse_event(payload) for _, payload in sent]
    assert [event.duration for event in decoded if event] == [160, 320, 480, 640, 800, 800, 800]
    assert [event.end for event in decoded if event] == [False] * 4 + [True] * 3


def test_the_same_digit_twice_is_two_digits() -> None:
    assert heard(DigitDetector(), packets("7", 1000) + packets("7", 3000)) == "77"


def test_loss_of_all_but_one_packet_still_tells_the_digit() -> None:
    assert heard(DigitDetector(), packets("9", 1000)[3:4]) == "9"


def test_a_late_packet_of_the_digit_before_is_not_a_digit() -> None:
    first, second = packets("1", 1000), packets("2", 3000)
    assert heard(DigitDetector(), [*first[:-1], *second, first[-1]]) == "12"


def test_other_payload_types_and_other_events_are_no_digits() -> None:
    detector = DigitDetector()
    assert detector.receive(RtpPacket(0, 1, 1, 1, build_event(Event(1, False, 10, 160)))) is None
    assert detector.receive(RtpPacket(101, 1, 1, 1, build_event(Event(16, False, 10, 160)))) is None
    assert detector.receive(RtpPacket(101, 1, 1, 1, b"")) is None


@pytest.mark.parametrize("digit", ["", "12", "x"])
def test_what_is_no_digit_is_refused(digit: str) -> None:
    with pytest.raises(ValueError):
        events(digit)
