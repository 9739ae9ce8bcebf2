"""Long messages: one authorization, parts held until all are there, one record and one digest for the whole."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.accounts.directory import Snapshot
from gateway.policy.text_length import PARTS_MAX
from gateway.policy.text_rules import TextRules
from gateway.policy.text_words import Words
from gateway.sms import dispatch
from gateway.sms.long_messages import AGAIN_S, HOLD_S, KEPT_S
from gateway.store import edis
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import State
from gm.sm3 import HmacSm3
from interparty.content_digest import content_digest
from smpp.constants import CommandStatus, EsmClass, MessageState, Tag
from smpp.pdu import CancelSm, CancelSmResp, DataSm, SubmitSm
from smpp.segmentation import Part, Scheme, part_info, split, user_data
from smpp.udh import build_udh
from tests.gateway.carrier import (
    ACCOUNT,
    ACCOUNT_KEY,
    AID,
    AID_REFUSED,
    AID_UNAVAILABLE,
    EDI_ID,
    ENTERPRISE,
    MSISDN,
    NUMBER,
    Clock,
    directory,
    grant,
    rows,
    settled,
    until,
)
from tests.gateway.sms.desk import Desk, message_id_of
from trust_client.verifier import Refused

OK = CommandStatus.ESME_ROK
REFUSED = CommandStatus.ESME_RINVDSTADR
THROTTLED = CommandStatus.ESME_RTHROTTLED
TEXT = "one authorization, one record. " * 10
DELIVERED, REJECTED = MessageState.DELIVERED, MessageState.REJECTED


def parts_of(text: str = TEXT, reference: int = 7, scheme: Scheme = Scheme.UDH_8) -> list[Part]:
    return split(text, reference, scheme=scheme)


PARTS = parts_of()


def fields_of(part: Part) -> dict[str, Any]:
    return {
        "text": part.short_message,
        "esm_class": part.esm_class,
        "data_coding": part.data_coding,
        "tlvs": list(part.tlvs),
        "registered_delivery": 1,
    }


def udh(reference: int, total: int, sequence: int, text: bytes = b"part") -> dict[str, Any]:
    """A part made by hand: IEI 00 (3GPP 23.040, 9.2.3.24.1)."""
    header = build_udh([(0, bytes((reference, total, sequence)))])
    return {"text": header + text, "esm_class": EsmClass.UDHI, "registered_delivery": 1}


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    return Desk(people, clock)


async def send(desk: Desk, parts: Sequence[Part], aid: str = AID) -> list[int]:
    return [await desk.accepted(aid, **fields_of(part)) for part in parts]


async def sweep(desk: Desk, monkeypatch: pytest.MonkeyPatch, is_done: Any) -> None:
    monkeypatch.setattr(dispatch, "SWEEP_S", 0.002)
    desk.dispatcher.start()
    await until(is_done)
    await desk.dispatcher.stop()


def restarted(desk: Desk) -> Desk:
    return Desk(Domain(desk.domain.store, desk.domain.vault, now_ms=desk.clock), desk.clock)


async def delivered(desk: Desk, count: int, *states: MessageState) -> None:
    """The SMSC takes that many parts and tells what became of each."""
    for each in range(count):
        await desk.taken(b"%d" % each)
    for each in range(count):
        await desk.receipt(b"%d" % each, states[each] if states else DELIVERED)


# --- together ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", Scheme)
async def test_parts_are_held_until_all_are_there_and_go_octet_for_octet(desk: Desk, scheme: Scheme) -> None:
    parts = parts_of(scheme=scheme)
    ids = await send(desk, parts[:-1])
    assert desk.smsc.sent == []
    assert {await desk.state(each) for each in ids} == {State.HELD}
    ids += await send(desk, parts[-1:])
    assert len(set(ids)) == len(parts) > 1
    assert desk.texts() == [part.short_message for part in parts]
    for sent, part in zip(desk.smsc.bodies(), parts, strict=True):
        assert sent.destination_addr == MSISDN.encode()
        assert part_info(sent) == part_info(SubmitSm(**fields_of_body(part)))
        assert (sent.esm_class, sent.data_coding) == (part.esm_class, part.data_coding)


def fields_of_body(part: Part) -> dict[str, Any]:
    fields = fields_of(part)
    fields["short_message"] = fields.pop("text")
    return fields


async def test_parts_that_come_in_another_order_go_in_theirs(desk: Desk) -> None:
    await send(desk, [PARTS[2], PARTS[0], PARTS[1]])
    assert desk.texts() == [part.short_message for part in PARTS]


async def test_a_set_of_one_part_is_a_message(desk: Desk) -> None:
    assert await desk.status(**udh(7, 1, 1)) == OK
    assert len(desk.smsc.sent) == 1
    assert await rows(desk.domain, "long_message") == []


@pytest.mark.parametrize(
    ("total", "status"), [(PARTS_MAX, OK), (PARTS_MAX + 1, CommandStatus.ESME_RINVMSGLEN)]
)
async def test_ten_parts_at_most(desk: Desk, total: int, status: int) -> None:
    assert await desk.status(**udh(7, total, 1)) == status
    assert len(desk.verifier.asked) == (1 if status == OK else 0)


async def test_sets_do_not_mix(desk: Desk) -> None:
    """By account, access number, AID, reference and total."""
    await desk.accepted(**udh(7, 2, 1))
    await desk.accepted(**udh(8, 2, 2))
    await desk.accepted(**udh(7, 3, 2))
    assert desk.smsc.sent == []
    assert len(await rows(desk.domain, "long_message")) == 3
    await desk.accepted(**udh(8, 2, 1))
    assert len(desk.smsc.sent) == 2


async def test_the_same_reference_again_is_another_long_message(desk: Desk) -> None:
    await send(desk, PARTS)
    again = parts_of("again and again and again. " * 10)
    await send(desk, again)
    assert desk.texts() == [part.short_message for part in (*PARTS, *again)]
    assert len(desk.verifier.asked) == 2


# --- one authorization ------------------------------------------------------------------------------


async def test_a_long_message_is_asked_for_once_and_counts_once(desk: Desk) -> None:
    desk.verifier.answers[AID] = grant(frequency="1/day")
    await send(desk, PARTS)
    assert len(desk.verifier.asked) == 1
    counted = await rows(desk.domain, "contact_window", "edi_id")
    assert [(row["edi_id"], row["window_count"]) for row in counted] == [(EDI_ID, 1)]


async def test_later_parts_wait_for_what_the_first_is_answered(desk: Desk) -> None:
    desk.verifier.held = True
    for part in PARTS:
        desk.submit(**fields_of(part))
    await settled(desk.domain)
    assert (desk.verifier.waiting, desk.session.answers) == (1, [])
    desk.verifier.release()
    answers = [await desk.session.answer() for _ in PARTS]
    assert [answer[:2] for answer in answers] == [(1, OK), (2, OK), (3, OK)]
    assert desk.texts() == [part.short_message for part in PARTS]
    assert desk.intake.pending == 0


@pytest.mark.parametrize(("aid", "status"), [(AID_REFUSED, REFUSED), (AID_UNAVAILABLE, THROTTLED)])
async def test_a_refused_first_part_answers_for_those_that_waited(desk: Desk, aid: str, status: int) -> None:
    desk.verifier.held = True
    for part in PARTS:
        desk.submit(aid, **fields_of(part))
    desk.verifier.release()
    answers = [await desk.session.answer() for _ in PARTS]
    assert sorted(answer[:2] for answer in answers) == [(1, status), (2, status), (3, status)]
    assert len(desk.verifier.asked) == 1
    assert await rows(desk.domain, "message") == []
    assert desk.intake.pending == 0


async def test_after_a_refusal_the_next_part_is_asked_for_on_its_own(desk: Desk) -> None:
    assert await desk.status(AID_REFUSED, **fields_of(PARTS[0])) == REFUSED
    assert await desk.status(AID_REFUSED, **fields_of(PARTS[1])) == REFUSED
    assert len(desk.verifier.asked) == 2


async def test_an_opt_out_between_two_parts(desk: Desk) -> None:
    """Whether the person may be reached is asked of the store for each part."""
    await desk.accepted(**fields_of(PARTS[0]))
    index = await desk.domain.store.write(lambda conn: desk.domain.vault.msisdn_index(conn, MSISDN))
    await desk.domain.store.write(lambda conn: edis.block(conn, ENTERPRISE, index, desk.clock()))
    assert await desk.status(**fields_of(PARTS[1])) == REFUSED
    assert [row["cause"] for row in await rows(desk.domain, "refusal")] == ["OPTED_OUT"]


# --- again, late, after a restart -------------------------------------------------------------------


async def test_a_part_that_comes_again_is_answered_with_the_id_it_has(desk: Desk) -> None:
    first, second = await send(desk, PARTS[:2])
    assert await send(desk, PARTS[:2]) == [first, second]
    assert len(await rows(desk.domain, "message")) == 2
    await send(desk, PARTS[2:])
    assert len(desk.smsc.sent) == 3


async def test_a_part_that_comes_again_may_have_other_times(desk: Desk, clock: Clock) -> None:
    """A relative validity period means another end when it is sent again."""
    fields = fields_of(PARTS[0]) | {"validity_period": b"000001000000000R"}
    first = await desk.accepted(**fields)
    clock.now_ms += 5_000
    assert await desk.accepted(**fields) == first


class TestAfterTheWhole:
    """Parts that come again when their whole has gone: a response was lost, or the session was."""

    async def give_up(self, desk: Desk, monkeypatch: pytest.MonkeyPatch, receipts: int) -> None:
        desk.clock.now_ms += HOLD_S * 1000 + 1
        await sweep(desk, monkeypatch, lambda: len(desk.deliveries) == receipts)

    async def test_it_is_told_what_became_of_the_first_and_goes_nowhere(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = await send(desk, PARTS)
        again = await send(desk, PARTS[2:])
        await delivered(desk, 3, DELIVERED, DELIVERED, MessageState.UNDELIVERABLE)
        await self.give_up(desk, monkeypatch, 4)
        assert desk.told()[3] == (again[0], MessageState.UNDELIVERABLE)
        assert (len(desk.smsc.sent), len(await rows(desk.domain, "cdr"))) == (3, 1)
        assert ids[2] != again[0]

    async def test_also_after_a_restart(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        await send(desk, PARTS)
        await delivered(desk, 3)
        after = restarted(desk)
        again = await send(after, PARTS[1:])
        await self.give_up(after, monkeypatch, 2)
        assert after.told() == [(each, DELIVERED) for each in again]

    async def test_it_waits_for_the_first(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        await send(desk, PARTS)
        again = await send(desk, PARTS[:1])
        desk.clock.now_ms += HOLD_S * 1000 + 1
        before = desk.trust_rows
        await sweep(desk, monkeypatch, lambda: desk.trust_rows > before + 2)
        assert desk.deliveries == []
        await delivered(desk, 3)
        await self.give_up(desk, monkeypatch, 4)
        assert desk.told()[3] == (again[0], DELIVERED)

    async def test_all_of_it_again_is_a_message(self, desk: Desk) -> None:
        await send(desk, PARTS)
        await send(desk, PARTS)
        assert len(desk.smsc.sent) == 6

    @pytest.mark.parametrize("later_s", [0, AGAIN_S + 1])
    async def test_another_text_that_begins_alike_is_no_part_of_the_first(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, later_s: int
    ) -> None:
        await send(desk, PARTS)
        await delivered(desk, 3)
        desk.clock.now_ms += later_s * 1000
        again = [await desk.accepted(**fields_of(PARTS[0]))]
        if not later_s:
            again.append(await desk.accepted(**udh(7, len(PARTS), 2, b"another end")))
        await self.give_up(desk, monkeypatch, 3 + len(again))
        assert desk.told()[3:] == [(each, REJECTED) for each in again]


class TestWholeTextIsRead:
    """Policy reads a long text when it is whole; its parts were acknowledged before."""

    async def test_a_refusal_is_a_receipt_for_each_part(self, desk: Desk) -> None:
        # The word lies across the border of two parts.
        end = user_data(SubmitSm(**fields_of_body(PARTS[0])))[1][-3:].decode()
        start = user_data(SubmitSm(**fields_of_body(PARTS[1])))[1][:3].decode()
        desk.text_rules.words = Words([end + start])
        ids = await send(desk, PARTS)
        assert desk.smsc.sent == []
        assert desk.told() == [(each, REJECTED) for each in ids]
        assert b"err:001" in desk.deliveries[0].frame
        (cdr,) = await rows(desk.domain, "cdr")
        assert (cdr["result"], cdr["parts"], cdr["digest"] is not None) == ("REJECTED", 3, True)
        assert [row["cause"] for row in await rows(desk.domain, "refusal")] == ["SENSITIVE_WORD"]

    async def test_a_text_that_may_go_goes(self, people: Domain, clock: Clock) -> None:
        desk = Desk(people, clock, texts=TextRules(Words(["nowhere"])))
        await send(desk, PARTS)
        assert len(desk.smsc.sent) == 3


async def test_another_text_under_a_sequence_that_is_taken_is_refused(desk: Desk) -> None:
    await desk.accepted(**udh(7, 2, 1, b"one"))
    assert await desk.status(**udh(7, 2, 1, b"other")) == CommandStatus.ESME_RSUBMITFAIL
    await desk.accepted(**udh(7, 2, 2, b"two"))
    assert [user_data(body)[1] for body in desk.smsc.bodies()] == [b"one", b"two"]


async def test_a_restart_between_parts_authorizes_again_and_counts_once(desk: Desk) -> None:
    desk.verifier.answers[AID] = grant(frequency="1/day")
    await send(desk, PARTS[:1])
    again = restarted(desk)
    again.verifier.answers[AID] = grant(frequency="1/day")
    await send(again, PARTS[1:])
    assert len(again.verifier.asked) == 1
    assert again.texts() == [part.short_message for part in PARTS]


async def test_a_consent_that_ended_at_the_trust_party_during_a_restart(desk: Desk) -> None:
    """The part is asked for again, and the answer counts, though its set is open."""
    await send(desk, PARTS[:2])
    again = restarted(desk)
    again.verifier.answers[AID] = Refused("REVOKED")
    assert await again.status(**fields_of(PARTS[2])) == REFUSED
    assert again.smsc.sent == []
    assert [row["cause"] for row in await rows(desk.domain, "refusal")] == ["REVOKED"]


async def test_a_set_that_does_not_become_whole_is_rejected(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await send(desk, PARTS[:2])
    clock.now_ms += HOLD_S * 1000
    await sweep(desk, monkeypatch, lambda: desk.trust_rows >= 3)
    assert desk.deliveries == []
    clock.now_ms += 1
    await sweep(desk, monkeypatch, lambda: len(desk.deliveries) == 2)
    assert desk.told() == [(first, REJECTED), (second, REJECTED)]
    (cdr,) = await rows(desk.domain, "cdr")
    assert (cdr["result"], cdr["parts"]) == ("REJECTED", 2)
    assert desk.smsc.sent == []


async def test_a_part_whose_set_has_ended_is_sent_again_on_its_own(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(desk, PARTS[:1])
    clock.now_ms += HOLD_S * 1000 + 1
    await sweep(desk, monkeypatch, lambda: len(desk.deliveries) == 1)
    assert await desk.status(**fields_of(PARTS[1])) == THROTTLED
    assert await desk.status(**fields_of(PARTS[1])) == OK
    assert len(desk.verifier.asked) == 2


async def test_a_part_that_was_cancelled_while_it_was_held_goes_nowhere(desk: Desk) -> None:
    first, second = await send(desk, PARTS[:2])
    cancel = CancelSm(message_id=text_of(first).encode())
    assert isinstance(await desk.ask(desk.services.cancel, cancel), CancelSmResp)
    third = await desk.accepted(**fields_of(PARTS[2]))
    assert desk.texts() == [part.short_message for part in PARTS[1:]]
    await delivered(desk, 2)
    assert desk.told() == [(first, MessageState.DELETED), (second, DELIVERED), (third, DELIVERED)]
    (cdr,) = await rows(desk.domain, "cdr")
    assert (cdr["public_id"], cdr["result"], cdr["parts"]) == (first, "DELETED", 3)


# --- one record, one digest, receipts ---------------------------------------------------------------


async def test_one_record_and_one_digest_for_the_whole(desk: Desk) -> None:
    ids = await send(desk, [PARTS[1], PARTS[0], PARTS[2]])
    await delivered(desk, 2)
    assert await rows(desk.domain, "cdr") == []
    await desk.taken(b"2")
    await desk.receipt(b"2")
    (cdr,) = await rows(desk.domain, "cdr")
    text = b"".join(user_data(body)[1] for body in desk.smsc.bodies())
    assert (cdr["id"], cdr["public_id"], cdr["result"]) == (ids[0], ids[0], "DELIVERED")
    assert (cdr["parts"], cdr["octets"], cdr["edi_id"]) == (3, len(text), EDI_ID)
    # Salted by the id of the part that came first, over the text in its order without headers.
    key = HmacSm3(ACCOUNT_KEY)
    assert cdr["digest"] == content_digest(key, text_of(ids[0]), PARTS[0].data_coding, text)


async def test_a_receipt_for_each_part(desk: Desk) -> None:
    ids = await send(desk, PARTS)
    await delivered(desk, 3, DELIVERED, MessageState.UNDELIVERABLE, DELIVERED)
    assert desk.told() == list(zip(ids, (DELIVERED, MessageState.UNDELIVERABLE, DELIVERED), strict=True))
    # The whole fared as the part that fared worst.
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == ["UNDELIVERABLE"]


async def test_one_receipt_for_all_where_the_account_asks_for_it(people: Domain, clock: Clock) -> None:
    account = replace(ACCOUNT, aggregate_receipts=True)
    accounts = directory()
    accounts.current = Snapshot(
        accounts={account.system_id: account},
        access_numbers=accounts.current.access_numbers,
        account_keys=accounts.current.account_keys,
    )
    desk = Desk(people, clock, accounts=accounts)
    ids = [await desk.accepted(account=account, **fields_of(part)) for part in PARTS]
    await delivered(desk, 3, DELIVERED, MessageState.EXPIRED, DELIVERED)
    assert desk.told() == [(ids[0], MessageState.EXPIRED)]
    assert len(await rows(desk.domain, "cdr")) == 1


async def test_a_part_told_twice_ends_once(desk: Desk) -> None:
    ids = await send(desk, PARTS)
    await delivered(desk, 3)
    await desk.receipt(b"1", MessageState.UNDELIVERABLE)
    assert desk.told() == [(each, DELIVERED) for each in ids]
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == ["DELIVERED"]


async def test_what_has_ended_is_kept_a_day_and_then_forgotten(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(desk, PARTS)
    await delivered(desk, 3)
    assert len(await rows(desk.domain, "message")) == 3
    assert {row["sealed"] for row in await rows(desk.domain, "message")} == {None}
    clock.now_ms += KEPT_S * 1000 + 1
    before = desk.trust_rows
    await sweep(desk, monkeypatch, lambda: desk.trust_rows > before + 1)
    assert await rows(desk.domain, "message") == []
    assert await rows(desk.domain, "long_message") == []
    assert len(await rows(desk.domain, "cdr")) == 1


async def test_a_long_message_as_data_sm(desk: Desk) -> None:
    for part in PARTS:
        body = DataSm(
            source_addr=NUMBER.encode(),
            destination_addr=AID.encode(),
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            tlvs=[(Tag.MESSAGE_PAYLOAD, part.short_message)],
        )
        message_id_of(await desk.ask(desk.intake.data, body))
    assert desk.texts() == [part.short_message for part in PARTS]
