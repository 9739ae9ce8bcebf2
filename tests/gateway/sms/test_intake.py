"""submit_sm: what is refused and how, and that nothing is acknowledged before its commit."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.store import StoreBusy, StoreUnavailable
from gateway.settings import SmsSettings
from gateway.sms import intake as intake_module
from gateway.sms.dispatch import Outgoing
from gateway.sms.intake import Intake
from gateway.store import edis, messages
from gateway.store.domain import Domain
from gateway.store.ids import id_of
from smpp.codec import decode, encode
from smpp.constants import CommandStatus, Tag
from smpp.pdu import Pdu, SubmitSm, SubmitSmResp
from tests.gateway.carrier import (
    ACCOUNT,
    AID,
    AID_BLOCKED,
    AID_REFUSED,
    AID_UNAVAILABLE,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHERS_NUMBER,
    FakeConnection,
    FakeVerifier,
    directory,
    grant,
    rows,
)

REFUSED = CommandStatus.ESME_RINVDSTADR
THROTTLED = CommandStatus.ESME_RTHROTTLED
SETTINGS = SmsSettings(validity_default_s=3600, validity_max_s=7200)


class Desk:
    """An intake, one bound account and what they hand to each other."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.verifier = FakeVerifier()
        self.connection = FakeConnection()
        self.offered: list[Outgoing] = []
        dispatcher: Any = SimpleNamespace(offer=self.offered.append)
        self.intake = Intake(domain, directory(), self.verifier, dispatcher, SETTINGS)
        self._sequence = 0

    def submit(self, aid: str = AID, **fields: Any) -> int:
        self._sequence += 1
        body = SubmitSm(
            source_addr=fields.pop("source", NUMBER).encode(),
            destination_addr=aid.encode(),
            short_message=b"hello",
            **fields,
        )
        pdu = Pdu(body, self._sequence)
        self.intake.submit(self.connection, ACCOUNT, pdu, encode(pdu))
        return self._sequence

    async def status(self, aid: str = AID, **fields: Any) -> int:
        self.submit(aid, **fields)
        return (await self.connection.answer())[1]


@pytest.fixture
def desk(people: Domain) -> Desk:
    return Desk(people)


def time_text(at_ms: int) -> bytes:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%y%m%d%H%M%S}000+".encode()


async def test_an_accepted_message_is_in_the_store_when_its_response_goes(desk: Desk) -> None:
    desk.submit()
    assert desk.connection.answers == []
    sequence, status, body = await desk.connection.answer()
    assert (sequence, status) == (1, 0)
    assert isinstance(body, SubmitSmResp)
    message_id = id_of(body.message_id.decode())
    (row,) = await rows(desk.domain, "message")
    assert (row["id"], row["state"], row["aid"]) == (message_id, messages.State.QUEUED, AID)
    assert row["expires_at"] == NOW_MS + 3_600_000
    assert [outgoing.row.id for outgoing in desk.offered] == [message_id]


async def test_the_message_is_addressed_to_the_person_and_asks_for_a_receipt(desk: Desk) -> None:
    assert await desk.status(registered_delivery=0) == 0
    body = decode(desk.offered[0].frame).body
    assert isinstance(body, SubmitSm)
    assert (body.destination_addr, body.source_addr) == (MSISDN.encode(), NUMBER.encode())
    assert (body.short_message, body.registered_delivery) == (b"hello", 1)
    (row,) = await rows(desk.domain, "message")
    assert row["registered_delivery"] == 0
    assert desk.domain.vault.open("message", row["sealed"]) == desk.offered[0].frame


async def test_the_trust_party_is_asked_for_what_the_account_may_use(desk: Desk) -> None:
    await desk.status(source="")  # the account's one access number
    (item,) = desk.verifier.asked
    assert (item.aid, item.enterprise, item.channel, item.access_number) == (AID, "ent-a", "sms", NUMBER)


@pytest.mark.parametrize("source", [OTHERS_NUMBER, "1069000999", MSISDN])
async def test_an_access_number_that_is_not_the_accounts(desk: Desk, source: str) -> None:
    assert await desk.status(source=source) == CommandStatus.ESME_RINVSRCADR
    assert desk.verifier.asked == []


@pytest.mark.parametrize(
    "aid", ["", MSISDN, AID + "0", AID[:-1], "+" + AID[1:], "88813234158239770x", AID[:-1] + "²"]
)
async def test_what_is_no_aid_is_refused_like_one(desk: Desk, aid: str) -> None:
    body = SubmitSm(source_addr=NUMBER.encode(), destination_addr=aid.encode("latin-1"))
    pdu = Pdu(body, 1)
    desk.intake.submit(desk.connection, ACCOUNT, pdu, encode(pdu))
    assert (await desk.connection.answer())[1] == REFUSED
    assert desk.verifier.asked == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"esm_class": 0x80}, CommandStatus.ESME_RINVESMCLASS),
        ({"data_coding": 0xF2}, CommandStatus.ESME_RINVDCS),
        ({"tlvs": [(Tag.DESTINATION_PORT, b"\0\1")]}, None),
        ({"schedule_delivery_time": b"tomorrow"}, CommandStatus.ESME_RINVSCHED),
        ({"validity_period": b"for ever"}, CommandStatus.ESME_RINVEXPIRY),
        ({"validity_period": time_text(NOW_MS - 1000)}, CommandStatus.ESME_RINVEXPIRY),
    ],
)
async def test_parameters_that_a_consent_to_a_text_does_not_cover(
    desk: Desk, fields: dict[str, Any], status: int | None
) -> None:
    given = await desk.status(**fields)
    assert given == status if status is not None else given not in (0, REFUSED, THROTTLED)
    assert await rows(desk.domain, "message") == []


@pytest.mark.parametrize(
    ("aid", "cause"), [(AID_REFUSED, "REVOKED"), (AID_BLOCKED, "OPTED_OUT"), ("888" + "1" * 15, "UNKNOWN")]
)
async def test_one_refusal_whoever_refused_and_the_cause_on_record(desk: Desk, aid: str, cause: str) -> None:
    desk.submit(aid)
    # Both ways lead through the store: neither is answered before its commit.
    assert desk.connection.answers == []
    assert await desk.connection.answer() == (1, REFUSED, None)
    (refusal,) = await rows(desk.domain, "refusal")
    assert (refusal["cause"], refusal["aid"], refusal["channel"]) == (cause, aid, "sms")
    assert await rows(desk.domain, "message") == []
    assert desk.offered == []


async def test_over_the_frequency(desk: Desk) -> None:
    desk.verifier.answers[AID] = grant(frequency="1/day")
    assert [await desk.status(), await desk.status()] == [0, REFUSED]
    assert [row["cause"] for row in await rows(desk.domain, "refusal")] == ["OVER_FREQUENCY"]


async def test_no_answer_of_the_trust_party_throttles(desk: Desk) -> None:
    assert await desk.status(AID_UNAVAILABLE) == THROTTLED
    assert await rows(desk.domain, "refusal") == []


@pytest.mark.parametrize("error", [StoreBusy("full"), StoreUnavailable("disk")])
@pytest.mark.parametrize("aid", [AID, AID_REFUSED])
async def test_a_store_that_takes_nothing_throttles(people: Domain, error: Exception, aid: str) -> None:
    def refuse(op: Any, done: Any) -> None:
        raise error

    desk = Desk(Domain(SimpleNamespace(submit=refuse), people.vault, now_ms=people.now_ms))
    assert await desk.status(aid) == THROTTLED
    assert desk.offered == []


async def test_a_commit_that_failed_throttles_and_sends_nothing(people: Domain) -> None:
    def fail(op: Callable[..., Any], done: Callable[..., None]) -> None:
        done(None, StoreUnavailable("not committed"))

    desk = Desk(Domain(SimpleNamespace(submit=fail), people.vault, now_ms=people.now_ms))
    assert await desk.status() == THROTTLED
    assert desk.offered == []


async def test_too_many_under_way_throttle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "PENDING_MAX", 2)
    sequences = [desk.submit() for _ in range(3)]
    answers = {answer[0]: answer[1] for answer in [await desk.connection.answer() for _ in sequences]}
    assert answers == {1: 0, 2: 0, 3: THROTTLED}
    assert await desk.status() == 0  # those under way have ended


async def test_a_refused_message_frees_its_place(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "PENDING_MAX", 1)
    assert await desk.status(AID_REFUSED) == REFUSED
    assert await desk.status(AID_UNAVAILABLE) == THROTTLED
    assert await desk.status() == 0


async def test_schedule_and_validity_are_kept_here_and_bounded(desk: Desk) -> None:
    start = NOW_MS + 60_000
    assert await desk.status(schedule_delivery_time=time_text(start)) == 0
    later = time_text(NOW_MS + 86_400_000)
    assert await desk.status(schedule_delivery_time=time_text(start), validity_period=later) == 0
    first, second = await rows(desk.domain, "message")
    assert (first["not_before"], first["expires_at"]) == (start, start + 3_600_000)
    assert second["expires_at"] == start + 7_200_000
    body = decode(desk.offered[0].frame).body
    assert isinstance(body, SubmitSm)
    assert (body.schedule_delivery_time, body.validity_period) == (b"", b"")


async def test_an_opt_out_committed_first_is_seen_by_the_message_behind_it(desk: Desk) -> None:
    """Policy is decided inside the commit that records the contact."""
    index = desk.domain.vault.msisdn_index(MSISDN)
    desk.domain.store.submit(lambda conn: edis.block(conn, "ent-a", index, NOW_MS), lambda *_: None)
    assert await desk.status() == REFUSED
