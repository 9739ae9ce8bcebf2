"""submit_multi, data_sm and replace_if_present_flag: the other ways to submit, and what they do to each message."""

import pytest

from gateway.accounts.rates import Rates
from gateway.sms import intake as intake_module
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import State
from gm.sm3 import HmacSm3
from interparty.content_digest import content_digest
from smpp.constants import CommandStatus, EsmClass, MessageState, Tag
from smpp.pdu import DataSm, DataSmResp, ListDest, SmeDest, SubmitMulti, SubmitMultiResp, UnsuccessSme
from smpp.udh import build_udh
from tests.gateway.carrier import (
    ACCOUNT,
    ACCOUNT_KEY,
    AID,
    AID_BLOCKED,
    AID_REFUSED,
    AID_UNAVAILABLE,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHERS_NUMBER,
    Clock,
    grant,
    rows,
    settled,
)
from tests.gateway.sms.desk import Desk, message_id_of, time_text

REFUSED = CommandStatus.ESME_RINVDSTADR
THROTTLED = CommandStatus.ESME_RTHROTTLED
OTHER_AID = "888100000000000009"


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    desk = Desk(people, clock)
    desk.verifier.answers[OTHER_AID] = grant(EDI_ID)  # one person, two consents
    return desk


def multi(*aids: str | ListDest, source: str = NUMBER, **fields: object) -> SubmitMulti:
    dests = [each if isinstance(each, ListDest) else SmeDest(2, 1, each.encode()) for each in aids]
    values = {"short_message": b"hello", "registered_delivery": 1} | fields
    return SubmitMulti(source_addr=source.encode(), dests=dests, **values)  # type: ignore[arg-type]


def unsuccess(aid: str, status: int) -> UnsuccessSme:
    return UnsuccessSme(2, 1, aid.encode(), status)


# --- submit_multi -----------------------------------------------------------------------------------


async def test_each_aid_is_authorized_on_its_own(desk: Desk) -> None:
    """3.4, 4.5.2: message_id for those that were taken, and a list of those that were not."""
    answer = await desk.ask(desk.intake.multi, multi(AID, AID_REFUSED, AID_BLOCKED, OTHER_AID))
    assert isinstance(answer, SubmitMultiResp)
    assert sorted(answer.unsuccess, key=lambda each: each.addr) == [
        unsuccess(AID_REFUSED, REFUSED),
        unsuccess(AID_BLOCKED, REFUSED),
    ]
    assert [item.aid for item in desk.verifier.asked] == [AID, AID_REFUSED, AID_BLOCKED, OTHER_AID]
    sent = desk.smsc.bodies()
    assert [body.destination_addr for body in sent] == [MSISDN.encode()] * 2
    assert [row["cause"] for row in await rows(desk.domain, "refusal")] == ["REVOKED", "OPTED_OUT"]


async def test_the_receipts_bear_the_id_that_all_share(desk: Desk) -> None:
    answer = await desk.ask(desk.intake.multi, multi(AID, OTHER_AID))
    message_id = message_id_of(answer)
    assert answer.unsuccess == []
    await desk.taken(b"1")
    await desk.taken(b"2")
    await desk.receipt(b"1")
    await desk.receipt(b"2", MessageState.UNDELIVERABLE)
    assert desk.told() == [(message_id, MessageState.DELIVERED), (message_id, MessageState.UNDELIVERABLE)]
    cdrs = await rows(desk.domain, "cdr")
    assert [(cdr["aid"], cdr["public_id"]) for cdr in cdrs] == [(AID, message_id), (OTHER_AID, message_id)]
    key = HmacSm3(ACCOUNT_KEY)
    assert {cdr["digest"] for cdr in cdrs} == {content_digest(key, text_of(message_id), 0, b"hello")}


@pytest.mark.parametrize(
    ("aids", "status"),
    [
        ((AID_REFUSED,), REFUSED),
        ((AID_REFUSED, AID_BLOCKED), REFUSED),
        ((AID_UNAVAILABLE, AID_UNAVAILABLE), THROTTLED),
        ((MSISDN, "1"), REFUSED),
        ((AID_REFUSED, AID_UNAVAILABLE), CommandStatus.ESME_RSUBMITFAIL),
    ],
)
async def test_when_none_is_taken_the_answer_is_their_status(
    desk: Desk, aids: tuple[str, ...], status: int
) -> None:
    assert await desk.ask(desk.intake.multi, multi(*aids)) == status
    assert await rows(desk.domain, "message") == []
    assert desk.intake.pending == 0


async def test_distribution_lists_are_not_kept_here(desk: Desk) -> None:
    answer = await desk.ask(desk.intake.multi, multi(AID, ListDest(b"friends")))
    assert answer.unsuccess == [UnsuccessSme(0, 0, b"friends", CommandStatus.ESME_RINVDLNAME)]
    assert await desk.ask(desk.intake.multi, multi(ListDest(b"friends"))) == CommandStatus.ESME_RINVDLNAME


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"source": OTHERS_NUMBER}, CommandStatus.ESME_RINVSRCADR),
        ({"esm_class": 0x80}, CommandStatus.ESME_RINVESMCLASS),
        ({"validity_period": b"for ever"}, CommandStatus.ESME_RINVEXPIRY),
    ],
)
async def test_what_holds_for_one_message_holds_for_each(
    desk: Desk, fields: dict[str, object], status: int
) -> None:
    assert await desk.ask(desk.intake.multi, multi(AID, OTHER_AID, **fields)) == status  # type: ignore[arg-type]
    assert desk.verifier.asked == []


async def test_it_is_answered_once_when_the_last_is_decided(desk: Desk) -> None:
    desk.verifier.held = True
    desk.intake.multi(desk.session, ACCOUNT, desk.request(multi(AID, AID_REFUSED)))  # type: ignore[arg-type]
    await settled(desk.domain)
    assert desk.session.answers == []
    desk.verifier.release()
    await desk.session.answer()
    await settled(desk.domain)
    assert desk.session.answers == []


async def test_each_destination_counts_against_the_rate_and_the_limit(
    people: Domain, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Desk(people, clock, rates=Rates(access_number_rate=0.001))
    answer = await slow.ask(slow.intake.multi, multi(AID, AID))
    assert answer.unsuccess == [unsuccess(AID, THROTTLED)]
    monkeypatch.setattr(intake_module, "PENDING_MAX", 2)
    desk = Desk(people, clock)
    answer = await desk.ask(desk.intake.multi, multi(AID, AID, AID))
    assert answer.unsuccess == [unsuccess(AID, THROTTLED)]


async def test_a_long_message_to_several_is_known_by_the_id_of_its_first_request(desk: Desk) -> None:
    ids = []
    for sequence in (1, 2):
        header = build_udh([(0, bytes((7, 2, sequence)))])
        part = multi(AID, OTHER_AID, short_message=header + b"part", esm_class=EsmClass.UDHI)
        ids.append(message_id_of(await desk.ask(desk.intake.multi, part)))
    for each in range(4):
        await desk.taken(b"%d" % each)
    for each in range(4):
        await desk.receipt(b"%d" % each)
    cdrs = await rows(desk.domain, "cdr")
    key = HmacSm3(ACCOUNT_KEY)
    assert [(cdr["public_id"], cdr["parts"]) for cdr in cdrs] == [(ids[0], 2)] * 2
    assert {cdr["digest"] for cdr in cdrs} == {content_digest(key, text_of(ids[0]), 0, b"partpart")}


# --- data_sm ----------------------------------------------------------------------------------------


def data_sm(text: bytes = b"hello", **fields: object) -> DataSm:
    values = {"destination_addr": AID.encode(), "source_addr": NUMBER.encode()} | fields
    return DataSm(**values, tlvs=[(Tag.MESSAGE_PAYLOAD, text)])  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"hello", b"x" * 254, b"x" * 255, b""])
async def test_a_data_sm_goes_to_the_smsc_as_a_submit_sm(desk: Desk, text: bytes) -> None:
    answer = await desk.ask(desk.intake.data, data_sm(text, registered_delivery=1, data_coding=4))
    assert isinstance(answer, DataSmResp)
    (sent,) = desk.smsc.bodies()
    payload = b"".join(value for tag, value in sent.tlvs if tag == Tag.MESSAGE_PAYLOAD)
    assert sent.short_message + payload == text
    assert (sent.destination_addr, sent.data_coding, sent.registered_delivery) == (MSISDN.encode(), 4, 1)
    await desk.taken()
    await desk.receipt()
    assert desk.told() == [(message_id_of(answer), MessageState.DELIVERED)]


async def test_a_data_sm_is_refused_like_a_submit_sm(desk: Desk) -> None:
    for aid, status in ((AID_REFUSED, REFUSED), (AID_UNAVAILABLE, THROTTLED), ("1", REFUSED)):
        assert await desk.ask(desk.intake.data, data_sm(destination_addr=aid.encode())) == status


@pytest.mark.parametrize(
    ("field", "status"),
    [("destination_addr", REFUSED), ("source_addr", CommandStatus.ESME_RINVSRCADR)],
)
async def test_a_data_sm_may_hold_longer_addresses_than_any_of_ours(
    desk: Desk, field: str, status: int
) -> None:
    assert await desk.ask(desk.intake.data, data_sm(**{field: b"8" * 40})) == status


async def test_a_data_sm_lives_as_long_as_it_asks(desk: Desk) -> None:
    """3.4, 5.3.2.9."""
    body = data_sm()
    body.tlvs.append((Tag.QOS_TIME_TO_LIVE, (60).to_bytes(4, "big")))
    await desk.ask(desk.intake.data, body)
    [row] = await rows(desk.domain, "message")
    assert row["expires_at"] - row["accepted_at"] == 60_000
    [sent] = desk.smsc.bodies()
    assert sent.validity_period
    assert Tag.QOS_TIME_TO_LIVE not in [tag for tag, _ in sent.tlvs]


async def test_a_data_sm_of_no_time_is_refused(desk: Desk) -> None:
    body = data_sm()
    body.tlvs.append((Tag.QOS_TIME_TO_LIVE, bytes(4)))
    assert await desk.ask(desk.intake.data, body) == CommandStatus.ESME_RINVEXPIRY


# --- replace_if_present_flag ------------------------------------------------------------------------

LATER = time_text(NOW_MS + 60_000)


async def test_a_message_that_waits_is_replaced_by_its_successor(desk: Desk) -> None:
    """3.4, 5.2.18. The replaced one has its outcome, and the enterprise is told."""
    first = await desk.accepted(schedule_delivery_time=LATER, registered_delivery=1)
    second = await desk.accepted(text=b"newer", replace_if_present_flag=1)
    assert desk.told() == [(first, MessageState.DELETED)]
    assert await desk.state(first) is None
    assert await desk.state(second) is State.QUEUED
    assert desk.texts() == [b"newer"]
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == ["DELETED"]


async def test_without_the_flag_both_go(desk: Desk) -> None:
    first = await desk.accepted(schedule_delivery_time=LATER)
    await desk.accepted()
    assert await desk.state(first) is State.QUEUED


async def test_what_is_on_its_way_or_with_the_smsc_is_not_replaced(desk: Desk) -> None:
    sent, taken = await desk.accepted(), await desk.accepted()
    desk.smsc.waiting.reverse()
    await desk.taken()
    await desk.accepted(replace_if_present_flag=1)
    assert await desk.state(sent) is State.QUEUED
    assert await desk.state(taken) is State.ACCEPTED
    assert desk.deliveries == []


async def test_a_message_of_another_service_type_is_not_replaced(desk: Desk) -> None:
    first = await desk.accepted(schedule_delivery_time=LATER, service_type=b"CMT")
    await desk.accepted(replace_if_present_flag=1)
    assert await desk.state(first) is State.QUEUED
    await desk.accepted(replace_if_present_flag=1, service_type=b"CMT")
    assert await desk.state(first) is None


async def test_a_message_to_another_is_not_replaced(desk: Desk) -> None:
    first = await desk.accepted(schedule_delivery_time=LATER)
    await desk.accepted(OTHER_AID, replace_if_present_flag=1)
    assert await desk.state(first) is State.QUEUED


async def test_a_refused_successor_replaces_nothing(desk: Desk) -> None:
    first = await desk.accepted(schedule_delivery_time=LATER)
    desk.verifier.answers[AID] = grant(frequency="1/day")
    assert await desk.status(replace_if_present_flag=1) == REFUSED
    assert await desk.state(first) is State.QUEUED
