"""The index key is rotated while people are looked for, opt out and are imported: nobody is missed at any moment."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from gateway import keys as own_keys
from gateway.app import open_domain
from gateway.key_exchange import CarrierHouse
from gateway.records import reindexing
from gateway.records.reindexing import Reindexing
from gateway.settings import GatewaySettings
from gateway.store import blind_index, edis
from gateway.store.domain import Domain, wall_ms
from gateway.store.subscribers import IMSI, HoldingLine, import_lines
from gm.sm2 import PrivateKey
from interparty import custody, key_house
from interparty.key_house import HouseError
from tests.gateway.carrier import PATIENCE_S, until
from tests.gateway.installation import make_key_store, settings_in

PEOPLE = [f"86138{n:08}" for n in range(120)]


@pytest.fixture
def settings(tmp_path: Path) -> GatewaySettings:
    made = settings_in(tmp_path, tmp_path / "pki")
    make_key_store(made)
    return made


@pytest.fixture
async def domain(settings: GatewaySettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Domain]:
    monkeypatch.setattr(reindexing, "ROWS_MAX", 7)
    monkeypatch.setattr(reindexing, "PAUSE_S", 0)
    monkeypatch.setattr(reindexing, "EVERY_S", 0.01)
    domain, _ = open_domain(settings)
    await domain.store.write(lambda conn: learn(conn, domain, PEOPLE))
    yield domain
    await domain.store.close()


def learn(conn: sqlite3.Connection, domain: Domain, numbers: list[str]) -> int:
    lines = [HoldingLine(number, IMSI, "460" + number[-12:], 0, None) for number in numbers]
    return import_lines(conn, domain.vault, lines, wall_ms())


async def under(domain: Domain) -> dict[int, int]:
    """Rows by version of the index key."""
    return await domain.store.write(
        lambda conn: {version: blind_index.count_under(conn, version) for version in (1, 2)}
    )


async def names(domain: Domain) -> list[bytes | None]:
    return await domain.store.write(
        lambda conn: [domain.vault.find_msisdn(conn, number) for number in PEOPLE]
    )


async def rotate(settings: GatewaySettings) -> None:
    """As the operator's command does it, in a process of its own."""
    house = CarrierHouse(settings, own_keys.open_store(settings))
    rotated = await key_house.rotate(house, "index", wall_ms)
    assert (rotated.key.version, rotated.key.state) == (2, "active")


class Load:
    """What goes on at a gateway: replies and callbacks look for people, some opt out, others are imported."""

    def __init__(self, domain: Domain, expected: list[bytes | None]) -> None:
        self._domain = domain
        self._expected = dict(zip(PEOPLE, expected, strict=True))
        self.turns = 0
        self.failures: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _turn(self, conn: sqlite3.Connection, number: str) -> None:
        vault = self._domain.vault
        index = vault.find_msisdn(conn, number)
        if index != self._expected[number]:
            self.failures.append(f"{number} is {index!r}")
        if index is not None:
            edis.block(conn, "ent-a", index, self.turns)
            if list(edis.blocked_at(conn, [self._expected[number] or b""])) != [("ent-a", index)]:
                self.failures.append(f"the opt-out of {number} is not seen")
        # A line that is on record already is known again, whatever its row was indexed under.
        if learn(conn, self._domain, [number]):
            self.failures.append(f"{number} was imported twice")

    async def _run(self, begin: int) -> None:
        at = begin
        while True:
            number = PEOPLE[at % len(PEOPLE)]
            await self._domain.store.write(partial(self._turn, number=number))
            at += 1
            self.turns += 1
            await asyncio.sleep(0)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run(begin)) for begin in (0, 40, 80)]

    async def goes_on(self) -> None:
        turns = self.turns + 2 * len(PEOPLE)
        await until(lambda: self.turns >= turns or bool(self.failures))
        assert self.failures == []

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def test_nobody_is_missed_while_the_index_key_is_rotated(
    domain: Domain, settings: GatewaySettings
) -> None:
    load, job = Load(domain, await names(domain)), Reindexing(domain)
    load.start()
    job.start()
    try:
        await load.goes_on()
        await rotate(settings)
        async with asyncio.timeout(PATIENCE_S):
            while await under(domain) != {1: 0, 2: 2 * len(PEOPLE)}:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await load.goes_on()
    finally:
        await load.stop()
        await job.stop()
    assert load.failures == []


async def test_what_was_ended_in_the_middle_goes_on(domain: Domain, settings: GatewaySettings) -> None:
    before = await names(domain)
    await rotate(settings)
    steps = 0

    async def killed(_: float) -> None:
        nonlocal steps
        steps += 1
        if steps == 5:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Reindexing(domain, killed).renew_all()
    assert await under(domain) == {1: 2 * len(PEOPLE) - 35, 2: 35}
    assert await names(domain) == before
    await domain.store.close()
    again, _ = open_domain(settings)
    try:
        assert await names(again) == before
        assert await Reindexing(again).renew_all() == 2 * len(PEOPLE) - 35
        assert await names(again) == before
        assert await Reindexing(again).renew_all() == 0
    finally:
        await again.store.close()


async def test_the_key_before_is_destroyed_only_when_nothing_is_found_by_it(
    domain: Domain, settings: GatewaySettings
) -> None:
    before = await names(domain)
    house = CarrierHouse(settings, own_keys.open_store(settings))
    people = {name: PrivateKey.generate() for name in ("li", "wang")}
    for name, key in people.items():
        assert key_house.enrol_first(house, name, name, key.public_key, wall_ms())
    await key_house.rotate(house, "index", wall_ms)
    order = custody.draw_up("CMCC", "destroy", wall_ms(), purpose="index", version=1)
    approvals = [custody.approve(order, name, key, wall_ms()) for name, key in people.items()]
    with pytest.raises(HouseError, match="240 numbers and identifiers are indexed under index/1"):
        key_house.carry_out(house, order, approvals, wall_ms())
    await Reindexing(domain).renew_all()
    key_house.carry_out(house, order, approvals, wall_ms())
    assert [key.state for key in house.keys.keys("index")] == ["destroyed", "active"]
    assert await names(domain) == before
