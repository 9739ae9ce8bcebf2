"""What the trust party must hear waits in the store until it has heard it; cancellations wait for nothing else."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.records import metrics
from gateway.records.trust_rows import TrustRows
from gateway.store import courier, outbox
from gateway.store.domain import Domain
from gateway.store.outbox import TrustKind
from interparty.client import PeerProblem, PeerUnavailable
from interparty.messages import CancellationResult, ConfirmationResult
from tests.gateway.carrier import EDI_ID, ENTERPRISE, NOW_MS, NUMBER, rows, until

CONFIRMATION = {
    "carrier": "CMCC",
    "enterprise": ENTERPRISE,
    "consent_sm3": "0" * 64,
    "edi_id": EDI_ID.hex(),
    "method": "sms-code",
    "confirmed_at": NOW_MS,
}
CANCELLATION = {"enterprise": ENTERPRISE, "edi_id": EDI_ID.hex(), "cause": "OPT_OUT", "at": NOW_MS}
REPORT = {
    "report_id": "mt-1",
    "edi_id": EDI_ID.hex(),
    "enterprise": ENTERPRISE,
    "channel": "sms",
    "access_number": NUMBER,
    "direction": "mt",
    "result": "DELIVERED",
    "started_at": NOW_MS,
    "ended_at": NOW_MS,
}
BODIES = {
    TrustKind.CONFIRMATION: CONFIRMATION,
    TrustKind.CANCELLATION: CANCELLATION,
    TrustKind.REPORT: REPORT,
}


class TrustParty:
    """Takes everything but the kinds that `deaf` names; remembers what it took."""

    def __init__(self) -> None:
        self.deaf: dict[TrustKind, Exception] = {}
        self.status = "ACTIVE"
        self.taken: list[TrustKind] = []

    def _take(self, kind: TrustKind, count: int) -> None:
        if kind in self.deaf:
            raise self.deaf[kind]
        self.taken += [kind] * count

    async def confirm(self, items: list[Any]) -> list[ConfirmationResult]:
        self._take(TrustKind.CONFIRMATION, len(items))
        return [ConfirmationResult(status=self.status)] * len(items)

    async def cancel(self, items: list[Any]) -> list[CancellationResult]:
        self._take(TrustKind.CANCELLATION, len(items))
        return [CancellationResult(status="REVOKED")] * len(items)

    async def report(self, items: list[Any]) -> int:
        self._take(TrustKind.REPORT, len(items))
        return len(items)


@pytest.fixture
def party(monkeypatch: pytest.MonkeyPatch) -> TrustParty:
    monkeypatch.setattr(courier, "BACKOFF_MIN_S", 0.001)
    return TrustParty()


@pytest.fixture
async def trust_rows(domain: Domain, party: TrustParty) -> AsyncIterator[TrustRows]:
    made = TrustRows(domain.store, party)  # type: ignore[arg-type]
    yield made
    await made.stop()


async def put(domain: Domain, *kinds: TrustKind) -> None:
    def op(conn: Any) -> None:
        for kind in kinds:
            outbox.put_trust(conn, domain.ids.next(), kind, NOW_MS, json.dumps(BODIES[kind]))

    await domain.store.write(op)


async def kept(domain: Domain) -> list[int]:
    return [row["kind"] for row in await rows(domain, "trust_outbox")]


async def test_each_kind_goes_by_its_own_route_and_is_then_forgotten(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    await put(domain, *TrustKind, TrustKind.REPORT)
    trust_rows.start()
    await until(lambda: len(party.taken) == 4)
    assert sorted(party.taken) == [1, 2, 3, 3]
    await domain.store.write(lambda conn: None)
    assert await kept(domain) == []


async def test_what_is_written_later_goes_when_it_is_announced(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    trust_rows.start()
    await put(domain, TrustKind.REPORT)
    trust_rows.wake()
    await until(lambda: party.taken == [TrustKind.REPORT])


@pytest.mark.parametrize("error", [PeerUnavailable("no answer in time"), PeerProblem(503, "busy")])
async def test_what_was_not_heard_stays_and_is_said_again(
    domain: Domain, party: TrustParty, trust_rows: TrustRows, error: Exception
) -> None:
    party.deaf[TrustKind.CONFIRMATION] = error
    await put(domain, TrustKind.CONFIRMATION)
    trust_rows.start()
    await domain.store.write(lambda conn: None)
    assert await kept(domain) == [TrustKind.CONFIRMATION]
    party.deaf.clear()
    await until(lambda: party.taken == [TrustKind.CONFIRMATION])


async def test_reports_that_are_not_taken_hold_up_no_cancellation(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    party.deaf[TrustKind.REPORT] = PeerUnavailable("too many requests wait for this peer")
    await put(domain, TrustKind.REPORT, TrustKind.CANCELLATION)
    trust_rows.start()
    await until(lambda: party.taken == [TrustKind.CANCELLATION])
    await domain.store.write(lambda conn: None)
    assert await kept(domain) == [TrustKind.REPORT]


@pytest.mark.parametrize("status", ["ACTIVE", "EXPIRED"])
async def test_how_a_confirmation_ended_is_counted(
    domain: Domain, party: TrustParty, trust_rows: TrustRows, status: str
) -> None:
    def counted() -> float:
        found = metrics.REGISTRY.get_sample_value("ascs_confirmations_total", {"outcome": status})
        return found or 0.0

    before = counted()
    party.status = status
    await put(domain, TrustKind.CONFIRMATION)
    trust_rows.start()
    await until(lambda: counted() == before + 1)
