"""A query by number passes through, the answers are joined, and nothing of one person is kept together."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from gm.sm2 import PrivateKey
from interparty import number_query, statements
from interparty.client import PeerProblem, PeerUnavailable
from interparty.query_messages import (
    ANSWER_IDS,
    Approval,
    CarrierNumberQuery,
    CarrierNumberReply,
    NumberAnswer,
    NumberQueryRequest,
    NumberQueryResponse,
    NumberQuestion,
    SealedQuery,
    SignedApproval,
)
from tests.trust_party.test_reports import report
from tests.trust_party.world import CARRIER, NOW, OTHER_CARRIER, REGULATOR, Party
from trust_party.clock import DAY_MS

APPROVER, ANSWER_KEY = PrivateKey.generate(), PrivateKey.generate()
QUERY_KEY = PrivateKey.generate()
PERIOD = (NOW - DAY_MS, NOW + DAY_MS)


@dataclass
class FakeCarrier:
    """Answers as told, with what it "found" among random ids."""

    key: PrivateKey
    found: list[str] = field(default_factory=list)
    refusal: str | None = None
    error: Exception | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    asked: list[CarrierNumberQuery] = field(default_factory=list)
    closed: int = 0

    async def request(
        self, _method: str, path: str, message: CarrierNumberQuery, _: Any
    ) -> CarrierNumberReply:
        assert path == "/v1/number-queries"
        self.asked.append(message)
        if self.error is not None:
            raise self.error
        if self.refusal is not None:
            return CarrierNumberReply(refusal=self.refusal)
        ids = [*self.found, *(f"{n:032x}" for n in range(ANSWER_IDS - len(self.found)))]
        fields = {
            "carrier": CARRIER,
            "sealed_sm3": number_query.sealed_sm3(message.sealed),
            "edi_ids": sorted(ids),
            "found": number_query.seal_found(
                ANSWER_KEY.public_key.to_bytes().hex(), [bytes.fromhex(each) for each in self.found]
            ),
            "at": NOW,
        }
        answer = NumberAnswer.model_validate(fields | self.changed)
        return CarrierNumberReply(
            answer=answer, signature=statements.sign(self.key, statements.ANSWER, answer)
        )

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def carrier(party: Party) -> FakeCarrier:
    fake = FakeCarrier(party.people.carriers[CARRIER])
    party.asked_carriers[CARRIER] = fake
    return fake


def part(carrier: str = CARRIER, **approved: Any) -> SealedQuery:
    question = NumberQuestion(
        number="8613800000001",
        enterprise="ent-a",
        period_from=PERIOD[0],
        period_to=PERIOD[1],
        case="case-1",
        requester=REGULATOR,
        carrier=carrier,
        nonce="ab" * 16,
        answer_key=ANSWER_KEY.public_key.to_bytes().hex(),
    )
    sealed = number_query.seal(QUERY_KEY.public_key, 1, question)
    fields = {
        "sealed_sm3": number_query.sealed_sm3(sealed),
        "question_sm3": number_query.question_sm3(question),
        "case": "case-1",
        "enterprise": "ent-a",
        "period_from": PERIOD[0],
        "period_to": PERIOD[1],
        "approver": "li-si",
        "at": NOW,
    }
    approval = Approval.model_validate(fields | approved)
    signed = SignedApproval(
        statement=approval, signature=statements.sign(APPROVER, statements.QUERY, approval)
    )
    return SealedQuery(carrier=carrier, sealed=sealed, approvals=[signed, signed])


def ask_message(*parts: SealedQuery, **changed: Any) -> NumberQueryRequest:
    fields: dict[str, Any] = {
        "case": "case-1",
        "enterprise": "ent-a",
        "period_from": PERIOD[0],
        "period_to": PERIOD[1],
        "queries": list(parts) or [part()],
    }
    return NumberQueryRequest(**(fields | changed))


async def ask(party: Party, *parts: SealedQuery, now: int = NOW, **changed: Any) -> NumberQueryResponse:
    caller = party.directory.caller(REGULATOR)
    assert caller is not None
    return await party.number_queries.ask(caller, ask_message(*parts, **changed), now)


def outcomes(response: NumberQueryResponse) -> list[tuple[str, str | None]]:
    return [(each.outcome, each.reason) for each in response.outcomes]


async def records(party: Party) -> list[dict[str, Any]]:
    count = (await party.store.read("SELECT COUNT(*) FROM evidence_records"))[0][0]
    found = []
    for at in range(count):
        opened = await party.store.write(lambda conn, at=at: party.evidence.open(conn, at))  # type: ignore[misc]
        found.append(json.loads(opened.record))
    return found


async def test_what_carriers_answer_leads_to_the_enterprises_aids(party: Party, carrier: FakeCarrier) -> None:
    aid, consent = await party.active()
    _, others = await party.active(enterprise="ent-b")
    carrier.found = [consent.edi_ids[0], others.edi_ids[0]]
    response = await ask(party)
    assert response.aids == [aid]
    assert response.joined == consent.edi_ids
    assert outcomes(response) == [("ANSWERED", None)]
    # What the carrier found goes on as it came: only the one who asked can open it, and see what is left out.
    assert number_query.open_found(ANSWER_KEY, response.outcomes[0].found or "") == carrier.found
    [asked] = carrier.asked
    assert (asked.requester, len(asked.approvals)) == (REGULATOR, 2)
    assert carrier.closed == 1


async def test_nothing_found_is_no_aid(party: Party, carrier: FakeCarrier) -> None:
    await party.active()
    response = await ask(party)
    assert (response.aids, outcomes(response)) == ([], [("ANSWERED", None)])


async def test_only_consents_in_force_in_the_period_are_joined(party: Party, carrier: FakeCarrier) -> None:
    aid, consent = await party.active()
    carrier.found = [consent.edi_ids[0]]
    for period, expected in (
        ((NOW - DAY_MS, NOW), []),
        ((NOW - DAY_MS, NOW + 1), [aid]),
        ((consent.term_to - 1, consent.term_to + DAY_MS), [aid]),
        ((consent.term_to, consent.term_to + DAY_MS), []),
    ):
        fields = dict(zip(("period_from", "period_to"), period, strict=True))
        assert (await ask(party, part(**fields), **fields)).aids == expected


async def test_every_aid_of_the_consent_is_joined(party: Party, carrier: FakeCarrier) -> None:
    aid, consent = await party.active()
    new = (await party.rotate(aid, now=NOW + 1)).aid
    carrier.found = [consent.edi_ids[0]]
    assert set((await ask(party)).aids) == {aid, new}


async def test_an_edi_of_another_carrier_is_not_joined(party: Party, carrier: FakeCarrier) -> None:
    _, consent = await party.active()
    party.asked_carriers[OTHER_CARRIER] = FakeCarrier(
        party.people.carriers[OTHER_CARRIER], [consent.edi_ids[0]], changed={"carrier": OTHER_CARRIER}
    )
    response = await ask(party, part(OTHER_CARRIER))
    assert (response.aids, outcomes(response)) == ([], [("ANSWERED", None)])


@pytest.mark.parametrize(
    "approved",
    [
        {"enterprise": "ent-b"},
        {"period_from": PERIOD[0] + 1},
        {"period_to": PERIOD[1] - 1},
        {"case": "case-2"},
        {"sealed_sm3": "00" * 32},
    ],
)
async def test_approvals_of_something_else_are_not_passed_on(
    party: Party, carrier: FakeCarrier, approved: dict[str, Any]
) -> None:
    assert outcomes(await ask(party, part(**approved))) == [("REFUSED", "MISMATCH")]
    assert carrier.asked == []


async def test_a_carriers_refusal_is_told_and_the_others_answer(party: Party, carrier: FakeCarrier) -> None:
    aid, consent = await party.active()
    carrier.found = [consent.edi_ids[0]]
    party.asked_carriers[OTHER_CARRIER] = FakeCarrier(APPROVER, refusal="DAILY_CAP")
    response = await ask(party, part(), part(OTHER_CARRIER), part("CTCC"))
    assert response.aids == [aid]
    assert [each.found is None for each in response.outcomes] == [False, True, True]
    assert outcomes(response) == [
        ("ANSWERED", None),
        ("REFUSED", "DAILY_CAP"),
        ("REFUSED", "UNKNOWN_CARRIER"),
    ]


@pytest.mark.parametrize("error", [PeerUnavailable("no answer"), PeerProblem(404, "no such route")])
async def test_a_carrier_that_does_not_answer_is_unavailable(
    party: Party, carrier: FakeCarrier, error: Exception
) -> None:
    carrier.error = error
    assert outcomes(await ask(party)) == [("UNAVAILABLE", None)]
    assert carrier.closed == 1


@pytest.mark.parametrize("changed", [{"carrier": OTHER_CARRIER}, {"sealed_sm3": "00" * 32}])
async def test_an_answer_to_something_else_is_none(
    party: Party, carrier: FakeCarrier, changed: dict[str, Any]
) -> None:
    _, consent = await party.active()
    carrier.found, carrier.changed = [consent.edi_ids[0]], changed
    response = await ask(party)
    assert (response.aids, outcomes(response)) == ([], [("UNAVAILABLE", None)])


async def test_an_answer_that_the_carrier_did_not_sign_is_none(party: Party, carrier: FakeCarrier) -> None:
    carrier.key = APPROVER
    assert outcomes(await ask(party)) == [("UNAVAILABLE", None)]


async def test_the_query_is_evidence_and_links_no_two_aids(party: Party, carrier: FakeCarrier) -> None:
    first, second = await party.active(), await party.active()
    await party.reports.report(CARRIER, [report(first[1].edi_ids[0])], NOW)
    carrier.found = [first[1].edi_ids[0], second[1].edi_ids[0]]
    response = await ask(party)
    aids = {first[0], second[0]}
    assert set(response.aids) == aids
    kept = [
        record for record in await records(party) if "QUERY" in record["kind"] or "ANSWER" in record["kind"]
    ]
    assert [record["kind"] for record in kept] == ["NUMBER_QUERY", "QUERY", "QUERY", "NUMBER_ANSWER"]
    assert kept[0]["queries"][0]["sealed_sm3"] == number_query.sealed_sm3(carrier.asked[0].sealed)
    assert len(kept[0]["queries"][0]["approvals"]) == 2
    ids = {edi_id for _, consent in (first, second) for edi_id in consent.edi_ids}
    for record in kept:
        text = json.dumps(record)
        assert sum(each in text for each in aids | ids) == 0
    subjects = await party.store.read("SELECT subject FROM evidence_records WHERE subject < 0")
    assert {str(-row[0]) for row in subjects} == aids
    assert response.evidence_id >= 0
