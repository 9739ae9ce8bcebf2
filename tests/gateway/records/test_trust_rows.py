"""What the trust party must hear waits in the store until it has heard it; cancellations wait for nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.records import metrics
from gateway.records.reports import report_of
from gateway.records.trust_rows import TrustRows
from gateway.store import courier, outbox, records
from gateway.store.domain import Domain
from gateway.store.outbox import TrustKind
from gateway.store.records import CdrRow
from interparty import key_ledger
from interparty.client import PeerProblem, PeerUnavailable
from interparty.deposit_messages import CancellationResult, ConfirmationResult
from interparty.key_ledger import Author
from interparty.key_messages import KeyEvent
from tests.gateway.carrier import AID, DIGEST, EDI_ID, ENTERPRISE, NOW_MS, NUMBER, PATIENCE_S, rows, until

CONFIRMATION = {
    "carrier": "CMCC",
    "enterprise": ENTERPRISE,
    "consent_sm3": "0" * 64,
    "edi_id": EDI_ID.hex(),
    "method": "sms-code",
    "confirmed_at": NOW_MS,
}
CANCELLATION = {"enterprise": ENTERPRISE, "edi_id": EDI_ID.hex(), "cause": "OPT_OUT", "at": NOW_MS}
BODIES = {TrustKind.CONFIRMATION: CONFIRMATION, TrustKind.CANCELLATION: CANCELLATION}
CDR = CdrRow(
    1, 1, "mt", "sms-a", ENTERPRISE, NUMBER, AID, EDI_ID, NOW_MS, None, NOW_MS, "DELIVERED", digest=DIGEST
)  # fmt: skip
REPORT = "report"
KEY_EVENT = "key event"


class TrustParty:
    """Takes everything but the kinds that `deaf` names; remembers what it took."""

    def __init__(self) -> None:
        self.deaf: dict[TrustKind | str, Exception] = {}
        self.status = "ACTIVE"
        self.taken: list[TrustKind | str] = []
        self.reports: list[str] = []
        self.refused = 0
        self.key_events: list[KeyEvent] = []

    def _take(self, kind: TrustKind | str, count: int) -> None:
        if kind in self.deaf:
            self.refused += 1
            raise self.deaf[kind]
        self.taken += [kind] * count

    async def confirm(self, items: list[Any]) -> list[ConfirmationResult]:
        self._take(TrustKind.CONFIRMATION, len(items))
        return [ConfirmationResult(status=self.status)] * len(items)

    async def cancel(self, items: list[Any]) -> list[CancellationResult]:
        self._take(TrustKind.CANCELLATION, len(items))
        return [CancellationResult(status="REVOKED")] * len(items)

    async def report_key_events(self, items: list[KeyEvent], keyid: str) -> None:
        assert keyid == "CMCC/sign/1"
        self._take(KEY_EVENT, len(items))
        self.key_events += items

    async def report_texts(self, items: list[str]) -> int:
        """Reports come as the JSON of each."""
        self._take(REPORT, len(items))
        self.reports += items
        return len(items)


@pytest.fixture
def party(monkeypatch: pytest.MonkeyPatch) -> TrustParty:
    monkeypatch.setattr(courier, "BACKOFF_MIN_S", 0.001)
    return TrustParty()


@pytest.fixture
async def trust_rows(domain: Domain, party: TrustParty) -> AsyncIterator[TrustRows]:
    made = TrustRows(domain.store, party, lambda: "CMCC/sign/1")  # type: ignore[arg-type]
    yield made
    await made.stop()


async def put(domain: Domain, *kinds: TrustKind) -> None:
    def op(conn: Any) -> None:
        for kind in kinds:
            outbox.put_trust(conn, domain.ids.next(), kind, NOW_MS, json.dumps(BODIES[kind]))

    await domain.store.write(op)


async def end(domain: Domain, *cdrs: CdrRow) -> None:
    """Contacts that are over."""
    await domain.store.write(lambda conn: records.put_cdrs(conn, cdrs))


async def unreported(domain: Domain) -> int:
    return await domain.store.write(records.unreported_count)


async def all_reported(domain: Domain) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await unreported(domain):
            pass  # it waits for the store


async def kept(domain: Domain) -> list[int]:
    return [row["kind"] for row in await rows(domain, "trust_outbox")]


async def test_each_kind_goes_by_its_own_route_and_is_then_forgotten(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    await put(domain, *TrustKind)
    await end(domain, CDR, CDR._replace(id=2))
    trust_rows.start()
    await until(lambda: len(party.taken) == 4)
    assert set(party.taken) == {*TrustKind, REPORT}
    assert party.taken.count(REPORT) == 2
    await all_reported(domain)
    assert await kept(domain) == []
    assert [row["id"] for row in await rows(domain, "cdr")] == [1, 2]  # only the report is done


async def test_what_is_written_later_goes_when_it_is_announced(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    trust_rows.start()
    await put(domain, TrustKind.CANCELLATION)
    await end(domain, CDR)
    trust_rows.wake()
    await until(lambda: len(party.taken) == 2)


async def test_what_ends_a_contact_looks_for_no_statement(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    trust_rows.start()
    for _ in range(3):
        await unreported(domain)  # behind what each looks for at the start
    await put(domain, TrustKind.CANCELLATION)
    await end(domain, CDR)
    trust_rows.wake_reports()
    await all_reported(domain)
    assert party.taken == [REPORT]
    trust_rows.wake()
    await until(lambda: len(party.taken) == 2)


async def test_a_report_is_of_its_cdr(domain: Domain, party: TrustParty, trust_rows: TrustRows) -> None:
    call = CDR._replace(id=2, kind="call", result="ANSWERED", digest=None)
    await end(domain, CDR, call)
    trust_rows.start()
    await until(lambda: len(party.reports) == 2)
    assert party.reports == [report_of(CDR), report_of(call)]


async def test_a_contact_without_an_edi_is_nothing_to_report(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    await end(domain, CDR._replace(edi_id=None))
    trust_rows.start()
    await all_reported(domain)
    assert party.reports == []


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


@pytest.mark.parametrize("error", [PeerUnavailable("no answer in time"), PeerProblem(503, "busy")])
async def test_reports_that_were_not_heard_are_sent_again_as_they_were(
    domain: Domain, party: TrustParty, trust_rows: TrustRows, error: Exception
) -> None:
    party.deaf[REPORT] = error
    await end(domain, CDR)
    trust_rows.start()
    await domain.store.write(lambda conn: None)
    assert await unreported(domain) == 1
    await end(domain, CDR._replace(id=2))
    party.deaf.clear()
    await until(lambda: len(party.reports) == 2)
    assert party.reports == [report_of(CDR), report_of(CDR._replace(id=2))]
    await all_reported(domain)


async def test_after_a_restart_only_what_was_not_reported_is(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    await end(domain, CDR)
    trust_rows.start()
    await all_reported(domain)
    await trust_rows.stop()
    await end(domain, CDR._replace(id=2))
    trust_rows.start()
    await all_reported(domain)
    assert party.reports == [report_of(CDR), report_of(CDR._replace(id=2))]


async def test_reports_that_are_not_taken_hold_up_no_cancellation(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    party.deaf[REPORT] = PeerUnavailable("too many requests wait for this peer")
    await put(domain, TrustKind.CANCELLATION)
    await end(domain, CDR)
    trust_rows.start()
    await until(lambda: party.taken == [TrustKind.CANCELLATION])
    await domain.store.write(lambda conn: None)
    assert await kept(domain) == []
    assert await unreported(domain) == 1


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


async def test_key_events_wait_until_the_trust_party_has_them(
    domain: Domain, party: TrustParty, trust_rows: TrustRows
) -> None:
    async def enrol(*names: str) -> list[KeyEvent]:
        def op(conn: Any) -> list[KeyEvent]:
            author = Author("CMCC", "ops", NOW_MS)
            return [key_ledger.append(conn, author, "enrol", custodian=name) for name in names]

        return await domain.store.write(op)

    waiting = await enrol("li", "wang")
    party.deaf[KEY_EVENT] = PeerUnavailable("nobody there")
    trust_rows.start()
    await until(lambda: party.refused > 1)
    assert party.key_events == []
    del party.deaf[KEY_EVENT]
    await until(lambda: party.key_events == waiting)
    await trust_rows.stop()
    assert await domain.store.write(lambda conn: key_ledger.untold(conn, 10)) == []
    # And not again after the next start.
    waiting += await enrol("zhao")
    trust_rows.start()
    await until(lambda: len(party.key_events) >= len(waiting))
    assert party.key_events == waiting
