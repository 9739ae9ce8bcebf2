"""Frames as RFC 6455 has them, by its own examples. An independent implementation: test_stream_client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interparty import websocket
from interparty.websocket import Close, Frames, Message, Ping, Pong, WebSocketError

MAX = 100_000


def client() -> Frames:
    return Frames(client=True, message_max=MAX)


def server() -> Frames:
    return Frames(client=False, message_max=MAX)


def test_the_accept_of_the_specifications_key():
    # RFC 6455, 1.3
    assert websocket.accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert websocket.is_key("dGhlIHNhbXBsZSBub25jZQ==")
    assert websocket.is_key(websocket.new_key())
    for wrong in ("", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j", "é" * 24, "*" * 24):
        assert not websocket.is_key(wrong)


def test_the_specifications_examples():
    # RFC 6455, 5.7, with the opcode of binary where it has text
    assert client().receive(bytes.fromhex("820548656c6c6f")) == [Message(b"Hello")]
    assert server().receive(bytes.fromhex("828537fa213d7f9f4d5158")) == [Message(b"Hello")]
    assert client().receive(bytes.fromhex("020348656c80026c6f")) == [Message(b"Hello")]
    assert client().receive(bytes.fromhex("890548656c6c6f")) == [Ping(b"Hello")]
    assert server().receive(bytes.fromhex("8a8537fa213d7f9f4d5158")) == [Pong(b"Hello")]
    assert client().receive(bytes.fromhex("827e0100") + bytes(256)) == [Message(bytes(256))]
    assert client().receive(bytes.fromhex("827f0000000000010000") + bytes(65_536)) == [Message(bytes(65_536))]


@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans(), st.data())
def test_what_one_side_sends_the_other_receives_however_it_is_cut(payloads, from_client, data):
    sender, receiver = (client(), server()) if from_client else (server(), client())
    sent = b"".join(
        frame for payload in payloads for frame in (sender.message(payload), sender.pong(payload[:9]))
    )
    events = []
    while sent:
        cut = data.draw(st.integers(1, len(sent)))
        events += receiver.receive(sent[:cut])
        sent = sent[cut:]
    assert events == [event for payload in payloads for event in (Message(payload), Pong(payload[:9]))]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, MAX])
@pytest.mark.parametrize("from_client", [True, False])
def test_every_form_of_length(size, from_client):
    sender, receiver = (client(), server()) if from_client else (server(), client())
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert receiver.receive(sender.message(payload)) == [Message(payload)]


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_break_anything_but_the_connection(data, as_client):
    receiver = Frames(client=as_client, message_max=100)
    try:
        events = receiver.receive(data)
    except WebSocketError:
        return
    assert all(isinstance(event, Message | Ping | Pong | Close) for event in events)


def test_a_control_frame_may_come_inside_a_message():
    assert client().receive(bytes.fromhex("0201618900800162")) == [Ping(b""), Message(b"ab")]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("c200", 1002),  # reserved bit without an extension (5.2)
        ("8300", 1002),  # reserved opcode (5.2)
        ("8b00", 1002),
        ("828000000000", 1002),  # a server masks (5.1)
        ("0900", 1002),  # fragmented control frame (5.5)
        ("897e0080", 1002),  # control frame over 125 octets (5.5)
        ("8000", 1002),  # nothing to continue (5.4)
        ("02008200", 1002),  # a message inside another (5.4)
        ("827e007d", 1002),  # length not in its shortest form (5.2)
        ("827f000000000000ffff", 1002),
        ("827f8000000000000000", 1002),  # most significant bit of the length (5.2)
        ("8100", 1003),  # text, which this stream does not have
        ("880100", 1002),  # half a close code (5.5.1)
        ("880203ed", 1002),  # 1005 is never sent (7.4.1)
        ("88020000", 1002),
        ("880403e8fffe", 1007),  # reason is not UTF-8 (5.5.1)
        ("827f00000000000186a1", 1009),
    ],
)
def test_what_breaks_the_protocol_has_the_specifications_code(frame, code):
    with pytest.raises(WebSocketError) as broken:
        client().receive(bytes.fromhex(frame))
    assert broken.value.code == code


def test_the_bound_is_on_the_whole_message():
    receiver = client()
    assert receiver.receive(bytes.fromhex("027f0000000000010000") + bytes(65_536)) == []
    with pytest.raises(WebSocketError) as broken:
        receiver.receive(bytes.fromhex("807effff"))
    assert broken.value.code == 1009


def test_a_client_that_does_not_mask_is_refused():
    with pytest.raises(WebSocketError):
        server().receive(bytes.fromhex("820548656c6c6f"))


def test_nothing_counts_after_a_close():
    assert client().receive(bytes.fromhex("880203e8") + bytes.fromhex("8200")) == [Close(1000)]
    assert client().receive(bytes.fromhex("8800")) == [Close(websocket.NO_CODE)]
    assert client().receive(server().close(websocket.NO_CODE)) == [Close(websocket.NO_CODE)]
    assert server().receive(client().close(4000)) == [Close(4000)]
