"""When the carrier answers a query by number, and what its answer tells."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from foundation import audit
from foundation.allowance import Allowance
from gateway.carrier_api import approvers
from gateway.carrier_api.number_queries import DAY_MS, NumberQueries
from gateway.settings import QuerySettings
from gateway.store import edis, number_queries
from gateway.store.domain import Domain
from gateway.store.subscribers import HoldingLine, import_lines
from gm.errors import KeyStoreError
from gm.sm2 import PrivateKey
from interparty import number_query, statements
from interparty.query_messages import (
    ANSWER_IDS,
    Approval,
    CarrierNumberQuery,
    CarrierNumberReply,
    NumberQuestion,
    SignedApproval,
)
from tests.gateway.carrier import (
    EDI_ID,
    ENTERPRISE,
    IMSI,
    MSISDN,
    NOW_MS,
    OTHER_IMSI_ID,
    OTHER_MSISDN,
    Clock,
    edi_row,
    rows,
)

QUERY_KEY, SIGN_KEY, ANSWER_KEY = (PrivateKey.generate() for _ in range(3))
PEOPLE = {name: PrivateKey.generate() for name in ("zhang-san", "li-si", "wang-wu", "stranger")}
STRANGER_NUMBER = "447700900123"
SETTINGS = QuerySettings(per_day=3, answer_s=0.5)


@dataclass
class Desk:
    """The carrier's side, and what a regulator's people would send it."""

    domain: Domain
    clock: Clock
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        def query_key(version: int) -> PrivateKey:
            if version != 1:
                raise KeyStoreError("no such key")
            return QUERY_KEY

        self.queries = NumberQueries(self.domain, "CMCC", SETTINGS, query_key, lambda: SIGN_KEY, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def asked(
        self,
        approvers: tuple[str, ...] = ("zhang-san", "li-si"),
        *,
        approved: dict[str, Any] | None = None,
        requester: str = "regulator",
        version: int = 1,
        **changed: Any,
    ) -> CarrierNumberQuery:
        """A query; `approved` differs in the approvals, `changed` inside the seal."""
        fields: dict[str, Any] = {
            "number": MSISDN,
            "enterprise": ENTERPRISE,
            "period_from": NOW_MS - 30 * DAY_MS,
            "period_to": NOW_MS + DAY_MS,
            "case": "case-1",
            "requester": "regulator",
            "carrier": "CMCC",
            "nonce": "ab" * 16,
            "answer_key": ANSWER_KEY.public_key.to_bytes().hex(),
        }
        question = NumberQuestion.model_validate(fields | changed)
        sealed = number_query.seal(QUERY_KEY.public_key, version, question)
        said = {
            "sealed_sm3": number_query.sealed_sm3(sealed),
            "question_sm3": number_query.question_sm3(question),
            "case": question.case,
            "enterprise": question.enterprise,
            "period_from": question.period_from,
            "period_to": question.period_to,
            "at": NOW_MS,
        }
        approvals = [
            sign(Approval.model_validate(said | {"approver": name} | (approved or {})), name)
            for name in approvers
        ]
        return CarrierNumberQuery(requester=requester, sealed=sealed, approvals=approvals)

    async def refusal(self, **changed: Any) -> str | None:
        return (await self.queries.answer(self.asked(**changed))).refusal

    async def found(self, known: list[bytes], **changed: Any) -> list[bytes]:
        """Those of `known` that the answer has."""
        reply = await self.queries.answer(self.asked(**changed))
        assert reply.answer is not None, reply.refusal
        return [each for each in known if each.hex() in reply.answer.edi_ids]


def sign(statement: Approval, name: str) -> SignedApproval:
    return SignedApproval(
        statement=statement, signature=statements.sign(PEOPLE[name], statements.QUERY, statement)
    )


@pytest.fixture
async def desk(people: Domain, clock: Clock) -> Desk:
    def enrol(conn: Any) -> None:
        for name, requester in (("zhang-san", "regulator"), ("li-si", "regulator"), ("wang-wu", "other")):
            approvers.enrol(
                conn,
                operator="operator",
                approver_id=name,
                requester=requester,
                name=name,
                public_key_pem=PEOPLE[name].public_key.to_pem(),
                now_ms=NOW_MS,
            )

    await people.store.write(enrol)
    return Desk(people, clock)


async def test_it_answers_with_the_edi_ids_of_who_held_the_number(desk: Desk) -> None:
    asked = desk.asked()
    reply = await desk.queries.answer(asked)
    assert reply.answer is not None
    assert reply.signature is not None
    assert EDI_ID.hex() in reply.answer.edi_ids
    assert number_query.open_found(ANSWER_KEY, reply.answer.found) == [EDI_ID.hex()]
    assert (reply.answer.carrier, reply.answer.at) == ("CMCC", NOW_MS)
    assert reply.answer.sealed_sm3 == number_query.sealed_sm3(asked.sealed)
    assert statements.verify(SIGN_KEY.public_key, statements.ANSWER, reply.answer, reply.signature)


async def test_whether_it_is_our_number_and_whether_anything_was_found_looks_the_same(desk: Desk) -> None:
    """One size, one form, one time; only the ids differ, of which all but the found are random."""
    replies = [
        await desk.queries.answer(desk.asked(number=number))
        for number in (MSISDN, OTHER_MSISDN, STRANGER_NUMBER)
    ]
    bodies = [reply.model_dump_json(exclude_none=True) for reply in replies]
    assert len({len(body) for body in bodies}) == 1
    for reply in replies:
        assert reply.answer is not None
        assert len(set(reply.answer.edi_ids)) == ANSWER_IDS
        assert reply.answer.edi_ids == sorted(reply.answer.edi_ids)
    stranger, again = replies[2].answer, await desk.domain.store.read("SELECT edi_id FROM edi")
    assert stranger is not None
    assert not {row[0].hex() for row in again} & set(stranger.edi_ids)
    assert number_query.open_found(ANSWER_KEY, stranger.found) == []
    assert len(desk.slept) == 3
    # Each was held back to the same moment after its question.
    assert all(0 < waited <= SETTINGS.answer_s for waited in desk.slept)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"approvers": ("zhang-san",)}, "APPROVERS"),
        ({"approvers": ("zhang-san", "zhang-san")}, "APPROVERS"),
        ({"approvers": ("zhang-san", "stranger")}, "APPROVERS"),
        ({"approvers": ("zhang-san", "li-si", "stranger")}, "APPROVERS"),
        ({"approvers": ("zhang-san", "wang-wu")}, "APPROVERS"),
        ({"approvers": ("li-si", "stranger"), "approved": {"approver": "zhang-san"}}, "APPROVERS"),
        ({"approved": {"at": NOW_MS - DAY_MS - 1}}, "STALE"),
        ({"approved": {"at": NOW_MS + 300_001}}, "STALE"),
        ({"approved": {"enterprise": "ent-b"}}, "MISMATCH"),
        ({"approved": {"period_from": NOW_MS - 31 * DAY_MS}}, "MISMATCH"),
        ({"approved": {"period_to": NOW_MS + 2 * DAY_MS}}, "MISMATCH"),
        ({"approved": {"case": "case-2"}}, "MISMATCH"),
        ({"approved": {"sealed_sm3": "ab" * 32}}, "MISMATCH"),
        ({"approved": {"question_sm3": "ab" * 32}}, "MISMATCH"),  # another number was shown than is sealed
        ({"requester": "other"}, "MISMATCH"),
        ({"carrier": "CUCC"}, "FORM"),
        ({"version": 2}, "FORM"),
        ({"answer_key": "04" + "00" * 64}, "FORM"),
        ({"period_from": NOW_MS - 366 * DAY_MS}, "PERIOD"),
        ({"period_from": NOW_MS + 1}, "PERIOD"),
    ],
)
async def test_what_is_refused_and_why(desk: Desk, changed: dict[str, Any], reason: str) -> None:
    assert await desk.refusal(**changed) == reason
    assert await rows(desk.domain, "number_query", "at") == []


async def test_a_query_is_answered_once(desk: Desk) -> None:
    asked = desk.asked()
    assert (await desk.queries.answer(asked)).refusal is None
    assert (await desk.queries.answer(asked)).refusal == "REPLAYED"
    replies = await asyncio.gather(*(desk.queries.answer(desk_query) for desk_query in [desk.asked()] * 2))
    assert sorted(reply.refusal or "" for reply in replies) == ["", "REPLAYED"]


async def test_no_more_than_so_many_a_day_are_answered(desk: Desk) -> None:
    for _ in range(SETTINGS.per_day):
        assert await desk.refusal() is None
    assert await desk.refusal() == "DAILY_CAP"
    desk.clock.now_ms += DAY_MS + 1
    assert await desk.refusal(approved={"at": desk.clock.now_ms}) is None


async def test_a_removed_approver_approves_no_more(desk: Desk) -> None:
    await desk.domain.store.write(
        lambda conn: approvers.dismiss(conn, operator="operator", approver_id="li-si", now_ms=NOW_MS)
    )
    assert await desk.refusal() == "APPROVERS"


async def test_only_the_enterprise_under_complaint_is_answered_for(desk: Desk) -> None:
    other = bytes.fromhex("22" * 16)
    row = await desk.domain.store.write(
        lambda conn: edi_row(conn, desk.domain.vault, other, enterprise_id="ent-b")
    )
    await desk.domain.store.write(lambda conn: edis.insert(conn, row))
    assert await desk.found([EDI_ID, other]) == [EDI_ID]
    assert await desk.found([EDI_ID, other], enterprise="ent-b") == [other]


async def test_of_a_number_with_two_holders_only_the_one_of_that_period_is_answered_for(desk: Desk) -> None:
    """The number went from one person to another: a query about either's time finds that one's EDIs alone."""
    later_edi, moved = bytes.fromhex("22" * 16), NOW_MS - 10 * DAY_MS

    def hand_over(conn: Any) -> None:
        vault = desk.domain.vault
        import_lines(
            conn,
            vault,
            [
                HoldingLine("8613800000009", IMSI, "460001234567899", NOW_MS - 300 * DAY_MS, moved),
                HoldingLine("8613800000009", IMSI, "460001234567898", moved, None),
            ],
            NOW_MS,
        )
        for edi_id, identifier, as_of in (
            (bytes.fromhex("33" * 16), "460001234567899", 20260915),
            (later_edi, "460001234567898", 20261030),
        ):
            edis.insert(
                conn, edi_row(conn, vault, edi_id, "8613800000009", identifier=identifier, as_of=as_of)
            )

    await desk.domain.store.write(hand_over)
    both = [bytes.fromhex("33" * 16), later_edi]
    whole = {"number": "8613800000009", "period_from": NOW_MS - 100 * DAY_MS}
    assert await desk.found(both, **whole) == both
    assert await desk.found(both, **whole, period_to=moved) == both[:1]
    assert await desk.found(both, number="8613800000009", period_from=moved) == both[1:]


async def test_each_is_on_the_audit_chain_without_the_number(desk: Desk) -> None:
    await desk.queries.answer(desk.asked())
    await desk.refusal(approvers=("zhang-san", "stranger"))
    found = await rows(desk.domain, "audit", "sequence")
    assert [(row["event"], row["actor"], row["success"]) for row in found[-2:]] == [
        ("number.query", "regulator", 1),
        ("number.query", "regulator", 0),
    ]
    assert '"approvers":["li-si","zhang-san"]' in found[-2]["detail"]
    assert '"found":1' in found[-2]["detail"]
    assert '"reason":"APPROVERS"' in found[-1]["detail"]
    assert not any(MSISDN in row["detail"] for row in found)
    assert await desk.domain.store.write(audit.verify) is None


async def test_the_carrier_can_see_which_numbers_were_asked_about(desk: Desk) -> None:
    await desk.queries.answer(desk.asked())
    [row] = await desk.domain.store.write(lambda conn: number_queries.queries(conn, 10))
    assert (row.case_ref, row.found, row.approvers) == ("case-1", 1, "li-si zhang-san")
    assert number_queries.open_number(desk.domain.vault, row) == MSISDN
    assert MSISDN.encode() not in row.number_sealed


async def test_the_numbers_asked_about_are_kept_so_long(desk: Desk) -> None:
    await desk.queries.answer(desk.asked())
    desk.clock.now_ms += SETTINGS.kept_days * DAY_MS + 1
    at = {"at": desk.clock.now_ms}
    period = {"period_from": desk.clock.now_ms - DAY_MS, "period_to": desk.clock.now_ms}
    assert await desk.refusal(approved=at, **period) is None
    [row] = await rows(desk.domain, "number_query", "at")
    assert row["at"] == desk.clock.now_ms
    assert (
        len(
            [each for each in await rows(desk.domain, "audit", "sequence") if each["event"] == "number.query"]
        )
        == 2
    )


async def test_refusals_without_end_do_not_fill_the_audit_chain(desk: Desk) -> None:
    desk.queries._refusals = Allowance(0.001, 2)
    for _ in range(2):
        assert await desk.refusal(approvers=("zhang-san",)) == "APPROVERS"
    before = len(await rows(desk.domain, "audit", "sequence"))
    assert await desk.refusal(approvers=("zhang-san",)) == "DAILY_CAP"
    assert len(await rows(desk.domain, "audit", "sequence")) == before


async def test_more_than_an_answer_holds_are_the_newest(desk: Desk) -> None:
    vault = desk.domain.vault

    def add(conn: Any) -> None:
        for n in range(ANSWER_IDS + 5):
            row = edi_row(
                conn, vault, n.to_bytes(16, "big"), OTHER_MSISDN, identifier=OTHER_IMSI_ID, as_of=20261001
            )
            edis.insert(conn, row)

    await desk.domain.store.write(add)
    reply: CarrierNumberReply = await desk.queries.answer(desk.asked(number=OTHER_MSISDN))
    assert reply.answer is not None
    known = {row[0].hex() for row in await desk.domain.store.read("SELECT edi_id FROM edi")}
    assert set(reply.answer.edi_ids) <= known
