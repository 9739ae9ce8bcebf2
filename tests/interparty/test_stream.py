"""Messages on a stream are authentic and in order, or the stream is over."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import pytest

from interparty import stream as module
from interparty import websocket
from interparty.stream import ANSWERER, OPENER, Authenticator, Channel, stream_key
from interparty.websocket import Close, Frames, Message, Ping

KEY = bytes(range(32))


def tag(key: bytes, direction: int, counter: int, payload: bytes) -> bytes:
    """By other code than the product's."""
    data = bytes([direction]) + counter.to_bytes(8, "big") + payload
    return hmac.new(key, data, lambda: hashlib.new("sm3")).digest()


def test_a_message_is_its_payload_and_a_tag_over_direction_counter_and_payload():
    sender = Authenticator(KEY, OPENER)
    assert sender.seal(b"one") == b"one" + tag(KEY, 1, 0, b"one")
    assert sender.seal(b"") == tag(KEY, 1, 1, b"")
    assert Authenticator(KEY, ANSWERER).seal(b"one") == b"one" + tag(KEY, 2, 0, b"one")


def test_the_key_is_the_streams_own():
    expected = hmac.new(KEY, b"ASCS-STREAM1\0sig1=:AAAA:", lambda: hashlib.new("sm3")).digest()
    assert stream_key(KEY, "sig1=:AAAA:") == expected
    assert stream_key(KEY, "sig1=:AAAB:") != expected


def test_the_vector():
    vector = json.loads((Path(__file__).parent / "data" / "stream.json").read_text())
    key = stream_key(bytes.fromhex(vector["key"]), vector["request_signature"])
    assert key.hex() == vector["stream_key"]
    sides = {OPENER: Authenticator(key, OPENER), ANSWERER: Authenticator(key, ANSWERER)}
    for message in vector["messages"]:
        payload = message["payload"].encode()
        assert sides[message["direction"]].seal(payload) == payload + bytes.fromhex(message["tag"])


def test_only_the_next_message_of_the_other_side_is_accepted():
    sender = Authenticator(KEY, OPENER)
    first, second = sender.seal(b"first"), sender.seal(b"second")

    def receiver() -> Authenticator:
        return Authenticator(KEY, OPENER)

    both = receiver()
    assert (both.open(first), both.open(second)) == (b"first", b"second")
    assert receiver().open(second) is None
    again = receiver()
    assert again.open(first) == b"first"
    assert again.open(first) is None
    assert Authenticator(KEY, ANSWERER).open(first) is None
    assert Authenticator(KEY[::-1], OPENER).open(first) is None
    assert receiver().open(first[:-1] + bytes([first[-1] ^ 1])) is None
    assert receiver().open(b"F" + first[1:]) is None
    assert receiver().open(first[-31:]) is None


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.waiting = 0
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def close(self) -> None:
        self.ended = self.ended or "close"

    def abort(self) -> None:
        self.ended = "abort"


class Owner:
    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.reasons: list[str] = []
        self.last = b""

    def received(self, payload: bytes) -> None:
        self.payloads.append(payload)

    def closing(self) -> None:
        if self.last:
            self.channel.send(self.last)

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)


class Side:
    """A channel on a transport that the test reads, and the other side of the wire."""

    def __init__(self, *, opener: bool = False, **options) -> None:
        self.transport, self.owner = Transport(), Owner()
        self.channel = self.owner.channel = Channel(self.transport, KEY, opener=opener, **options)
        self.channel.begin(self.owner)
        self.frames = Frames(client=not opener, message_max=2**20)
        self.seal = Authenticator(KEY, ANSWERER if opener else OPENER)
        self.open = Authenticator(KEY, OPENER if opener else ANSWERER)

    def give(self, payload: bytes) -> None:
        self.channel.data_received(self.frames.message(self.seal.seal(payload)))

    def sent(self):
        data, self.transport.written = bytes(self.transport.written), bytearray()
        return self.frames.receive(data)


@pytest.fixture(params=[True, False], ids=["opener", "answerer"])
async def side(request):
    made = Side(opener=request.param)
    yield made
    made.channel.give_up("the test is over")


async def test_payloads_go_both_ways(side):
    side.give(b"one")
    side.give(b"two")
    assert side.owner.payloads == [b"one", b"two"]
    side.channel.send(b"three")
    side.channel.send(b"four")
    assert [side.open.open(event.payload) for event in side.sent()] == [b"three", b"four"]


async def test_a_message_that_is_not_authentic_ends_the_stream(side):
    message = side.seal.seal(b"one")
    side.channel.data_received(side.frames.message(message) + side.frames.message(message))
    assert side.owner.payloads == [b"one"]
    assert side.sent() == [Close(websocket.POLICY)]
    assert len(side.owner.reasons) == 1
    assert side.transport.ended == "close"
    side.give(b"late")
    side.channel.send(b"late")
    assert side.owner.payloads == [b"one"]
    assert side.sent() == []


async def test_what_breaks_the_websocket_ends_the_stream(side):
    side.channel.data_received(b"\xff\xff")
    assert side.sent() == [Close(websocket.PROTOCOL_ERROR)]
    assert not side.channel.is_open


async def test_a_ping_is_answered_and_a_close_too(side):
    side.channel.data_received(side.frames._frame(0x9, b"there?") + side.frames.close(1001))
    pong, close = side.sent()
    assert (pong.payload, close) == (b"there?", Close(1001))
    assert side.owner.reasons == ["closed with 1001"]


async def test_a_silent_peer_is_pinged_and_then_given_up(monkeypatch):
    monkeypatch.setattr(module, "PING_SECONDS", 0.001)
    side = Side()
    async with asyncio.timeout(5):
        while not side.owner.reasons:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.001)
    assert side.owner.reasons == ["no sign of the peer"]
    assert side.sent() == [Ping(b""), Ping(b"")]
    assert side.transport.ended == "abort"


async def test_a_peer_that_does_not_read_is_given_up(side):
    side.transport.waiting = module.BUFFER_MAX + 1
    side.channel.send(b"one")
    assert side.transport.ended == "abort"
    assert side.owner.reasons == ["the peer does not read"]


async def test_the_end_is_told_once_and_forgotten():
    forgotten = []
    side = Side(forget=forgotten.append)
    side.channel.close()
    assert side.owner.reasons == ["closed with 1000"]
    assert forgotten == []
    side.channel.connection_lost(None)
    side.channel.connection_lost(None)
    assert len(side.owner.reasons) == 1
    assert forgotten[0] is side.channel


async def test_a_server_that_stops_lets_the_owner_say_its_last():
    side = Side()
    side.owner.last = b"last"
    side.channel.shutdown()
    message, close = side.sent()
    assert isinstance(message, Message)
    assert side.open.open(message.payload) == b"last"
    assert close == Close(websocket.GOING_AWAY)


async def test_capture_gets_payloads_in_the_clear():
    heard = []
    side = Side(capture=heard.append)
    side.give(b"861380000")
    assert heard == [b"861380000"]
    side.channel.give_up("the test is over")
