"""Sessions in a front process: what it answers by itself, and how little it may owe."""

import asyncio
from typing import Any

import pytest

from gateway.records import metrics
from gateway.sms_settings import SmppSettings
from gateway.workers import sessions
from smpp.aio.client import Client
from smpp.codec import encode
from smpp.constants import VERSION_5_0, CommandStatus, Tag
from smpp.pdu import DataSm, DeliverSm, DeliverSmResp, Pdu, QuerySm, SubmitSm, tlv
from tests.gateway.carrier import AID, until
from tests.gateway.sms.front_world import World, credentials

MESSAGE = SubmitSm(destination_addr=AID.encode())
THROTTLED = CommandStatus.ESME_RTHROTTLED
SETTINGS = SmppSettings(port=0, drain_s=0.5, workers=2)


def front(world: World, index: int = 0) -> Any:
    return world.processes[index].front._sessions


async def client_of(world: World, **given: Any) -> Client:
    client = Client(credentials(version=VERSION_5_0), **given)
    await client.connect("127.0.0.1", world.front.port)
    return client


async def test_a_message_that_is_refused_for_what_it_says_costs_the_store_nothing_but_its_answer() -> None:
    async with World(settings=SETTINGS) as world:
        client = await client_of(world)
        answer = await client.call(SubmitSm(destination_addr=b"13800138000"))
        assert answer.command_status == CommandStatus.ESME_RINVDSTADR
        assert world.submitted == []
        await client.close()


async def test_over_what_it_may_owe_it_throttles_by_itself_and_says_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "UNANSWERED_MAX", 2)
    async with World(settings=SETTINGS, answers=False) as world:
        before = metrics.SUBMITS.value("sms-a", str(int(THROTTLED)))
        client = await client_of(world)
        got: list[Any] = []
        bodies = (MESSAGE, MESSAGE, MESSAGE, DataSm(destination_addr=b"1"), QuerySm(message_id=b"1"))
        for body in bodies:
            client.request(body, got.append)
        await until(lambda: len(got) == 3)
        assert [each.command_status for each in got] == [THROTTLED] * 3
        assert {tlv(each.body, Tag.CONGESTION_STATE) for each in got} == {bytes((100,))}
        await until(lambda: len(world.submitted) == 2)
        front(world).tally()
        await until(lambda: metrics.SUBMITS.value("sms-a", str(int(THROTTLED))) == before + 2)
        front(world)._throttled["nobody's account"] = 1
        front(world).tally()
        world.answer(0)
        await until(lambda: len(got) == 4)
        assert metrics.SUBMITS.value("nobody's account", str(int(THROTTLED))) == 0
        client.request(MESSAGE, got.append)
        await until(lambda: len(world.submitted) == 3)
        world.answer(1)
        world.answer(2)
        await until(lambda: len(got) == 6)
        await client.close()


async def test_what_was_owed_to_a_session_that_ended_is_owed_no_more() -> None:
    async with World(settings=SETTINGS, answers=False) as world:
        client = await client_of(world)
        client.request(MESSAGE, lambda _: None)
        await until(lambda: len(world.submitted) == 1)
        assert front(world)._unanswered == 1
        client.connection.abort("gone")
        await until(lambda: not front(world)._held)
        world.answer(0)
        await asyncio.sleep(0)
        assert front(world)._unanswered == 0


async def test_while_the_gateway_does_not_read_everything_is_throttled() -> None:
    async with World(settings=SETTINGS) as world:
        client = await client_of(world)
        channel = front(world)._channel
        channel.pause_writing()
        assert (await client.call(MESSAGE)).command_status == THROTTLED
        channel.resume_writing()
        answer = await client.call(MESSAGE)
        assert answer.command_status == 0
        assert tlv(answer.body, Tag.CONGESTION_STATE) == bytes((0,)), "as the gateway says it"
        await client.close()


async def test_a_process_that_does_not_read_is_given_nothing_until_it_does() -> None:
    async with World(settings=SETTINGS) as world:
        client = await client_of(world)
        await until(lambda: len(world.receivers) == 1)
        [session] = world.receivers
        channel = next(iter(world.pool._workers.values())).channel
        channel.pause_writing()
        assert session.window_free == 0
        channel.resume_writing()
        assert session.window_free > 0
        assert world.pumped == ["sms-a"]
        await client.close()


async def test_answers_to_deliveries_and_their_end_without_one() -> None:
    async with World(settings=SETTINGS) as world:
        taken: list[int] = []

        def on_events(connection: Any, events: list[Any]) -> None:
            for event in events:
                pdu = getattr(event, "pdu", None)
                if pdu is not None and isinstance(pdu.body, DeliverSm):
                    taken.append(pdu.sequence_number)

        client = await client_of(world, on_events=on_events)
        await until(lambda: len(world.receivers) == 1)
        [session] = world.receivers
        frame = encode(Pdu(DeliverSm(short_message=b"hi"), 0))
        assert session.request_messages([(frame, name) for name in ("one", "two", "three")]) == 3
        await until(lambda: len(taken) == 3)
        client.connection.respond(taken[0], DeliverSmResp())
        client.connection.respond(taken[1], DeliverSmResp(), CommandStatus.ESME_RX_T_APPN)
        await until(lambda: len(world.answered) == 2)
        client.connection.abort("gone")
        await until(lambda: len(world.answered) == 3)
        assert [(name, str(how)) for name, how, *_ in world.answered] == [
            ("one", "0"), ("two", str(int(CommandStatus.ESME_RX_T_APPN))), ("three", "closed"),
        ]  # fmt: skip
