"""The stream as the Verifier uses it: every question is answered once, whatever becomes of the stream."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gm.sm2 import PrivateKey
from interparty import statements
from interparty.client import PeerUnavailable
from interparty.hot_messages import question_text
from interparty.verify_messages import StreamAnswer
from trust_client import verify_stream as module
from trust_client.answers import outcome_of
from trust_client.batch_check import BatchCheck, root_of
from trust_client.carrier import CarrierClient
from trust_client.verifier import Refused, Unavailable, Verifier
from trust_client.verify_stream import VerifyStream

from .conftest import grant, item, refusal

HEAD = {"root": "0" * 64, "count": 1, "at": 0, "signature": "A" * 86}


class FakeChannel:
    """What the stream sends is kept; what it receives the test gives."""

    def __init__(self) -> None:
        self.sent = []
        self.over = ""
        self.owner = None

    def begin(self, owner, data=b""):
        self.owner = owner

    def send(self, payload):
        self.sent.append(json.loads(payload))

    def close(self, code=1000):
        self.end(f"closed with {code}")

    def give_up(self, reason):
        self.end(reason)

    def end(self, reason):
        if not self.over:
            self.over = reason
            self.owner.lost(reason)

    def give(self, message, *, spaces=False):
        separators = None if spaces else (",", ":")
        self.owner.received(json.dumps(message, separators=separators).encode())

    def answer(self, **options):
        """Answer the last ask as conftest.verification does."""
        asked = self.sent[-1]
        answers = [refusal(f"N{one['access_number']}") for one in asked["items"]]
        self.give({"answer": asked["ask"], "answers": answers}, **options)


class FakeStreamPeer:
    def __init__(self) -> None:
        self.channels = []
        self.refused = None
        self.tries = 0

    async def open_stream(self, path):
        assert path == "/v1/verifications/stream"
        self.tries += 1
        if self.refused is not None:
            raise self.refused
        self.channels.append(FakeChannel())
        return self.channels[-1], b""


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.001)


@pytest.fixture
def streams(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF_SECONDS", (0.001, 0.002))
    return FakeStreamPeer()


@pytest.fixture
async def stream(streams):
    return VerifyStream(streams)


@pytest.fixture
async def verifier(peer, stream):
    made = Verifier(CarrierClient(peer), stream=stream)
    await turns()
    yield made
    await made.close()


@pytest.fixture
def channel(verifier, streams):
    return streams.channels[0]


def ask(verifier, *numbers):
    outcomes = []
    for number in numbers:
        verifier.submit(item(number), outcomes.append)
    return outcomes


async def test_questions_of_one_turn_go_in_one_message(peer, verifier, channel):
    outcomes = ask(verifier, 1, 2, 3)
    await turns()
    (asked,) = channel.sent
    assert asked == {"ask": 1, "items": [item(n).model_dump(exclude_none=True) for n in (1, 2, 3)]}
    channel.answer()
    assert outcomes == [Refused("N10691"), Refused("N10692"), Refused("N10693")]
    assert peer.requests == []
    assert verifier.verified == 3


async def test_answers_may_come_in_another_order_and_another_form(verifier, channel):
    first = ask(verifier, 1)
    await turns()
    second = ask(verifier, *range(2, 502))
    await turns()
    assert [one["ask"] for one in channel.sent] == [1, 2]
    channel.answer(spaces=True)
    assert second[:2] == [Refused("N10692"), Refused("N10693")]
    channel.give({"answer": 1, "answers": [grant()]}, spaces=True)
    assert first[0].hours == "08:00-21:00"


async def test_a_stream_that_is_lost_gives_its_questions_to_a_request(peer, verifier, channel, streams):
    outcomes = ask(verifier, 1, 2)
    await turns()
    channel.end("connection lost")
    await until(lambda: outcomes)
    assert outcomes == [Refused("N10691"), Refused("N10692")]
    assert peer.sizes == [2]
    await until(lambda: len(streams.channels) == 2)
    again = ask(verifier, 3)
    await turns()
    streams.channels[1].answer()
    assert again == [Refused("N10693")]


async def test_while_there_is_no_stream_requests_are_made(peer, stream, streams):
    streams.refused = PeerUnavailable("404")
    verifier = Verifier(CarrierClient(peer), stream=stream)
    assert await verifier.verify(item(1)) == Refused("N10691")
    await until(lambda: streams.tries > 2)
    assert not stream.is_open
    streams.refused = None
    await until(lambda: stream.is_open)
    await verifier.close()


async def test_a_stream_that_does_not_answer_leaves_time_for_a_request(peer, stream, streams):
    verifier = Verifier(CarrierClient(peer), stream=stream, deadline=0.1)
    await turns()
    assert await verifier.verify(item(1)) == Refused("N10691")
    assert streams.channels[0].over == "no answer in time"
    assert peer.sizes == [1]
    await verifier.close()


async def test_neither_stream_nor_request_is_unavailable(peer, verifier, channel):
    peer.answers["/v1/verifications"] = PeerUnavailable("refused")
    outcomes = ask(verifier, 1)
    await turns()
    channel.end("connection lost")
    await until(lambda: outcomes)
    assert outcomes == [Unavailable("refused")]


async def test_a_trust_party_that_cannot_answer_is_not_asked_twice(peer, verifier, channel):
    outcomes = ask(verifier, 1)
    await turns()
    channel.give({"failed": 1, "status": 503})
    assert outcomes == [Unavailable("peer answered 503")]
    assert peer.requests == []
    assert not channel.over


@pytest.mark.parametrize(
    "message",
    [
        {"answer": 1, "answers": [refusal("A"), refusal("B")]},
        {"answer": 1, "answers": []},
        {"answer": 1, "answers": [refusal("lower case")]},
        {"answer": 1, "answers": [refusal("A")], "more": 1},
        {"answer": 2, "answers": [refusal("A")]},
        {"failed": 2, "status": 503},
        {"failed": 1, "status": 200},
        {"batch": HEAD},
        {"batch": HEAD | {"root": "0"}},
        {"other": 1},
        [],
    ],
)
async def test_a_message_that_answers_nothing_ends_the_stream_and_no_question_is_lost(
    peer, verifier, channel, message
):
    outcomes = ask(verifier, 1)
    await turns()
    channel.give(message)
    assert channel.over == "closed with 1008"
    await until(lambda: outcomes)
    assert outcomes == [Refused("N10691")]
    assert peer.sizes == [1]


@given(st.data())
@settings(max_examples=200, deadline=None)
async def test_an_answer_spoiled_anywhere_is_read_as_the_model_reads_it(data):
    body = json.dumps(
        {"answer": 1, "answers": [refusal("REVOKED"), grant(), refusal("A")]}, separators=(",", ":")
    ).encode()
    at = data.draw(st.integers(0, len(body) - 1))
    put = data.draw(
        st.sampled_from([b"", b'"', b"}", b"{", b",", b"]", b"0", b"A", b" ", body[at : at + 20] * 2])
    )
    body = body[:at] + put + body[at + 1 :]
    try:
        expected = StreamAnswer.model_validate_json(body)
    except ValidationError:
        expected = None
    stream, channel, given_back = VerifyStream(FakeStreamPeer()), FakeChannel(), []
    stream._channel = channel
    channel.begin(stream)
    assert stream.ask(["{}"] * 3, 60, given_back.append)
    stream.received(body)
    await turns(2)
    if expected is not None and expected.answer == 1 and len(expected.answers) == 3:
        assert given_back == [[outcome_of(each) for each in expected.answers]]
        channel.close()
    else:
        assert given_back == [None]
        assert channel.over


async def test_batch_heads_sign_what_was_answered(verifier, stream, channel, monkeypatch):
    for _ in range(2):
        ask(verifier, 1, 2)
        await turns()
        channel.answer()
    channel.give({"batch": HEAD | {"count": 3}})
    assert stream.signed == 3
    channel.give({"batch": HEAD | {"count": 1}})
    assert stream.signed == 4
    assert not channel.over
    monkeypatch.setattr(module, "UNSIGNED_MAX", 1)
    outcomes = ask(verifier, 1, 2)
    await turns()
    channel.answer()
    assert channel.over
    await until(lambda: outcomes)
    assert outcomes == [Refused("N10691"), Refused("N10692")]


def signed_head(key, *answered):
    """The head that the trust party sends for answers of FakeChannel.answer."""
    texts = [question_text(item(number)) for number in answered]
    given = [Refused(f"N1069{number}") for number in answered]
    head = {"root": root_of([(texts, given)]), "count": len(answered), "at": 7}
    return head | {"signature": statements.sign(key, statements.BATCH, head)}


class TestHeads:
    """What the trust party signed is what it answered."""

    KEY = PrivateKey.generate()

    @pytest.fixture
    def check(self):
        return BatchCheck(lambda: {"ttp/sign/1": self.KEY.public_key}, lambda: None)

    @pytest.fixture
    async def stream(self, streams, check):
        return VerifyStream(streams, check=check)

    async def answered(self, verifier, channel, *numbers):
        outcomes = ask(verifier, *numbers)
        await turns()
        channel.answer()
        assert len(outcomes) == len(numbers)

    async def test_a_head_over_them_holds(self, verifier, stream, channel, check):
        await self.answered(verifier, channel, 1, 2)
        await self.answered(verifier, channel, 3)
        channel.give({"batch": signed_head(self.KEY, 1, 2, 3)})
        await until(lambda: stream._checking is None)
        assert (stream.signed, check.wrong, channel.over) == (3, 0, "")

    @pytest.mark.parametrize("fault", ["key", "answers", "order"])
    async def test_one_over_anything_else_ends_the_stream(self, verifier, channel, check, fault, caplog):
        await self.answered(verifier, channel, 1, 2)
        heads = {
            "key": signed_head(PrivateKey.generate(), 1, 2),
            "answers": signed_head(self.KEY, 1, 3),
            "order": signed_head(self.KEY, 2, 1),
        }
        channel.give({"batch": heads[fault]})
        await until(lambda: channel.over)
        assert check.wrong == 1
        assert "does not hold" in caplog.text

    async def test_one_over_nothing_ends_it(self, verifier, channel):
        await self.answered(verifier, channel, 1)
        channel.give({"batch": signed_head(self.KEY, 1) | {"count": 0}})
        assert channel.over

    async def test_none_goes_unchecked_however_many_come_at_once(
        self, verifier, stream, channel, check, monkeypatch
    ):
        monkeypatch.setattr(module, "KEPT_MAX", 0)
        await self.answered(verifier, channel, 1)
        await self.answered(verifier, channel, 2)
        channel.give({"batch": signed_head(self.KEY, 3)})  # not what was answered, and that is not looked at
        channel.give({"batch": signed_head(PrivateKey.generate(), 2)})
        await until(lambda: channel.over)
        assert check.wrong == 1

    async def test_more_than_can_be_checked_end_it(self, verifier, channel, monkeypatch):
        monkeypatch.setattr(module, "HEADS_MAX", 1)
        await self.answered(verifier, channel, 1)
        await self.answered(verifier, channel, 2)
        channel.give({"batch": signed_head(self.KEY, 1)})
        assert not channel.over
        channel.give({"batch": signed_head(self.KEY, 2)})
        assert channel.over

    async def test_answers_that_are_left_without_one_are_told_when_the_stream_is_lost(
        self, verifier, stream, channel, caplog
    ):
        await self.answered(verifier, channel, 1, 2)
        await self.answered(verifier, channel, 3)
        channel.give({"batch": signed_head(self.KEY, 1, 2)})
        stream.lost("gone")
        assert "gone; answers without the trust party's signature: 1" in caplog.text

    async def test_one_over_a_part_of_an_answer_ends_it(self, verifier, stream, channel):
        await self.answered(verifier, channel, 1, 2)
        channel.give({"batch": signed_head(self.KEY, 1)})
        assert channel.over

    async def test_of_large_ones_a_share_is_recomputed_and_each_signature_checked(
        self, verifier, stream, channel, check, monkeypatch
    ):
        monkeypatch.setattr(check, "is_recomputed", lambda count: False)
        await self.answered(verifier, channel, 1, 2)
        channel.give({"batch": signed_head(self.KEY, 1, 3)})
        await until(lambda: stream._checking is None)
        assert (check.wrong, channel.over) == (0, "")
        await self.answered(verifier, channel, 1, 2)
        channel.give({"batch": signed_head(PrivateKey.generate(), 1, 2)})
        await until(lambda: channel.over)


async def test_only_so_many_batches_are_under_way(stream, verifier, channel, monkeypatch):
    monkeypatch.setattr(module, "ASKS_MAX", 2)
    assert stream.ask(["{}"], 1, lambda _: None)
    assert stream.ask(["{}"], 1, lambda _: None)
    assert not stream.ask(["{}"], 1, lambda _: None)


async def test_closing_answers_all_that_is_under_way(peer, verifier, channel):
    outcomes = ask(verifier, 1)
    await turns()
    await verifier.close()
    assert channel.over == "closed with 1000"
    assert outcomes == [Unavailable("verification stopped")]
    assert peer.requests == []
