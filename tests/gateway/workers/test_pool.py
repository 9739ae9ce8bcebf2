"""Front processes together: who gets which connection, limits over all of them, and what follows when one ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.records import metrics
from gateway.settings import GatewaySettings
from gateway.sms_settings import SmppSettings, SmsSettings
from gateway.workers import pool as pools
from gateway.workers.worker import LATE_LOOKS, SILENT_LOOKS
from smpp.aio.client import BindRefusedError, Client, ConnectFailed
from smpp.codec import encode
from smpp.constants import CommandStatus
from smpp.pdu import BindTransceiver, DeliverSm, Pdu, SubmitSm
from tests.gateway.carrier import AID, until
from tests.gateway.sms.front_world import ACCOUNT, World, credentials

MESSAGE = SubmitSm(destination_addr=AID.encode())
FRAME = encode(Pdu(DeliverSm(short_message=b"receipt"), 0))


def smpp(**settings: Any) -> SmppSettings:
    return SmppSettings(**{"port": 0, "drain_s": 1.0, "workers": 2} | settings)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(settings=smpp(), account=replace(ACCOUNT, max_binds=9)) as made:
        yield made


async def bind(world: World, body: BindTransceiver | None = None) -> Client:
    client = Client(body or credentials())
    await client.connect("127.0.0.1", world.front.port)
    return client


def loads(world: World) -> list[int]:
    return [len(worker.sessions) for worker in world.pool._workers.values()]


async def kill(world: World, index: int) -> None:
    """One front process, as by SIGKILL; returns when the gateway knows."""
    [*_, worker] = list(world.pool._workers.values())[: index + 1]
    world.processes[index].kill()
    await until(lambda: worker.ended.is_set())


async def test_the_process_with_fewest_sessions_gets_the_next(world: World) -> None:
    clients = [await bind(world) for _ in range(4)]
    assert loads(world) == [2, 2]
    await clients[0].close()
    await clients[2].close()
    await until(lambda: sum(loads(world)) == 2)
    clients += [await bind(world), await bind(world)]
    assert loads(world) == [2, 2]
    for client in (clients[1], *clients[3:]):
        await client.close()


async def test_binds_are_counted_over_all() -> None:
    async with World(settings=smpp(), account=replace(ACCOUNT, max_binds=2)) as world:
        clients = [await bind(world), await bind(world)]
        assert loads(world) == [1, 1]
        with pytest.raises(BindRefusedError):
            await bind(world)
        for client in clients:
            await client.close()


async def test_connections_are_counted_over_all_until_they_are_closed() -> None:
    async with World(settings=smpp(address_connections_max=2)) as world:
        clients = [await bind(world), await bind(world)]
        with pytest.raises((ConnectFailed, OSError)):
            await bind(world)
        await clients[0].close()
        await until(lambda: sum(loads(world)) == 1)
        clients.append(await bind(world))
        for client in clients[1:]:
            await client.close()


async def test_a_rate_holds_over_all() -> None:
    async with World(settings=smpp(account_rate=3.0)) as world:
        clients = [await bind(world), await bind(world)]
        statuses = [(await client.call(MESSAGE)).command_status for client in clients * 2]
        assert statuses == [0, 0, 0, CommandStatus.ESME_RTHROTTLED]
        for client in clients:
            await client.close()


async def test_what_one_process_sent_and_had_no_answer_for_is_handed_back_when_it_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "RESTART_MIN_S", 0.01)
    ends = metrics.FRONT_ENDS._value.get()
    first, second = Client(credentials(), lambda *_: None), Client(credentials(), lambda *_: None)
    await first.connect("127.0.0.1", world.front.port)
    await second.connect("127.0.0.1", world.front.port)
    await until(lambda: len(world.receivers) == 2)
    one, other = world.receivers
    assert one.request_messages([(FRAME, "to the first")]) == 1
    assert other.request_messages([(FRAME, "to the second")]) == 1
    await kill(world, 0)
    assert world.answered == [("to the first", "closed")]
    assert world.receivers == [other]
    assert metrics.BINDS.labels("sms-a")._value.get() == 1
    await first.connection.wait_closed()
    assert (await second.call(MESSAGE)).command_status == 0, "the other process goes on"
    await until(lambda: world.pool.state == "ok")
    assert metrics.FRONT_ENDS._value.get() == ends + 1
    again = await bind(world)
    assert sorted(loads(world)) == [1, 1]
    second.connection.abort("its delivery stays without an answer")
    await again.close()


async def test_it_is_started_again_and_later_each_time(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pools, "RESTART_MIN_S", 0.01)
    fails = [True, False]
    spawn = world.pool._spawn

    async def sometimes(name: str, channel: int, handed: int) -> Any:
        if fails.pop(0):
            raise OSError("no more processes")
        return await spawn(name, channel, handed)

    world.pool._spawn = sometimes
    await kill(world, 1)
    assert world.pool.state == "degraded"
    await until(lambda: world.pool.state == "ok")
    assert "no more processes" in caplog.text
    assert (await bind(world)).connection.is_bound


async def test_with_no_process_there_is_no_connection_and_nothing_hangs(world: World) -> None:
    for index in (0, 1):
        await kill(world, index)
    assert world.pool.state == "down"
    with pytest.raises((ConnectFailed, OSError)):
        await bind(world)
    with pytest.raises(ConnectFailed):
        await world.front.call(replace(ACCOUNT, outbind="127.0.0.1:1"), b"")


async def test_one_that_says_nothing_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "RESTART_MIN_S", 0.01)
    before = len(world.processes)
    for worker in world.pool._workers.values():
        worker.quiet = SILENT_LOOKS - 1
    monkeypatch.setattr(pools, "LOOK_S", 0.0)
    await until(lambda: len(world.processes) > before)
    monkeypatch.setattr(pools, "LOOK_S", 1.0)
    await until(lambda: world.pool.state == "ok")


async def test_one_that_is_late_gets_no_connection_until_it_speaks(world: World) -> None:
    first, _ = world.pool._workers.values()
    first.quiet = LATE_LOOKS
    assert world.pool.state == "degraded"
    clients = [await bind(world), await bind(world)]
    assert loads(world) == [0, 2]
    world.processes[0].front._sessions.tally()  # type: ignore[union-attr]
    await until(lambda: world.pool.state == "ok")
    clients.append(await bind(world))
    assert loads(world) == [1, 2]
    for client in clients:
        await client.close()


async def test_changed_access_numbers_reach_every_process(world: World) -> None:
    clients = [await bind(world), await bind(world)]
    world.directory.current = replace(world.directory.current, access_numbers={})
    world.front.accounts_changed()
    await until(lambda: not any(each.front._sessions._numbers for each in world.processes))  # type: ignore[union-attr]
    for client in clients:
        assert (await client.call(MESSAGE)).command_status == CommandStatus.ESME_RINVSRCADR
        await client.close()


async def test_numbers_that_change_while_a_process_starts_are_the_ones_it_has() -> None:
    world = World(settings=smpp())
    spawn = world.pool._spawn

    async def changes_meanwhile(name: str, channel: int, handed: int) -> Any:
        world.directory.current = replace(world.directory.current, access_numbers={})
        world.front.accounts_changed()
        return await spawn(name, channel, handed)

    world.pool._spawn = changes_meanwhile
    async with world:
        client = await bind(world)
        assert (await client.call(MESSAGE)).command_status == CommandStatus.ESME_RINVSRCADR
        await client.close()


async def test_a_reload_takes_the_words_anew_in_every_process_and_keeps_the_old_when_they_are_bad(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("first\n")
    async with World(settings=smpp(), sms=SmsSettings(sensitive_words=words)) as world:
        clients = [await bind(world), await bind(world)]

        async def statuses(text: bytes) -> list[int]:
            body = replace(MESSAGE, short_message=text)
            return [(await client.call(body)).command_status for client in clients]

        def lists() -> list[Any]:
            return [each.front._sessions._texts.words for each in world.processes]  # type: ignore[union-attr]

        refused = [CommandStatus.ESME_RSUBMITFAIL] * 2
        before = lists()
        assert [await statuses(each) for each in (b"first", b"second")] == [refused, [0, 0]]
        words.write_text("second\n")
        world.front.reload()
        await until(lambda: not any(now is then for now, then in zip(lists(), before, strict=True)))
        assert [await statuses(each) for each in (b"first", b"second")] == [[0, 0], refused]
        words.unlink()
        world.front.reload()
        await until(lambda: caplog.text.count("words not reloaded") == 2)
        assert await statuses(b"second") == refused
        for client in clients:
            await client.close()


async def test_stopping_answers_what_was_taken_and_ends_the_processes() -> None:
    async with World(settings=smpp(), answers=False) as world:
        clients = [await bind(world), await bind(world)]
        waiting = [asyncio.create_task(client.call(MESSAGE)) for client in clients]
        await until(lambda: len(world.submitted) == 2)
        stopping = asyncio.create_task(world.front.stop())
        await asyncio.sleep(0)
        for index in range(2):
            world.answer(index)
        assert [(await each).command_status for each in waiting] == [0, 0]
        await stopping
        assert [await process.wait() for process in world.processes] == [0, 0]


async def test_where_none_can_start_the_gateway_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(settings=smpp())

    async def never(*_: Any) -> Any:
        raise OSError("no such program")

    world.pool._spawn = never
    with pytest.raises(OSError, match="no such program"):
        await world.front.start()


def test_one_process_is_the_gateway_where_nothing_else_is_said() -> None:
    assert SmppSettings().workers == 1
    assert GatewaySettings.model_fields["smpp"].default.workers == 1
