"""An enterprise that waits for outbind is asked to bind when something waits for it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.accounts.directory import Directory, Snapshot
from gateway.sms.esme_outbind import RETRY_MAX_S, RETRY_MIN_S, EsmeOutbinds
from gateway.store import outbox
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from smpp.aio.client import ConnectFailed
from smpp.aio.connection import Connection
from smpp.aio.link import LinkState
from smpp.aio.outbind import OutbindConfig, OutbindLink
from smpp.events import Event
from smpp.pdu import BindReceiver, BindTransmitter, Outbind
from tests.gateway.carrier import NOW_MS, until
from tests.gateway.sms.front_world import ACCOUNT, World, credentials

CALLED = replace(ACCOUNT, outbind="127.0.0.1:1")


class Caller:
    """The outbinds of one account over a real store; the test plays the front."""

    def __init__(self, domain: Domain) -> None:
        self.now = 0.0
        self.reached: set[str] = set()
        self.calls: list[tuple[str, bytes]] = []
        self.fails = False
        accounts = {
            row.system_id: row
            for row in (CALLED, AccountRow("sms-b", "ent-b", "", 1), replace(CALLED, system_id="c"))
        }
        self.directory = Directory(Snapshot(accounts=accounts, outbind_passwords={"sms-a": b"outbind"}))
        self.outbinds = EsmeOutbinds(
            domain, self.directory, self.call, lambda name: name in self.reached, lambda: self.now
        )

    async def call(self, account: AccountRow, password: bytes) -> None:
        self.calls.append((account.system_id, password))
        if self.fails:
            raise ConnectFailed("nobody there")

    async def look(self) -> int:
        """How many calls it led to."""
        before = len(self.calls)
        await self.outbinds.look()
        await until(lambda: not self.outbinds._calls)
        return len(self.calls) - before


async def waits(domain: Domain, *accounts: str) -> None:
    rows = [
        outbox.EnterpriseRow(number, account, NOW_MS, NOW_MS + 1000, b"frame", 0)
        for number, account in enumerate(accounts, start=1)
    ]
    await domain.store.write(lambda conn: outbox.put_enterprise(conn, rows))


@pytest.fixture
async def caller(domain: Domain) -> AsyncIterator[Caller]:
    caller = Caller(domain)
    yield caller
    await caller.outbinds.stop()


async def test_only_who_has_an_address_and_something_waiting_is_called(
    domain: Domain, caller: Caller
) -> None:
    assert await caller.look() == 0
    await waits(domain, "sms-a", "sms-b")
    assert await caller.look() == 1
    assert caller.calls == [("sms-a", b"outbind")]


async def test_who_is_reached_is_not_called(domain: Domain, caller: Caller) -> None:
    await waits(domain, "sms-a")
    caller.reached.add("sms-a")
    assert await caller.look() == 0


@pytest.mark.parametrize("fails", [False, True])
async def test_pauses_double_until_it_is_bound(domain: Domain, caller: Caller, fails: bool) -> None:
    await waits(domain, "sms-a")
    caller.fails = fails
    pause = RETRY_MIN_S
    for _ in range(8):
        assert await caller.look() == 1
        caller.now += pause - 0.1
        assert await caller.look() == 0
        caller.now += 0.1
        pause = min(2 * pause, RETRY_MAX_S)
    caller.reached.add("sms-a")
    await caller.look()
    caller.reached.clear()
    assert await caller.look() == 1


class Esme:
    """An enterprise's client that waits for outbind."""

    def __init__(self, kind: type[BindReceiver | BindTransmitter] = BindReceiver) -> None:
        self.outbinds: list[Outbind] = []
        self.link = OutbindLink(
            OutbindConfig("127.0.0.1", 0, credentials(kind)), self._accept, self._on_events
        )

    def _accept(self, _connection: Connection, outbind: Outbind) -> bool:
        self.outbinds.append(outbind)
        return True

    def _on_events(self, connection: Connection, events: list[Event]) -> None:
        pass

    async def __aenter__(self) -> "Esme":
        await self.link.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.stop(0.5)

    @property
    def account(self) -> AccountRow:
        return replace(ACCOUNT, outbind=f"127.0.0.1:{self.link.port}")


@pytest.mark.usefixtures("each_way")
async def test_the_bind_on_our_connection_is_the_accounts_and_gets_deliveries() -> None:
    async with Esme() as esme, World(account=esme.account) as world:
        await world.front.call(esme.account, b"outbind")
        assert world.front.is_called("sms-a")
        await until(lambda: len(world.receivers) == 1 and esme.link.state is LinkState.BOUND)
        assert [(each.system_id, each.password) for each in esme.outbinds] == [(b"ASCS", b"outbind")]
    assert not world.front.is_called("sms-a")


@pytest.mark.usefixtures("each_way")
async def test_a_bind_of_another_account_on_it_is_refused() -> None:
    async with Esme() as esme, World(account=esme.account) as world:
        await world.front.call(replace(esme.account, system_id="sms-b"), b"")
        await until(lambda: bool(esme.outbinds) and not world.front.is_called("sms-b"))
        assert world.receivers == []


@pytest.mark.usefixtures("each_way")
async def test_the_end_of_the_gateway_ends_it_in_order() -> None:
    async with Esme() as esme, World(account=esme.account) as world:
        await world.front.call(esme.account, b"")
        await until(lambda: len(world.receivers) == 1 and esme.link.state is LinkState.BOUND)
        await world.front.stop()
        await until(lambda: esme.link.state is LinkState.LISTENING)
        assert esme.link.last_error == "unbound by peer"


@pytest.mark.usefixtures("each_way")
async def test_nobody_listens_there() -> None:
    async with World(account=CALLED) as world:
        with pytest.raises(ConnectFailed):
            await world.front.call(CALLED, b"")
        assert not world.front.is_called("sms-a")


async def test_it_looks_on_by_itself(domain: Domain, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sms.esme_outbind.LOOK_S", 0.001)
    await waits(domain, "sms-a")
    caller.outbinds.start()
    await until(lambda: caller.calls == [("sms-a", b"outbind")])
    await asyncio.sleep(0)
