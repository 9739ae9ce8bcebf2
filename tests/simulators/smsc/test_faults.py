"""Hangs and disconnects as an ESME sees them, over loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from simulators.smsc.app import Smsc
from simulators.smsc.settings import Faults
from smpp.aio.client import BindRefusedError
from smpp.aio.connection import RequestFailed
from smpp.aio.server import Server
from smpp.constants import CommandStatus
from smpp.events import Event, OutbindReceived
from smpp.pdu import BindReceiver
from smpp.session import SessionConfig, SessionState
from tests.simulators.smsc.bench import settings
from tests.simulators.smsc.test_app import Field, Peer, send


@pytest.fixture
async def fields() -> AsyncIterator[list[Field]]:
    made: list[Field] = []
    yield made
    for field in made:
        await field.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is watched tells nobody
            await asyncio.sleep(0)


async def start(fields: list[Field], **changed: Any) -> Field:
    field = Field(await Smsc.start(settings(port=0, **changed)))
    fields.append(field)
    return field


async def bound(field: Field, response_s: float = 10.0) -> Peer:
    peer = Peer("esme", "s", SessionConfig(response_s=response_s))
    await peer.client.connect("127.0.0.1", field.smsc.port)
    field.peers.append(peer)
    return peer


async def test_after_so_many_requests_nothing_is_answered_and_tcp_stays(fields: list[Field]) -> None:
    field = await start(fields, faults=Faults(hang_after=2))
    esme = await bound(field, response_s=0.2)
    await send(esme)
    with pytest.raises(RequestFailed) as failed:
        await send(esme)
    assert failed.value.reason == "timeout"
    assert esme.client.connection.state == SessionState.BOUND_TRX
    assert field.smsc.center.counters.hangs == 1


async def test_a_hang_that_ends_answers_what_it_took_in(fields: list[Field]) -> None:
    field = await start(fields, faults=Faults(hang_after=1))
    esme = await bound(field)
    waiting = [asyncio.create_task(send(esme)) for _ in range(3)]
    await until(lambda: field.smsc.center.counters.hangs)
    [connection] = field.smsc.connections
    connection.keep_alive()
    assert connection.window_free == 0
    field.smsc.resume(connection)
    assert sorted(await asyncio.gather(*waiting)) == [b"1", b"2", b"3"]
    assert (await esme.next()).esm_class == 4


async def test_a_hang_may_end_by_itself(fields: list[Field]) -> None:
    field = await start(fields, faults=Faults(hang_after=1, hang_seconds=0.05))
    assert await send(await bound(field)) == b"1"


async def test_answers_that_fall_due_during_a_hang_come_after_it(fields: list[Field]) -> None:
    field = await start(fields, store="memory", response_delay={"ms": 1})
    esme = await bound(field)
    waiting = asyncio.create_task(send(esme))
    await until(lambda: field.smsc.center.open_messages)
    [connection] = field.smsc.connections
    field.smsc.hang(connection, 0)
    await until(lambda: not len(field.smsc.center.timers))
    assert not waiting.done()
    field.smsc.resume(connection)
    assert await waiting == b"1"


async def test_by_chance_a_connection_hangs_again_and_again(fields: list[Field]) -> None:
    field = await start(fields, faults=Faults(hang_share=0.5, hang_seconds=0.001))
    esme = await bound(field)
    for serial in range(1, 21):
        assert await send(esme) == b"%d" % serial
    assert field.smsc.center.counters.hangs > 3


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_after_so_many_requests_the_connection_ends(fields: list[Field], how: Any) -> None:
    field = await start(fields, faults=Faults(disconnect_after=2, disconnect=how))
    esme = await bound(field)
    await send(esme)
    with pytest.raises(RequestFailed):
        await send(esme)
    await asyncio.wait_for(esme.client.connection.wait_closed(), 5)
    assert field.smsc.center.counters.disconnects == 1
    # What came with the last request counts as lost.
    assert field.smsc.center.counters.accepted == 1
    await bound(field)


async def test_an_unbind_comes_after_what_was_taken_is_answered(fields: list[Field]) -> None:
    field = await start(fields, faults=Faults(disconnect_after=2, disconnect="unbind"))
    esme = await bound(field)
    assert [await send(esme), await send(esme)] == [b"1", b"2"]
    await asyncio.wait_for(esme.client.connection.wait_closed(), 5)


def test_shares_are_drawn_from_the_seed() -> None:
    async def drawn(seed: int) -> list[list[tuple[int, str]]]:
        smsc = Smsc(settings(), None)
        found = []
        for _ in range(20):
            connection = smsc._listener._accept()
            connection.plan(Faults(hang_share=0.01, disconnect_share=0.02), seed)  # type: ignore[attr-defined]
            found.append(connection.trips)  # type: ignore[attr-defined]
        return found

    one = asyncio.run(drawn(1))
    assert one == asyncio.run(drawn(1))
    assert one != asyncio.run(drawn(2))
    hangs = [at for trips in one for at, what in trips if what == "hang"]
    assert 20 < sum(hangs) / len(hangs) < 400


async def test_binds_may_be_refused_with_any_status(fields: list[Field]) -> None:
    field = await start(fields, faults=Faults(bind_status=CommandStatus.ESME_RSYSERR))
    with pytest.raises(BindRefusedError) as refused:
        await bound(field)
    assert refused.value.status == CommandStatus.ESME_RSYSERR


async def test_outbind_calls_an_esme_for_which_something_waits(fields: list[Field]) -> None:
    delivered = asyncio.Event()

    def on_events(connection: Any, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, OutbindReceived):
                assert event.pdu.body.system_id == b"SMSC"  # type: ignore[attr-defined]
                connection.request(BindReceiver(system_id=b"esme", password=b"s"))
            elif type(event).__name__ == "RequestReceived":
                connection.respond_message(event.pdu.sequence_number)  # type: ignore[attr-defined]
                delivered.set()

    listener = Server(on_events, role="esme")
    await listener.start("127.0.0.1", 0)
    outbind = {
        "account": "esme",
        "host": "127.0.0.1",
        "port": listener.port,
        "system_id": "SMSC",
        "password": "pw",
    }
    field = await start(
        fields, accounts=[{"system_id": "esme", "password": "s", "routes": ["106"]}], outbinds=[outbind]
    )
    center = field.smsc.center
    center.phone_sends(center.phones.texts(b"8613800000001", b"10690001", "hi"), None)
    center.settle()
    field.smsc._slow_tick()
    await asyncio.wait_for(delivered.wait(), 5)
    await listener.stop()
