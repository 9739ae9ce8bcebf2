"""NG requests: repeated under one cookie until answered, and at an end after the deadline."""

import pytest

from sip.media import ng
from sip.media.bencode import decode, encode
from sip.media.ng import DEADLINE_S, PENDING_MAX, REPEAT_S, NgRequests, TooManyRequests


def answer(datagram: bytes, value: dict[str, str]) -> bytes:
    return datagram.partition(b" ")[0] + b" " + encode(value)


def test_an_answer_finds_its_request_by_the_cookie() -> None:
    requests = NgRequests()
    first, one = requests.request({"command": "ping"}, 0.0)
    second, two = requests.request({"command": "ping"}, 0.0)
    assert first != second
    assert decode(one.partition(b" ")[2]) == {"command": "ping"}
    assert requests.receive(answer(two, {"result": "pong"})) == (second, {"result": "pong"})
    assert requests.receive(answer(one, {"result": "pong"})) == (first, {"result": "pong"})
    assert requests.next_due is None


def test_a_lost_request_is_repeated_and_then_given_up() -> None:
    requests = NgRequests()
    cookie, datagram = requests.request({"command": "ping"}, 10.0)
    for after in REPEAT_S:
        assert requests.next_due == pytest.approx(10.0 + after)
        assert requests.advance(10.0 + after - 0.01) == ([], [])
        assert requests.advance(10.0 + after) == ([datagram], [])
    assert requests.advance(10.0 + DEADLINE_S) == ([], [cookie])
    assert len(requests) == 0
    assert requests.receive(answer(datagram, {"result": "pong"})) is None


def test_after_a_stall_a_request_is_repeated_once() -> None:
    requests = NgRequests()
    _, datagram = requests.request({"command": "ping"}, 0.0)
    assert requests.advance(1.0) == ([datagram], [])
    assert requests.advance(1.0) == ([], [])


def test_the_second_answer_to_a_repeat_is_passed_over() -> None:
    requests = NgRequests()
    _, datagram = requests.request({"command": "ping"}, 0.0)
    assert requests.receive(answer(datagram, {"result": "pong"})) is not None
    assert requests.receive(answer(datagram, {"result": "pong"})) is None


@pytest.mark.parametrize("body", [b"", b"junk", b"i1e", b"l1:ae"])
def test_what_is_no_dictionary_answers_nothing(body: bytes) -> None:
    requests = NgRequests()
    _, datagram = requests.request({"command": "ping"}, 0.0)
    assert requests.receive(datagram.partition(b" ")[0] + b" " + body) is None
    assert requests.receive(b"\xff\xfe " + body) is None
    assert len(requests) == 1


def test_a_request_that_nobody_waits_for_is_forgotten() -> None:
    requests = NgRequests()
    cookie, datagram = requests.request({"command": "ping"}, 0.0)
    requests.forget(cookie)
    assert requests.receive(answer(datagram, {"result": "pong"})) is None


def test_requests_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PENDING_MAX > 1
    monkeypatch.setattr(ng, "PENDING_MAX", 1)
    requests = NgRequests()
    requests.request({"command": "ping"}, 0.0)
    with pytest.raises(TooManyRequests):
        requests.request({"command": "ping"}, 0.0)
