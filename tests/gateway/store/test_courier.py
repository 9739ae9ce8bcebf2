"""Rows that wait for another party: handed over in order, kept while the party does not answer."""

import asyncio
import sqlite3
from collections.abc import Sequence

import pytest

from gateway.store import courier
from gateway.store.courier import Courier, NotNow
from gateway.store.domain import Domain
from gateway.store.outbox import TrustKind, done_trust, for_trust, put_trust
from tests.gateway.carrier import PATIENCE_S, until

KIND = TrustKind.CONFIRMATION


class Other:
    """The other party: fails as often as told, then takes."""

    def __init__(self, domain: Domain, *failures: Exception) -> None:
        self.domain = domain
        self.failures = list(failures)
        self.asked: list[list[str]] = []
        self.taken: list[str] = []

    async def send(self, rows: Sequence[tuple[int, str]]) -> None:
        bodies = [body for _, body in rows]
        self.asked.append(bodies)
        if self.failures:
            raise self.failures.pop(0)
        await self.domain.store.write(lambda conn: done_trust(conn, [row_id for row_id, _ in rows]))
        self.taken += bodies


def made(
    domain: Domain, other: Other, *, batch_max: int = courier.BATCH_MAX, gather_s: float = 0.0
) -> Courier[tuple[int, str]]:
    return Courier(
        "test",
        domain.store,
        lambda conn, limit: for_trust(conn, KIND, limit),
        other.send,
        batch_max=batch_max,
        gather_s=gather_s,
    )


async def put(domain: Domain, *row_ids: int) -> None:
    def op(conn: sqlite3.Connection) -> None:
        for row_id in row_ids:
            put_trust(conn, row_id, KIND, 0, str(row_id))

    await domain.store.write(op)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "BACKOFF_MIN_S", 0.001)
    monkeypatch.setattr(courier, "BACKOFF_MAX_S", 0.002)


async def test_rows_of_before_the_start_and_rows_that_are_announced(domain: Domain) -> None:
    other = Other(domain)
    await put(domain, 2, 1)
    carrying = made(domain, other)
    carrying.start()
    await until(lambda: other.taken == ["1", "2"])
    await put(domain, 3)
    carrying.wake()
    await until(lambda: other.taken == ["1", "2", "3"])
    await carrying.stop()


@pytest.mark.parametrize("failure", [NotNow("no answer"), ValueError("a bug")])
async def test_rows_stay_until_they_are_taken(domain: Domain, failure: Exception) -> None:
    other = Other(domain, failure, failure)
    await put(domain, 1)
    carrying = made(domain, other)
    carrying.start()
    await until(lambda: other.taken == ["1"])
    assert other.asked == [["1"]] * 3
    await carrying.stop()


async def test_a_stopped_courier_leaves_its_rows(domain: Domain) -> None:
    other = Other(domain, *[NotNow("no answer")] * 1000)
    await put(domain, 1)
    carrying = made(domain, other)
    carrying.start()
    await until(lambda: bool(other.asked))
    await carrying.stop()
    assert len(await domain.store.write(lambda conn: for_trust(conn, KIND, 10))) == 1


async def test_rows_may_wait_for_others_and_go_with_them(domain: Domain) -> None:
    other = Other(domain)
    await put(domain, 1)
    carrying = made(domain, other, gather_s=0.05)
    carrying.start()
    await until(lambda: other.taken == ["1"])
    for row_id in (2, 3):
        await put(domain, row_id)
        carrying.wake()
    await until(lambda: other.taken == ["1", "2", "3"])
    assert other.asked == [["1"], ["2", "3"]]
    await carrying.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which lasts."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    return made


async def test_the_fuller_a_batch_was_the_sooner_the_next_one_goes(
    domain: Domain, pauses: list[float]
) -> None:
    other = Other(domain)
    await put(domain, *range(1, 8))
    carrying = made(domain, other, batch_max=4, gather_s=10.0)
    carrying.start()
    while len(other.taken) < 7:
        await domain.store.write(lambda conn: None)
    await carrying.stop()
    assert [len(each) for each in other.asked] == [4, 3]
    assert pauses[:2] == [0.0, 2.5]


@pytest.mark.parametrize("turns", range(6))
async def test_it_stops_also_in_the_moment_in_which_it_is_woken(domain: Domain, turns: int) -> None:
    carrying = made(domain, Other(domain))
    carrying.start()
    await until(lambda: domain.store.backlog == 0)
    for _ in range(10):
        await asyncio.sleep(0)
    carrying.wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        await carrying.stop()
