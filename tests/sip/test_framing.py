"""Messages out of a stream, in whatever pieces it comes (RFC 3261 18.3)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.framing import HEAD_MAX, StreamFramer
from sip.parser import MESSAGE_MAX

HEAD = b"OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.2;branch=z9hG4bK1\r\n"


def message(body: bytes = b"", header: bytes = b"Content-Length") -> bytes:
    return HEAD + header + b": %d\r\n\r\n" % len(body) + body


@given(
    bodies=st.lists(st.binary(max_size=60), max_size=5),
    cuts=st.lists(st.integers(0, 900), max_size=12),
    between=st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]),
)
def test_however_it_is_cut_the_same_messages_come_out(
    bodies: list[bytes], cuts: list[int], between: bytes
) -> None:
    messages = [message(body) for body in bodies]
    stream = between.join(messages)
    framer = StreamFramer()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    fed = [framer.feed(stream[start:end]) for start, end in pairwise(edges)]
    assert [each for one in fed for each in one.messages] == messages
    assert all(one.fault is None for one in fed)
    assert not framer.is_within_message


@pytest.mark.parametrize("header", [b"Content-Length", b"l", b"CONTENT-LENGTH ", b"L\t"])
def test_the_length_in_any_form(header: bytes) -> None:
    assert StreamFramer().feed(message(b"abc", header)).messages == [message(b"abc", header)]


def test_a_ping_is_told_and_is_no_message() -> None:
    """RFC 5626 4.4.1; also when it comes in two pieces."""
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n").pings == 1
    assert framer.feed(b"\r\n").pings == 0
    assert framer.feed(b"\r\n" + message()) == ([message()], 1, None)


def test_a_single_line_break_before_a_message_is_passed_over() -> None:
    """RFC 3261 7.5."""
    assert StreamFramer().feed(b"\r\n" + message()) == ([message()], 0, None)


@pytest.mark.parametrize(
    "lengths", [b"", b"Content-Length: \r\n", b"Content-Length: -1\r\n", b"Content-Length: 1\r\nl: 2\r\n"]
)
def test_without_a_length_to_believe_the_stream_is_over(lengths: bytes) -> None:
    """Where the next message begins is not known. The head is given, to be answered."""
    framer = StreamFramer()
    fed = framer.feed(HEAD + lengths + b"\r\n" + message())
    assert fed.messages == [HEAD + lengths + b"\r\n"]
    assert fed.fault is not None
    assert framer.feed(message()).messages == []


def test_the_same_length_twice_says_one_thing() -> None:
    data = HEAD + b"Content-Length: 1\r\nl: 1\r\n\r\nx"
    assert StreamFramer().feed(data).messages == [data]


def test_a_message_over_the_limit_ends_the_stream() -> None:
    fed = StreamFramer().feed(HEAD + b"Content-Length: %d\r\n\r\n" % MESSAGE_MAX)
    assert fed.fault == "message too large"


def test_headers_without_end_are_given_up() -> None:
    framer = StreamFramer()
    assert framer.feed(b"x" * HEAD_MAX).fault is None
    assert framer.feed(b"x").fault == "headers without end"
    assert not framer.is_within_message


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_octets_crash_it(pieces: list[bytes]) -> None:
    framer = StreamFramer()
    for piece in pieces:
        framer.feed(piece)
