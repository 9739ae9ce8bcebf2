"""submit_sm: what is refused and how, and that nothing is acknowledged before its commit."""

from types import SimpleNamespace
from typing import Any

import pytest

from foundation.store import StoreBusy, StoreUnavailable
from gateway.accounts.rates import Rates
from gateway.policy.text_words import Words
from gateway.sms import intake as intake_module
from gateway.store import edis, messages
from gateway.store.domain import Domain
from gateway.store.ids import id_of
from smpp.codec import decode
from smpp.constants import CommandStatus, Tag
from smpp.pdu import DataSm, SubmitSm, SubmitSmResp
from tests.gateway.carrier import (
    AID,
    AID_BLOCKED,
    AID_REFUSED,
    AID_UNAVAILABLE,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHERS_NUMBER,
    Clock,
    grant,
    rows,
)
from tests.gateway.sms.desk import Desk, time_text

REFUSED = CommandStatus.ESME_RINVDSTADR
THROTTLED = CommandStatus.ESME_RTHROTTLED


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    return Desk(people, clock)


def failing(people: Domain, clock: Clock, put: Any) -> Desk:
    """A desk over a store that does with a message what `put` does."""
    store: Any = SimpleNamespace(put_all=put, on_undone=lambda forget: None)
    return Desk(Domain(store, people.vault, now_ms=people.now_ms), clock)


async def test_an_accepted_message_is_in_the_store_when_its_response_goes(desk: Desk) -> None:
    desk.submit()
    assert desk.session.answers == []
    sequence, status, body = await desk.session.answer()
    assert (sequence, status) == (1, 0)
    assert isinstance(body, SubmitSmResp)
    message_id = id_of(body.message_id.decode())
    (row,) = await rows(desk.domain, "message")
    assert (row["id"], row["state"], row["aid"]) == (message_id, messages.State.QUEUED, AID)
    assert row["expires_at"] == NOW_MS + 3_600_000
    assert [row.id for row in desk.smsc.waiting] == [message_id]


async def test_the_message_is_addressed_to_the_person_and_asks_for_a_receipt(desk: Desk) -> None:
    assert await desk.status(registered_delivery=0) == 0
    body = decode(desk.smsc.sent[0]).body
    assert isinstance(body, SubmitSm)
    assert (body.destination_addr, body.source_addr) == (MSISDN.encode(), NUMBER.encode())
    assert (body.short_message, body.registered_delivery) == (b"hello", 1)
    (row,) = await rows(desk.domain, "message")
    assert row["registered_delivery"] == 0
    assert desk.domain.vault.open("message", row["sealed"]) == desk.smsc.sent[0]


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
    assert await desk.status(aid) == REFUSED
    assert desk.verifier.asked == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"esm_class": 0x80}, CommandStatus.ESME_RINVESMCLASS),
        ({"data_coding": 0xF2}, CommandStatus.ESME_RINVDCS),
        ({"tlvs": [(Tag.DESTINATION_PORT, b"\0\1")]}, None),
        ({"priority_flag": 4}, CommandStatus.ESME_RINVPRTFLG),
        ({"registered_delivery": 0x21}, CommandStatus.ESME_RINVREGDLVFLG),
        ({"replace_if_present_flag": 2}, CommandStatus.ESME_RINVREPFLAG),
        ({"tlvs": [(Tag.MESSAGE_PAYLOAD, b"another")]}, CommandStatus.ESME_RTLVNOTALLWD),
        (
            {"text": b"", "tlvs": [(Tag.MESSAGE_PAYLOAD, b"one"), (Tag.MESSAGE_PAYLOAD, b"two")]},
            CommandStatus.ESME_RTLVNOTALLWD,
        ),
        ({"text": b"", "tlvs": [(Tag.MESSAGE_PAYLOAD, b"x" * 1531)]}, CommandStatus.ESME_RINVMSGLEN),
        (
            {"text": b"", "data_coding": 8, "tlvs": [(Tag.MESSAGE_PAYLOAD, b"x" * 1342)]},
            CommandStatus.ESME_RINVMSGLEN,
        ),
        ({"schedule_delivery_time": b"tomorrow"}, CommandStatus.ESME_RINVSCHED),
        ({"schedule_delivery_time": time_text(NOW_MS - 6 * 60_000)}, CommandStatus.ESME_RINVSCHED),
        ({"schedule_delivery_time": time_text(NOW_MS + 31 * 86_400_000)}, CommandStatus.ESME_RINVSCHED),
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
    assert desk.session.answers == []
    assert await desk.session.answer() == (1, REFUSED, None)
    (refusal,) = await rows(desk.domain, "refusal")
    assert (refusal["cause"], refusal["aid"], refusal["channel"]) == (cause, aid, "sms")
    assert await rows(desk.domain, "message") == []
    assert desk.smsc.sent == []


async def test_over_the_frequency(desk: Desk) -> None:
    desk.verifier.answers[AID] = grant(frequency="1/day")
    assert [await desk.status(), await desk.status()] == [0, REFUSED]
    assert [row["cause"] for row in await rows(desk.domain, "refusal")] == ["OVER_FREQUENCY"]


async def test_the_consents_hours_are_those_of_the_time_at_which_it_is_sent(desk: Desk) -> None:
    """It is 10:26 in Asia/Shanghai."""
    noon, night = time_text(NOW_MS + 2 * 3_600_000), time_text(NOW_MS + 14 * 3_600_000)
    desk.verifier.answers[AID] = grant(hours="08:00-21:00")
    assert await desk.status(schedule_delivery_time=night) == REFUSED
    assert await desk.status(schedule_delivery_time=noon) == 0
    desk.verifier.answers[AID] = grant(hours="12:00-13:00")
    assert await desk.status() == REFUSED
    assert await desk.status(schedule_delivery_time=noon) == 0


async def test_no_answer_of_the_trust_party_throttles(desk: Desk) -> None:
    assert await desk.status(AID_UNAVAILABLE) == THROTTLED
    assert await rows(desk.domain, "refusal") == []


@pytest.mark.parametrize("error", [StoreBusy("full"), StoreUnavailable("disk")])
@pytest.mark.parametrize("aid", [AID, AID_REFUSED])
async def test_a_store_that_takes_nothing_throttles(
    people: Domain, clock: Clock, error: Exception, aid: str
) -> None:
    def refuse(stage: Any, item: Any) -> None:
        raise error

    desk = failing(people, clock, refuse)
    assert await desk.status(aid) == THROTTLED
    assert desk.smsc.sent == []


@pytest.mark.parametrize("error", [StoreBusy("full"), StoreUnavailable("disk"), ValueError("a mistake")])
async def test_a_commit_that_failed_throttles_and_sends_nothing(
    people: Domain, clock: Clock, error: Exception
) -> None:
    desk = failing(people, clock, lambda stage, items: stage.done(items, None, error))
    assert await desk.status() == THROTTLED
    assert desk.smsc.sent == []
    assert desk.intake.pending == 0


async def test_too_many_under_way_throttle(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "PENDING_MAX", 2)
    for _ in range(3):
        desk.submit()
    answers = sorted([(await desk.session.answer())[:2] for _ in range(3)])
    assert answers == [(1, 0), (2, 0), (3, THROTTLED)]
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
    assert desk.smsc.sent == []
    for row, told in ((first, b""), (second, time_text(start + 7_200_000))):
        body = decode(desk.domain.vault.open("message", row["sealed"])).body
        assert isinstance(body, SubmitSm)
        # The SMSC is told when to give up, never when to begin: that is awaited here.
        assert (body.schedule_delivery_time, body.validity_period) == (b"", told)


@pytest.mark.parametrize(("coding", "octets"), [(0, 1530), (8, 1340), (4, 1340)])
async def test_a_text_in_one_piece_is_as_long_as_ten_parts(desk: Desk, coding: int, octets: int) -> None:
    fields: dict[str, Any] = {"text": b"", "tlvs": [(Tag.MESSAGE_PAYLOAD, b"x" * octets)]}
    assert await desk.status(data_coding=coding, **fields) == 0


async def test_a_data_sm_without_its_text_lacks_a_mandatory_tlv(desk: Desk) -> None:
    """5.0, 4.7.6."""
    body = DataSm(source_addr=NUMBER.encode(), destination_addr=AID.encode())
    assert await desk.ask(desk.intake.data, body) == CommandStatus.ESME_RMISSINGTLV


@pytest.mark.parametrize("validity", [b"", time_text(NOW_MS + 60_000)])
async def test_the_time_to_live_supersedes_the_validity_period(desk: Desk, validity: bytes) -> None:
    """5.0, 4.2.1.1 and 4.2.4: seconds from submission. The SMSC is told the time, however often it is sent."""
    tlvs = [(Tag.QOS_TIME_TO_LIVE, (600).to_bytes(4, "big"))]
    assert await desk.status(validity_period=validity, tlvs=tlvs) == 0
    (row,) = await rows(desk.domain, "message")
    assert row["expires_at"] == NOW_MS + 600_000
    (sent,) = desk.smsc.bodies()
    assert (sent.validity_period, sent.tlvs) == (time_text(NOW_MS + 600_000), [])
    assert await desk.status(tlvs=[(Tag.QOS_TIME_TO_LIVE, bytes(4))]) == CommandStatus.ESME_RINVEXPIRY


@pytest.mark.parametrize("tag", [Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM])
async def test_a_user_data_header_and_sar_tlvs_exclude_each_other(desk: Desk, tag: Tag) -> None:
    """5.0, 4.7.12."""
    value = b"\0\1" if tag == Tag.SAR_MSG_REF_NUM else b"\1"
    fields: dict[str, Any] = {"text": b"\5\0\3\7\1\1x", "esm_class": 0x40, "tlvs": [(tag, value)]}
    assert await desk.status(**fields) == CommandStatus.ESME_RTLVNOTALLWD


async def test_a_schedule_that_has_just_passed_means_now(desk: Desk) -> None:
    assert await desk.status(schedule_delivery_time=time_text(NOW_MS - 4 * 60_000)) == 0
    assert len(desk.smsc.sent) == 1


async def test_a_text_that_the_operator_does_not_want(desk: Desk) -> None:
    desk.text_rules.words = Words(["hell o"])
    assert await desk.status(text=b"well, HEL LO there") == CommandStatus.ESME_RSUBMITFAIL
    assert desk.verifier.asked == []
    assert await desk.status(text=b"well, help there") == 0


async def test_an_opt_out_committed_first_is_seen_by_the_message_behind_it(desk: Desk) -> None:
    """Policy is decided inside the commit that records the contact."""
    index = await desk.domain.store.write(lambda conn: desk.domain.vault.msisdn_index(conn, MSISDN))
    desk.domain.store.submit(lambda conn: edis.block(conn, "ent-a", index, NOW_MS), lambda *_: None)
    assert await desk.status() == REFUSED


async def test_an_access_number_over_its_rate_throttles(people: Domain, clock: Clock) -> None:
    desk = Desk(people, clock, rates=Rates(access_number_rate=0.001))
    assert [await desk.status(), await desk.status()] == [0, THROTTLED]
    assert len(desk.verifier.asked) == 1


async def test_messages_of_one_commit_are_decided_in_order(desk: Desk) -> None:
    desk.verifier.answers[AID] = grant(frequency="2/day")
    for aid in (AID, AID_REFUSED, AID, AID, AID_BLOCKED):
        desk.submit(aid)
    answers = sorted([await desk.session.answer() for _ in range(5)])
    assert [answer[:2] for answer in answers] == [(1, 0), (2, REFUSED), (3, 0), (4, REFUSED), (5, REFUSED)]
    assert len(await rows(desk.domain, "message")) == 2
    causes = [row["cause"] for row in await rows(desk.domain, "refusal")]
    assert causes == ["REVOKED", "OVER_FREQUENCY", "OPTED_OUT"]
