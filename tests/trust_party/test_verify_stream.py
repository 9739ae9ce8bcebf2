"""The stream of verifications over loopback: it answers as the other forms do, and ends when it must."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from evidence.merkle import leaf_hash, root
from foundation.store import StoreBusy
from gm.sm2 import PrivateKey
from interparty import statements
from interparty.client import Peer, PeerUnavailable
from interparty.hot_messages import Question, ask_message, question_text
from interparty.signed_http import Signer
from interparty.stream import Channel
from interparty.verify_messages import LeaseNonce, StreamAnswer, StreamBatch, VerifyItem
from tests.trust_party.served import Served, make_pki, served
from tests.trust_party.world import ACCESS_NUMBER, CARRIER, NOW, Party, deposit_of, item
from trust_client import verify_stream as client
from trust_client.batch_check import BatchCheck
from trust_client.carrier import CarrierClient
from trust_client.verifier import Grant, Refused, Verifier
from trust_client.verify_stream import VerifyStream
from trust_party import routes as routes_module
from trust_party import verify_stream as module
from trust_party.clock import DAY_MS, HOUR_MS

BOUND = 5.0


@pytest.fixture(scope="module")
def pki_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def house(party: Party, pki_folder: Path) -> AsyncIterator[Served]:
    async with served(party, pki_folder) as made:
        yield made


@pytest.fixture
async def peer(house: Served) -> AsyncIterator[Peer]:
    async with house.peer() as made:
        yield made


class Listener:
    """Owner of a channel, for the bare wire."""

    def __init__(self, channel: Channel, data: bytes) -> None:
        self.channel = channel
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        channel.begin(self, data)

    def received(self, payload: bytes) -> None:
        self.messages.put_nowait(json.loads(payload))

    def closing(self) -> None:
        pass

    def lost(self, reason: str) -> None:
        self.messages.put_nowait(None)

    async def next(self) -> dict[str, Any] | None:
        """The next message, None when the stream is over."""
        return await asyncio.wait_for(self.messages.get(), BOUND)

    def ask(self, number: int, *items: VerifyItem) -> None:
        self.channel.send(ask_message(number, [question_text(one) for one in items]))


async def listen(peer: Peer) -> Listener:
    return Listener(*await peer.open_stream(module.PATH))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.005)


async def test_every_form_answers_alike(house: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_module, "now_ms", lambda: house.now)
    party = house.party
    aid, _ = await party.active()
    sms_only, _ = await party.active(channels=["sms"])
    later, _ = await party.active(term_from=NOW + HOUR_MS)
    ended, _ = await party.active(term_to=NOW + DAY_MS // 24)
    pending = (await party.deposit(deposit_of(party.people)))[0].aid or ""
    revoked, _ = await party.active()
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", party.people.cancellation(key, aid=revoked))
    items = [
        item(aid),
        item(aid, channel="voice"),
        item(aid, content_digest="ab" * 32),
        item("888100000000000005"),
        item(aid, enterprise="ent-b"),
        item(aid, access_number="106900002"),
        item(sms_only, channel="voice"),
        item(later),
        item(ended),
        item(pending),
        item(revoked),
        item(aid),
    ]
    for house.now in (NOW, NOW + HOUR_MS):
        carrier = CarrierClient(peer)
        keys = {"ttp/sign/1": house.party.keys.current("sign").sm2.public_key}
        check = BatchCheck(keys.copy, lambda: None)
        requests, stream = Verifier(carrier, check=check), VerifyStream(peer, check=check)
        streamed = Verifier(carrier, stream=stream)
        await until(lambda stream=stream: stream.is_open)  # type: ignore[misc]
        one = [await requests.verify(each) for each in items]
        batch = await asyncio.gather(*(requests.verify(each) for each in items))
        on_stream = await asyncio.gather(*(streamed.verify(each) for each in items))
        alone = [await streamed.verify(each) for each in items]
        modelled = (await carrier.verify(items)).answers
        assert one == batch == on_stream == alone
        for outcome, answer in zip(one, modelled, strict=True):
            if answer.grant is not None:
                assert isinstance(outcome, Grant)
                assert (outcome.edi_text, outcome.edi_id.hex()) == (answer.grant.edi, answer.grant.edi_id)
            else:
                assert answer.refusal is not None
                assert outcome == Refused(answer.refusal.reason)
        assert {type(outcome) for outcome in one} == {Grant, Refused}
        assert requests.batches == len(items) + 1
        assert streamed.batches == len(items) + 1
        assert stream.opened == 1
        # What was answered is what is signed.
        await until(lambda stream=stream: stream.signed == 2 * len(items))  # type: ignore[misc]
        await requests.close()
        await streamed.close()
        assert check.wrong == 0


async def test_answers_are_signed_together_in_the_order_in_which_they_were_sent(
    house: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_ANSWERS", 4)
    aid, _ = await house.party.active()
    asked = {7: [item(aid), item(aid, enterprise="ent-b")], 8: [item(aid), item("888100000000000005")]}
    listener = await listen(peer)
    for number, items in asked.items():
        listener.ask(number, *items)
    entries = []
    for _ in range(2):
        answer = StreamAnswer.model_validate(await listener.next())
        entries += [
            statements.batch_entry(question, given)
            for question, given in zip(asked[answer.answer], answer.answers, strict=True)
        ]
    head = StreamBatch.model_validate(await listener.next()).batch
    assert head.root == root([leaf_hash(entry) for entry in entries]).hex()
    assert (head.count, head.at) == (4, NOW)
    signed = {"root": head.root, "count": head.count, "at": head.at}
    key = house.party.keys.current("sign").sm2.public_key
    assert statements.verify(key, statements.BATCH, signed, head.signature)


async def test_a_few_answers_are_signed_after_a_while_and_the_last_when_the_server_stops(
    house: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    aid, _ = await house.party.active()
    listener = await listen(peer)
    monkeypatch.setattr(module, "BATCH_SECONDS", 0.01)
    listener.ask(1, item(aid))
    assert "answer" in (await listener.next() or {})
    assert (await listener.next() or {})["batch"]["count"] == 1
    monkeypatch.setattr(module, "BATCH_SECONDS", 1000.0)
    listener.ask(2, item(aid), item(aid))
    assert "answer" in (await listener.next() or {})
    await house.running.stop()
    assert (await listener.next() or {})["batch"]["count"] == 2
    assert await listener.next() is None


async def test_a_store_that_cannot_answer_is_no_answer(
    house: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    aid, _ = await house.party.active()
    listener = await listen(peer)

    async def busy(*_: object) -> None:
        raise StoreBusy("full")

    monkeypatch.setattr(house.party.store, "read", busy)
    listener.ask(1, item("888100000000000005"))
    assert await listener.next() == {"failed": 1, "status": 503}
    listener.ask(2, item(aid))
    assert (await listener.next() or {})["answer"] == 2
    monkeypatch.setattr(house.party.store, "_failure", "disk")
    listener.ask(3, item(aid))
    assert await listener.next() == {"failed": 3, "status": 503}
    monkeypatch.undo()


async def test_only_so_many_batches_wait_for_the_store(
    house: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKING_UP_MAX", 2)
    gate = asyncio.get_running_loop().create_future()
    read = house.party.store.read

    async def held(*args: Any) -> Any:
        await gate
        return await read(*args)

    monkeypatch.setattr(house.party.store, "read", held)
    listener = await listen(peer)
    for number in range(3):
        listener.ask(number, item("888100000000000005"))
    assert await listener.next() == {"failed": 2, "status": 503}
    gate.set_result(None)
    assert {(await listener.next() or {})["answer"] for _ in range(2)} == {0, 1}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"ask":1,"items":[]}',
        b'{"ask":-1,"items":[{}]}',
        b'{"ask":1,"items":[{"aid":"1"}]}',
        b'{"ask":1,"items":[],"more":1}',
        b"\xff\xfe",
    ],
)
async def test_what_is_no_question_ends_the_stream(house: Served, peer: Peer, payload: bytes) -> None:
    listener = await listen(peer)
    listener.channel.send(payload)
    assert await listener.next() is None


async def test_the_stream_ends_with_its_key(house: Served, peer: Peer) -> None:
    aid, _ = await house.party.active()
    listener = await listen(peer)
    listener.ask(1, item(aid))
    assert (await listener.next() or {})["answer"] == 1
    house.party.keys.set_state(f"http/{CARRIER}", 1, "destroyed")
    listener.ask(2, item(aid))
    assert await listener.next() is None
    with pytest.raises(PeerUnavailable, match="401"):
        await listen(peer)


async def test_only_a_carrier_may_open_one_and_only_so_many(
    house: Served, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key: PrivateKey = house.party.people.carriers[CARRIER]
    async with house.peer(signer=Signer(f"{CARRIER}/sign/1", key)) as by_sm2:
        with pytest.raises(PeerUnavailable, match="HMAC"):
            await by_sm2.open_stream(module.PATH)
    async with house.peer("ent-a") as other:
        with pytest.raises(PeerUnavailable, match="403"):
            await other.open_stream(module.PATH)
    with pytest.raises(PeerUnavailable, match="404"):
        await peer.open_stream("/v1/other")
    monkeypatch.setattr(module, "STREAMS_MAX", 1)
    listener = await listen(peer)
    with pytest.raises(PeerUnavailable, match="503"):
        await listen(peer)
    listener.channel.close()
    await until(lambda: not house.running._server.server_state.connections)
    assert (await listen(peer)).channel.is_open


async def test_the_verifier_goes_on_by_request_while_there_is_no_stream(house: Served, peer: Peer) -> None:
    stream = VerifyStream(peer)
    verifier = Verifier(CarrierClient(peer), stream=stream)
    question = Question("888100000000000005", "ent-a", "sms", ACCESS_NUMBER)
    assert await verifier.verify(question) == Refused("UNKNOWN_AID")
    await until(lambda: stream.is_open)
    assert await verifier.verify(question) == Refused("UNKNOWN_AID")
    assert stream._channel is not None
    stream._channel.give_up("cut")
    assert await verifier.verify(question) == Refused("UNKNOWN_AID")
    await until(lambda: stream.opened == 2)
    assert await verifier.verify(question) == Refused("UNKNOWN_AID")
    assert verifier.verified == 4
    await verifier.close()


def test_both_sides_mean_the_same_path() -> None:
    assert client.PATH == module.PATH


async def test_a_lease_nonce_is_echoed_with_the_newest_revocation(house: Served, peer: Peer) -> None:
    listener = await listen(peer)
    listener.channel.send(LeaseNonce(lease="ab" * 16).model_dump_json().encode())
    told = await listener.next()
    assert told == {"heartbeat": {"epoch": house.party.feed.epoch, "sequence": 0, "nonce": "ab" * 16}}


async def test_what_is_revoked_is_pushed(house: Served, peer: Peer) -> None:
    aid, _ = await house.party.active()
    listener = await listen(peer)
    key = house.party.people.enterprises["ent-a"]
    await house.party.cancel("ent-a", house.party.people.cancellation(key, aid=aid))
    told = await listener.next()
    assert told is not None
    assert [each["statement"]["aid"] for each in told["revoked"]] == [aid]


async def test_a_nonce_that_is_none_ends_the_stream(house: Served, peer: Peer) -> None:
    listener = await listen(peer)
    listener.channel.send(b'{"lease":"short"}')
    assert await listener.next() is None
