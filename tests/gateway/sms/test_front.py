"""Who may bind, how fast a session may send, and how sessions end."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from foundation.passwords import hash_password
from gateway.records import metrics
from gateway.sms.session_config import session_config
from gateway.sms_settings import SmppSettings
from gateway.store.accounts import AccountRow
from smpp.aio.client import BindRefusedError, Client, ConnectFailed
from smpp.constants import CommandStatus, Tag
from smpp.pdu import (
    RESPONSE_OF,
    Bind,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    Body,
    BroadcastSm,
    CancelBroadcastSm,
    CancelSm,
    DataSm,
    ListDest,
    Pdu,
    QueryBroadcastSm,
    QuerySm,
    ReplaceSm,
    SmeDest,
    SubmitMulti,
    SubmitSm,
    tlv,
)
from smpp.session import SessionConfig
from tests.gateway.carrier import until
from tests.gateway.sms.front_world import ACCOUNT, World, credentials

pytestmark = pytest.mark.usefixtures("each_way")

MESSAGE = SubmitSm(destination_addr=b"888123456789012345")
TX, RX, TRX = BindTransmitter, BindReceiver, BindTransceiver


async def bind(world: World, body: Bind | None = None) -> Client:
    client = Client(body or credentials())
    await client.connect("127.0.0.1", world.front.port)
    return client


async def status_of_bind(world: World, body: Bind | None = None) -> int:
    try:
        client = await bind(world, body)
    except BindRefusedError as error:
        return error.status
    await client.close()
    return 0


async def status_of(client: Client, body: Any = MESSAGE) -> int:
    return (await client.call(body)).command_status


def smpp(**settings: Any) -> SmppSettings:
    return SmppSettings(**{"port": 0, "drain_s": 2.0} | settings)


class TestWhoMayBind:
    @pytest.mark.parametrize(("system_id", "password"), [(b"sms-a", b"wrong"), (b"nobody", b"secret")])
    async def test_a_wrong_password_and_an_unknown_user_are_told_the_same(
        self, system_id: bytes, password: bytes
    ) -> None:
        async with World() as world:
            body = BindTransceiver(system_id=system_id, password=password)
            assert await status_of_bind(world, body) == CommandStatus.ESME_RBINDFAIL

    async def test_another_address_is_told_the_same_and_logged(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        elsewhere = replace(ACCOUNT, addresses=(ip_network("192.0.2.0/24"),))
        async with World(account=elsewhere) as world:
            assert await status_of_bind(world) == CommandStatus.ESME_RBINDFAIL
            assert "address is not among" in caplog.text
            world.become(replace(elsewhere, addresses=(*elsewhere.addresses, ip_network("127.0.0.0/8"))))
            assert await status_of_bind(world) == 0

    async def test_an_account_of_tls_does_not_bind_without(self) -> None:
        async with World(account=replace(ACCOUNT, tls=True)) as world:
            assert await status_of_bind(world) == CommandStatus.ESME_RBINDFAIL

    async def test_binds_over_the_limit_until_one_is_gone(self) -> None:
        async with World(account=replace(ACCOUNT, max_binds=1)) as world:
            first = await bind(world)
            assert await status_of_bind(world) == CommandStatus.ESME_RALYBND
            await first.close()
            assert await status_of_bind(world) == 0

    async def test_each_type_has_a_limit_of_its_own(self) -> None:
        account = replace(ACCOUNT, max_binds=3, max_transmitters=1, max_transceivers=0)
        async with World(account=account) as world:
            clients = [await bind(world, credentials(TX))]
            assert await status_of_bind(world, credentials(TX)) == CommandStatus.ESME_RALYBND
            assert await status_of_bind(world, credentials(TRX)) == CommandStatus.ESME_RALYBND
            clients += [await bind(world, credentials(RX)) for _ in range(2)]
            assert await status_of_bind(world, credentials(RX)) == CommandStatus.ESME_RALYBND
            for client in clients:
                await client.close()

    async def test_an_account_that_changes_while_its_password_is_checked_asks_again(self) -> None:
        async with World() as world:
            binding = asyncio.create_task(status_of_bind(world))
            await until(lambda: bool(world.front._checks))
            world.become(replace(ACCOUNT, password_hash=hash_password("other")))
            assert await binding == CommandStatus.ESME_RTHROTTLED

    async def test_only_sessions_that_receive_get_deliveries(self) -> None:
        async with World() as world:
            sender, receiver = await bind(world, credentials(TX)), await bind(world, credentials(RX))
            assert len(world.receivers) == 1
            await receiver.close()
            await until(lambda: not world.receivers)
            await sender.close()


class TestVersions:
    @pytest.mark.parametrize(
        ("version", "told", "spoken"), [(0x33, None, 0x33), (0x34, b"\x50", 0x34), (0x50, b"\x50", 0x50)]
    )
    async def test_a_3_3_peer_gets_no_tlvs_and_the_others_our_version(
        self, version: int, told: bytes | None, spoken: int
    ) -> None:
        async with World() as world:
            client = Client(credentials(version=version))
            answer = await client.connect("127.0.0.1", world.front.port)
            assert tlv(answer.body, Tag.SC_INTERFACE_VERSION) == told
            assert await status_of(client) == 0
            assert world.submitted[0][0].version == spoken
            await client.close()

    @pytest.mark.parametrize(("version", "told"), [(0x33, None), (0x34, None), (0x50, b"\x3c")])
    async def test_a_5_0_peer_is_told_how_busy_we_are(self, version: int, told: bytes | None) -> None:
        async with World(load=0.6) as world:
            client = await bind(world, credentials(version=version))
            answer = await client.call(MESSAGE)
            assert answer.command_status == 0
            assert tlv(answer.body, Tag.CONGESTION_STATE) == told
            await client.close()


class TestRequests:
    async def test_a_submit_sm_goes_to_the_intake(self) -> None:
        async with World() as world:
            client = await bind(world, credentials(TX))
            assert await status_of(client) == 0
            [(_, account, pdu)] = world.submitted
            assert (account, pdu.body) == (ACCOUNT, MESSAGE)
            await client.close()

    @pytest.mark.parametrize(
        ("body", "method"),
        [
            (DataSm(destination_addr=b"1"), "data"),
            (SubmitMulti(dests=[SmeDest(1, 1, b"1")]), "multi"),
            (QuerySm(message_id=b"1"), "query"),
            (CancelSm(message_id=b"1"), "cancel"),
            (ReplaceSm(message_id=b"1"), "replace"),
        ],
    )
    async def test_every_other_request_goes_to_who_answers_it(self, body: Body, method: str) -> None:
        async with World() as world:
            client = await bind(world, credentials(TX))
            answer = await client.call(body)
            assert (answer.command_status, type(answer.body)) == (0, RESPONSE_OF[body.COMMAND_ID])
            [(taken_by, account, pdu)] = world.others
            assert (taken_by, account, pdu.body) == (method, ACCOUNT, body)
            await client.close()

    @pytest.mark.parametrize("body", [BroadcastSm(), QueryBroadcastSm(), CancelBroadcastSm()])
    async def test_broadcasts_are_not_provided_and_said_so(self, body: Body) -> None:
        async with World() as world:
            client = await bind(world, credentials(version=0x50))
            answer = await client.call(body)
            assert answer.command_status == CommandStatus.ESME_RINVCMDID
            assert type(answer.body) is RESPONSE_OF[body.COMMAND_ID]
            assert await status_of(client) == 0, "the session goes on"
            assert world.others == []
            await client.close()

    async def test_each_destination_of_a_submit_multi_counts(self) -> None:
        three = SubmitMulti(dests=[SmeDest(1, 1, b"1"), SmeDest(1, 1, b"2"), ListDest(b"list")])
        async with World(account=replace(ACCOUNT, rate=1.0, burst=5)) as world:
            client = await bind(world)
            bodies = [three, three, MESSAGE, MESSAGE, MESSAGE]
            throttled = CommandStatus.ESME_RTHROTTLED
            assert [await status_of(client, body) for body in bodies] == [0, throttled, 0, 0, throttled]
            assert (len(world.others), len(world.submitted)) == (1, 2)
            await client.close()

    async def test_a_data_sm_counts_like_a_submit_sm(self) -> None:
        async with World(account=replace(ACCOUNT, rate=1.0)) as world:
            client = await bind(world)
            data = DataSm(destination_addr=b"1")
            assert [await status_of(client, body) for body in (data, data, MESSAGE)] == [
                0, CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RTHROTTLED,
            ]  # fmt: skip
            await client.close()

    async def test_what_sends_nothing_is_answered_over_the_rate_and_when_nothing_can_be_taken(self) -> None:
        async with World(account=replace(ACCOUNT, rate=1.0)) as world:
            client = await bind(world)
            assert await status_of(client) == 0
            world.load = 1.0
            bodies = [QuerySm(message_id=b"1"), CancelSm(message_id=b"1"), ReplaceSm(message_id=b"1")]
            assert [await status_of(client, body) for body in bodies] == [0, 0, 0]
            for body in (MESSAGE, DataSm(destination_addr=b"1"), SubmitMulti(dests=[SmeDest(1, 1, b"1")])):
                assert await status_of(client, body) == CommandStatus.ESME_RTHROTTLED
            await client.close()

    async def test_over_the_rate_it_is_throttled_until_time_has_passed(self) -> None:
        async with World(settings=smpp(account_rate=2.0)) as world:
            clients = [await bind(world), await bind(world)]
            statuses = [await status_of(client) for client in (*clients, *clients)]
            assert statuses == [0, 0, CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RTHROTTLED]
            world.now += 0.5
            assert [await status_of(client) for client in clients] == [0, CommandStatus.ESME_RTHROTTLED]
            for client in clients:
                await client.close()

    async def test_an_accounts_own_rate_and_burst(self) -> None:
        async with World(account=replace(ACCOUNT, rate=1.0, burst=5)) as world:
            client = await bind(world)
            assert [await status_of(client) for _ in range(6)] == [0] * 5 + [CommandStatus.ESME_RTHROTTLED]
            await client.close()

    async def test_when_nothing_more_can_be_taken_it_is_throttled(self) -> None:
        async with World(load=1.0) as world:
            client = await bind(world, credentials(version=0x50))
            answer = await client.call(MESSAGE)
            assert answer.command_status == CommandStatus.ESME_RTHROTTLED
            assert tlv(answer.body, Tag.CONGESTION_STATE) == bytes((100,))
            world.load = 0.5
            assert await status_of(client) == 0
            assert len(world.submitted) == 1
            await client.close()

    async def test_an_accounts_own_window(self) -> None:
        async with World(account=replace(ACCOUNT, window_pdus=2), answers=False) as world:
            client = await bind(world)
            got: list[Pdu] = []
            for _ in range(3):
                client.request(MESSAGE, got.append)  # type: ignore[arg-type]
            await until(lambda: bool(got))
            assert got[0].command_status == CommandStatus.ESME_RTHROTTLED
            world.answer(0)
            world.answer(1)
            await until(lambda: len(got) == 3)
            await client.close()


class TestTimers:
    def test_an_accounts_own_values_go_before_the_configurations(self) -> None:
        settings = smpp(window=20, enquire_link_s=30, inactivity_s=60, response_s=10, session_init_s=5)
        assert session_config(settings) == session_config(settings, ACCOUNT)
        assert session_config(settings) == SessionConfig(5, 30, 60, 10, 20, 20, in_bulk=True)
        own = replace(ACCOUNT, window_pdus=3, enquire_link_s=0.0, inactivity_s=0.0, response_s=2.0)
        assert session_config(settings, own) == SessionConfig(5, 0, 0, 2, 3, 3, in_bulk=True)

    async def test_a_connection_that_does_not_bind_is_closed(self) -> None:
        async with World(settings=smpp(session_init_s=0.05)) as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.front.port)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()

    async def test_a_session_that_sends_nothing_is_unbound_by_its_accounts_timer(self) -> None:
        async with World(account=replace(ACCOUNT, inactivity_s=0.05)) as world:
            client = await bind(world)
            await asyncio.wait_for(client.connection.wait_closed(), 5)


class TestChangedAccounts:
    @pytest.mark.parametrize(
        "account",
        [
            None,
            replace(ACCOUNT, password_hash=hash_password("other")),
            replace(ACCOUNT, addresses=(ip_network("192.0.2.0/24"),)),
            replace(ACCOUNT, tls=True),
            replace(ACCOUNT, max_transceivers=0),
        ],
        ids=["removed", "password", "address", "tls", "type"],
    )
    async def test_what_may_no_longer_be_bound_is_unbound_after_its_answers(
        self, account: AccountRow | None
    ) -> None:
        async with World(answers=False) as world:
            client = await bind(world)
            waiting = asyncio.create_task(client.call(MESSAGE))
            await until(lambda: bool(world.submitted))
            world.become(account)
            world.front.accounts_changed()
            world.front.accounts_changed()
            assert await status_of(client) == CommandStatus.ESME_RTHROTTLED
            world.answer(0)
            assert (await waiting).command_status == 0
            await asyncio.wait_for(client.connection.wait_closed(), 5)
            await until(lambda: not world.receivers)

    async def test_of_too_many_binds_the_newest_are_unbound(self) -> None:
        async with World() as world:
            clients = [await bind(world) for _ in range(3)]
            world.become(replace(ACCOUNT, max_binds=1))
            world.front.accounts_changed()
            for client in clients[1:]:
                await asyncio.wait_for(client.connection.wait_closed(), 5)
            assert await status_of(clients[0]) == 0
            await clients[0].close()

    async def test_other_changes_hold_at_once_and_the_session_goes_on(self) -> None:
        async with World() as world:
            client = await bind(world)
            changed = replace(ACCOUNT, rate=1.0, window_pdus=7, aggregate_receipts=True)
            world.become(changed)
            world.front.accounts_changed()
            assert await status_of(client) == 0
            assert await status_of(client) == CommandStatus.ESME_RTHROTTLED
            [(connection, account, _)] = world.submitted
            assert account == changed
            assert connection.window_free == 7
            await client.close()

    async def test_nothing_changed_changes_nothing(self) -> None:
        async with World() as world:
            client = await bind(world)
            world.front.accounts_changed()
            assert await status_of(client) == 0
            await client.close()


class TestStop:
    async def test_what_was_taken_is_answered_before_the_unbind(self) -> None:
        async with World(answers=False) as world:
            client = await bind(world)
            waiting = asyncio.create_task(client.call(MESSAGE))
            await until(lambda: bool(world.submitted))
            port = world.front.port
            stopping = asyncio.create_task(world.front.stop())
            await until(lambda: world.front.port == 0)
            assert not world.receivers, "nothing new is delivered"
            assert await status_of(client) == CommandStatus.ESME_RTHROTTLED
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", port)
            world.answer(0)
            assert (await waiting).command_status == 0
            await stopping
            await asyncio.wait_for(client.connection.wait_closed(), 5)

    async def test_who_is_just_binding_is_told_to_come_back_or_cut(self) -> None:
        async with World() as world:
            binding = asyncio.create_task(status_of_bind(world))
            await until(lambda: bool(world.front._checks))
            stopping = asyncio.create_task(world.front.stop())
            [outcome] = await asyncio.gather(binding, return_exceptions=True)
            assert outcome == CommandStatus.ESME_RTHROTTLED or isinstance(outcome, ConnectFailed)
            await stopping
            assert not world.receivers

    async def test_it_does_not_wait_longer_than_it_was_told(self) -> None:
        async with World(settings=smpp(drain_s=0.1), answers=False) as world:
            client = await bind(world)
            waiting = asyncio.create_task(client.call(MESSAGE))
            await until(lambda: bool(world.submitted))
            await asyncio.wait_for(world.front.stop(), 5)
            with pytest.raises(Exception, match="closed"):
                await waiting

    async def test_a_session_that_is_not_bound_does_not_hold_it_up(self) -> None:
        async with World(settings=smpp(session_init_s=60)) as world:
            _, writer = await asyncio.open_connection("127.0.0.1", world.front.port)
            await asyncio.wait_for(world.front.stop(), 5)
            writer.close()


async def test_one_address_holds_no_more_connections_than_its_share() -> None:
    async with World(settings=smpp(address_connections_max=1)) as world:
        client = await bind(world)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.front.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await client.close()


async def test_a_refused_pdu_is_counted_and_the_first_of_a_session_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "gateway.sms.front")
    async with World() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.front.port)
        for sequence in (1, 2):
            writer.write(bytes.fromhex("00000010 00000666 00000000") + sequence.to_bytes(4, "big"))
        assert await reader.readexactly(32)
        writer.close()
    refused = [record.getMessage() for record in caplog.records if "refused with" in record.getMessage()]
    assert refused == ["PDU 0x00000666 from 127.0.0.1 (not bound) refused with 0x3: unknown command_id"]
    assert metrics.BAD_PDUS.value("not bound", "3") >= 2


async def test_how_a_session_ended_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "gateway.sms.front")
    async with World() as world:
        client = await bind(world)
        await client.close()
        await until(lambda: "session from 127.0.0.1 ended: unbound by peer" in caplog.text)
