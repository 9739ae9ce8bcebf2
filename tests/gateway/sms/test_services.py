"""query_sm, cancel_sm and replace_sm (3.4, 4.8 to 4.10): an account's own messages, wherever they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.store import StoreBusy, StoreUnavailable
from gateway.sms import dispatch
from gateway.sms.final import End, finish_one
from gateway.sms.services import Services
from gateway.store import messages
from gateway.store.accounts import AccountRow
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import State
from gm.sm3 import HmacSm3
from interparty.content_digest import content_digest
from smpp.aio.connection import RequestFailed
from smpp.constants import SHORT_MESSAGE_OCTETS, VERSION_5_0, CommandStatus, EsmClass, MessageState, Tag
from smpp.pdu import (
    CancelSm,
    CancelSmResp,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SmeDest,
    SubmitMulti,
    tlv,
)
from smpp.times import parse_time
from tests.gateway.carrier import (
    ACCOUNT_KEY,
    AID,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHERS_NUMBER,
    Clock,
    grant,
    rows,
    settled,
    until,
)
from tests.gateway.sms.desk import SETTINGS, Desk, message_id_of, time_text

STRANGER = AccountRow("sms-b", "ent-b", "", 1)
ANOTHER_AID = "888132341582397716"
HOUR_MS = 3_600_000
QUERY_FAILED = CommandStatus.ESME_RQUERYFAIL
CANCEL_FAILED = CommandStatus.ESME_RCANCELFAIL
REPLACE_FAILED = CommandStatus.ESME_RREPLACEFAIL
THROTTLED = CommandStatus.ESME_RTHROTTLED
NO_IDS = [
    b"",
    b"7",
    b"not hexadecimal!",
    b"f" * 16,
    b"7" + b"f" * 15,
    b"-000000000000001",
    b"0x00000000000001",
]


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    desk = Desk(people, clock)
    desk.verifier.answers[ANOTHER_AID] = grant()
    return desk


def id_text(message_id: int) -> bytes:
    return text_of(message_id).encode()


async def query(desk: Desk, message_id: int, *, by: AccountRow | None = None, **fields: Any) -> Any:
    body = QuerySm(message_id=id_text(message_id), **fields)
    return await desk.ask(desk.services.query, body, *(() if by is None else (by,)))


async def state(desk: Desk, message_id: int) -> MessageState:
    answer = await query(desk, message_id)
    assert isinstance(answer, QuerySmResp)
    return MessageState(answer.message_state)


async def cancel(desk: Desk, message_id: int | None, *, by: AccountRow | None = None, **fields: Any) -> Any:
    body = CancelSm(message_id=b"" if message_id is None else id_text(message_id), **fields)
    return await desk.ask(desk.services.cancel, body, *(() if by is None else (by,)))


async def replace(desk: Desk, message_id: int, *, by: AccountRow | None = None, **fields: Any) -> Any:
    body = ReplaceSm(message_id=id_text(message_id), **({"short_message": b"other"} | fields))
    return await desk.ask(desk.services.replace, body, *(() if by is None else (by,)))


async def waiting(desk: Desk, aid: str = AID, **fields: Any) -> int:
    """A message that no link has room for."""
    desk.smsc.room = False
    return await desk.accepted(aid, **fields)


async def at_smsc(desk: Desk, upstream_id: bytes = b"00AB") -> int:
    """A message that the SMSC has taken."""
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(upstream_id)
    return message_id


async def several(desk: Desk) -> int:
    """A submit_multi's messages: their one id."""
    dests: list[Any] = [SmeDest(1, 1, AID.encode()), SmeDest(1, 1, ANOTHER_AID.encode())]
    body = SubmitMulti(
        source_addr=NUMBER.encode(), dests=dests, short_message=b"hello", registered_delivery=1
    )
    return message_id_of(await desk.ask(desk.intake.multi, body))


def part(sequence: int, total: int = 2) -> dict[str, Any]:
    """A part of a long message (23.040, 9.2.3.24.1)."""
    return {"esm_class": EsmClass.UDHI, "text": bytes((5, 0, 3, 9, total, sequence)) + b"text"}


@asynccontextmanager
async def sweeping(desk: Desk) -> AsyncIterator[None]:
    """While the dispatcher brings what is due from the store."""
    desk.smsc.room = True
    desk.dispatcher.start()
    yield
    await desk.dispatcher.stop()


async def results(desk: Desk) -> list[tuple[int, str]]:
    return [(row["public_id"], row["result"]) for row in await rows(desk.domain, "cdr")]


class TestQuery:
    async def test_a_message_that_waits_or_is_at_the_smsc_is_on_its_way(self, desk: Desk) -> None:
        message_id = await desk.accepted()
        pending = QuerySmResp(message_id=id_text(message_id), message_state=MessageState.ENROUTE)
        assert await query(desk, message_id) == pending
        await desk.taken()
        assert await query(desk, message_id) == pending

    @pytest.mark.parametrize(
        ("version", "told"),
        [(0x33, MessageState.ENROUTE), (0x34, MessageState.ENROUTE), (VERSION_5_0, MessageState.SCHEDULED)],
    )
    async def test_only_5_0_knows_a_scheduled_message(
        self, desk: Desk, version: int, told: MessageState
    ) -> None:
        start = NOW_MS + HOUR_MS // 2
        message_id = await desk.accepted(schedule_delivery_time=time_text(start))
        desk.session.version = version
        assert await state(desk, message_id) is told
        desk.clock.now_ms = start
        assert await state(desk, message_id) is MessageState.ENROUTE

    @pytest.mark.parametrize("end", [MessageState.DELIVERED, MessageState.UNDELIVERABLE])
    async def test_what_became_of_it_when_and_why(self, desk: Desk, end: MessageState) -> None:
        message_id = await at_smsc(desk)
        desk.clock.now_ms += 90_000
        await desk.receipt(b"00AB", end)
        assert await desk.state(message_id) is None, "only its record is left"
        answer = await query(desk, message_id)
        assert (answer.message_id, answer.message_state) == (id_text(message_id), end)
        assert parse_time(answer.final_date, datetime.now(UTC)) == datetime.fromtimestamp(
            (NOW_MS + 90_000) // 1000, UTC
        )
        (cdr,) = await rows(desk.domain, "cdr")
        assert answer.error_code == min(cdr["error"], 255)

    async def test_the_messages_of_a_submit_multi_are_told_as_the_one_that_is_furthest_behind(
        self, desk: Desk
    ) -> None:
        message_id = await several(desk)
        await desk.taken(b"1")
        await desk.receipt(b"1")
        assert await state(desk, message_id) is MessageState.ENROUTE
        await desk.taken(b"2")
        await desk.receipt(b"2")
        assert await state(desk, message_id) is MessageState.DELIVERED
        assert await results(desk) == [(message_id, "DELIVERED")] * 2

    async def test_a_part_of_a_long_message_has_its_own_state(self, desk: Desk) -> None:
        first, second = await desk.accepted(**part(1)), await desk.accepted(**part(2))
        assert await state(desk, first) is MessageState.ENROUTE
        await desk.taken(b"1")
        await desk.receipt(b"1")
        assert await state(desk, first) is MessageState.DELIVERED
        assert await state(desk, second) is MessageState.ENROUTE

    @pytest.mark.parametrize("is_final", [False, True])
    async def test_another_accounts_message_is_none(self, desk: Desk, is_final: bool) -> None:
        message_id = await at_smsc(desk)
        if is_final:
            await desk.receipt(b"00AB")
        assert await query(desk, message_id, by=STRANGER) == QUERY_FAILED

    @pytest.mark.parametrize("is_final", [False, True])
    async def test_the_source_must_be_the_messages_own_where_it_is_given(
        self, desk: Desk, is_final: bool
    ) -> None:
        message_id = await at_smsc(desk)
        if is_final:
            await desk.receipt(b"00AB")
        assert isinstance(await query(desk, message_id, source_addr=NUMBER.encode()), QuerySmResp)
        assert await query(desk, message_id, source_addr=OTHERS_NUMBER.encode()) == QUERY_FAILED

    async def test_an_id_that_nobody_has(self, desk: Desk) -> None:
        assert await query(desk, 1) == QUERY_FAILED

    async def test_an_id_may_be_asked_for_in_capitals(self, desk: Desk) -> None:
        message_id = await desk.accepted()
        body = QuerySm(message_id=id_text(message_id).upper())
        assert (await desk.ask(desk.services.query, body)).message_id == id_text(message_id)


class TestCancel:
    async def test_what_waits_here_is_deleted_and_never_sent(self, desk: Desk) -> None:
        message_id = await waiting(desk, registered_delivery=1)
        assert await cancel(desk, message_id) == CancelSmResp()
        assert await desk.state(message_id) is None
        assert desk.told() == [(message_id, MessageState.DELETED)]
        assert await results(desk) == [(message_id, "DELETED")]
        assert desk.trust_rows == 1
        desk.smsc.room = True
        desk.dispatcher.pump()
        assert (desk.smsc.sent, desk.smsc.cancels) == ([], [])
        assert await state(desk, message_id) is MessageState.DELETED

    async def test_what_is_scheduled_is_deleted_as_well(self, desk: Desk) -> None:
        message_id = await desk.accepted(schedule_delivery_time=time_text(NOW_MS + 60_000))
        assert await cancel(desk, message_id) == CancelSmResp()
        assert await results(desk) == [(message_id, "DELETED")]

    async def test_it_is_not_said_to_be_cancelled_before_the_commit(self, desk: Desk) -> None:
        message_id = await waiting(desk)
        desk.services.cancel(
            desk.session,  # type: ignore[arg-type]
            desk.directory.current.accounts["sms-a"],
            desk.request(CancelSm(message_id=id_text(message_id))),
        )
        assert desk.session.answers == []
        await desk.session.answer()
        assert await rows(desk.domain, "message") == []

    async def test_between_two_addresses_all_that_waits(self, desk: Desk) -> None:
        first, second = await waiting(desk), await waiting(desk)
        other = await waiting(desk, ANOTHER_AID)
        cancelled = await cancel(desk, None, source_addr=NUMBER.encode(), destination_addr=AID.encode())
        assert cancelled == CancelSmResp()
        assert await results(desk) == [(first, "DELETED"), (second, "DELETED")]
        assert await desk.state(other) is State.QUEUED

    async def test_between_two_addresses_that_names_a_service_what_is_of_it(self, desk: Desk) -> None:
        """3.4, 4.9.1."""
        plain, other = await waiting(desk), await waiting(desk, service_type=b"CMT")
        assert await cancel(desk, None, destination_addr=AID.encode(), service_type=b"CMT") == CancelSmResp()
        assert await results(desk) == [(other, "DELETED")]
        assert await desk.state(plain) is State.QUEUED

    async def test_between_two_addresses_what_is_on_its_way_is_left(self, desk: Desk) -> None:
        sent = await desk.accepted()
        held = await waiting(desk)
        assert await cancel(desk, None, destination_addr=AID.encode()) == CancelSmResp()
        assert await results(desk) == [(held, "DELETED")]
        assert await desk.state(sent) is State.QUEUED

    @pytest.mark.parametrize(
        ("by", "source"), [(None, OTHERS_NUMBER), (None, "1069000999"), (STRANGER, NUMBER), (STRANGER, "")]
    )
    async def test_between_addresses_that_are_not_the_accounts(
        self, desk: Desk, by: AccountRow | None, source: str
    ) -> None:
        message_id = await waiting(desk)
        addresses: dict[str, Any] = {"source_addr": source.encode(), "destination_addr": AID.encode()}
        assert await cancel(desk, None, by=by, **addresses) == CANCEL_FAILED
        assert await desk.state(message_id) is State.QUEUED

    @pytest.mark.parametrize("fields", [{"source_addr": OTHERS_NUMBER}, {"destination_addr": ANOTHER_AID}])
    async def test_addresses_beside_an_id_must_be_the_messages(
        self, desk: Desk, fields: dict[str, str]
    ) -> None:
        message_id = await waiting(desk)
        given: dict[str, Any] = {name: value.encode() for name, value in fields.items()}
        assert await cancel(desk, message_id, **given) == CANCEL_FAILED
        assert await desk.state(message_id) is State.QUEUED
        right: dict[str, Any] = {"source_addr": NUMBER.encode(), "destination_addr": AID.encode()}
        assert await cancel(desk, message_id, **right) == CancelSmResp()

    async def test_another_accounts_id_fails(self, desk: Desk) -> None:
        message_id = await waiting(desk)
        assert await cancel(desk, message_id, by=STRANGER) == CANCEL_FAILED
        assert await desk.state(message_id) is State.QUEUED
        desk.smsc.room = True
        desk.dispatcher.pump()
        assert len(desk.smsc.sent) == 1

    async def test_what_is_on_its_way_cannot_be_taken_back(self, desk: Desk) -> None:
        message_id = await desk.accepted()
        assert await cancel(desk, message_id) == CANCEL_FAILED
        await desk.taken()
        assert await desk.state(message_id) is State.ACCEPTED

    async def test_what_has_its_outcome_cannot_be_cancelled(self, desk: Desk) -> None:
        message_id = await at_smsc(desk)
        await desk.receipt(b"00AB")
        assert await cancel(desk, message_id) == CANCEL_FAILED
        assert await results(desk) == [(message_id, "DELIVERED")]

    async def test_a_submit_multis_messages_that_wait_are_deleted_together(self, desk: Desk) -> None:
        desk.smsc.room = False
        message_id = await several(desk)
        assert await cancel(desk, message_id) == CancelSmResp()
        assert await results(desk) == [(message_id, "DELETED")] * 2

    async def test_parts_that_wait_for_the_others(self, desk: Desk) -> None:
        message_id = await desk.accepted(**part(1))
        assert await desk.state(message_id) is State.HELD
        assert await cancel(desk, message_id) == CancelSmResp()
        assert await state(desk, message_id) is MessageState.DELETED

    @pytest.mark.parametrize("error", [StoreBusy("full"), StoreUnavailable("disk")])
    async def test_a_store_that_takes_nothing_throttles(self, desk: Desk, error: Exception) -> None:
        def refuse(op: Any, done: Any) -> None:
            raise error

        broken: Any = SimpleNamespace(submit=refuse, on_undone=lambda forget: None)
        domain = Domain(broken, desk.domain.vault, now_ms=desk.clock)
        services = Services(
            domain,
            desk.directory,
            desk.dispatcher,
            desk.smsc,
            SETTINGS,
            desk.text_rules,
            desk.delivered,
            lambda: None,
        )
        for way, body in [
            (services.query, QuerySm(message_id=id_text(1))),
            (services.cancel, CancelSm(message_id=id_text(1))),
            (services.replace, ReplaceSm(message_id=id_text(1))),
        ]:
            assert await desk.ask(way, body) == THROTTLED


class TestCancelAtTheSmsc:
    """Its answer decides."""

    async def start(self, desk: Desk) -> int:
        message_id = await at_smsc(desk)
        desk.services.cancel(
            desk.session,  # type: ignore[arg-type]
            desk.directory.current.accounts["sms-a"],
            desk.request(CancelSm(message_id=id_text(message_id))),
        )
        await until(lambda: bool(desk.smsc.cancels) or bool(desk.session.answers))
        return message_id

    async def test_it_is_asked_with_its_own_id_and_the_addresses_that_it_knows(self, desk: Desk) -> None:
        await self.start(desk)
        assert desk.smsc.cancels == [("smsc", "00AB", NUMBER, MSISDN)]
        assert desk.session.answers == []

    async def test_when_it_has_deleted_it_is_deleted(self, desk: Desk) -> None:
        message_id = await self.start(desk)
        desk.smsc.answer_cancel(Pdu(CancelSmResp(), 1))
        assert (await desk.session.answer())[1:] == (0, CancelSmResp())
        assert desk.told() == [(message_id, MessageState.DELETED)]
        assert await results(desk) == [(message_id, "DELETED")]

    @pytest.mark.parametrize(
        "answer", [Pdu(CancelSmResp(), 1, CommandStatus.ESME_RCANCELFAIL), RequestFailed("timeout")]
    )
    async def test_when_it_has_not_the_message_goes_on(self, desk: Desk, answer: Pdu | RequestFailed) -> None:
        message_id = await self.start(desk)
        desk.smsc.answer_cancel(answer)
        assert (await desk.session.answer())[1] == CANCEL_FAILED
        assert await desk.state(message_id) is State.ACCEPTED
        await desk.receipt(b"00AB")
        assert desk.told() == [(message_id, MessageState.DELIVERED)]

    async def test_a_receipt_that_came_first_stands(self, desk: Desk) -> None:
        message_id = await self.start(desk)
        await desk.receipt(b"00AB")
        desk.smsc.answer_cancel(Pdu(CancelSmResp(), 1))
        await desk.session.answer()
        assert await results(desk) == [(message_id, "DELIVERED")]
        assert desk.told() == [(message_id, MessageState.DELIVERED)]

    async def test_an_smsc_that_cannot_be_asked(self, desk: Desk) -> None:
        desk.smsc.takes_cancels = False
        message_id = await self.start(desk)
        assert (await desk.session.answer())[1] == CANCEL_FAILED
        assert await desk.state(message_id) is State.ACCEPTED

    async def test_a_message_that_the_smsc_gave_no_id(self, desk: Desk) -> None:
        message_id = await at_smsc(desk, b"")
        assert await cancel(desk, message_id) == CANCEL_FAILED
        assert desk.smsc.cancels == []

    async def several_with_one_there(self, desk: Desk) -> int:
        """A submit_multi of which one is at the SMSC and the other waits."""
        desk.smsc.room = False
        message_id = await several(desk)
        desk.smsc.room = True
        [first, *_] = await rows(desk.domain, "message")
        assert desk.dispatcher.withdraw(first["id"] + 1)
        desk.dispatcher.pump()
        await desk.taken(b"1")
        return message_id

    async def test_a_submit_multi_is_deleted_here_and_there(self, desk: Desk) -> None:
        message_id = await self.several_with_one_there(desk)
        desk.services.cancel(
            desk.session,  # type: ignore[arg-type]
            desk.directory.current.accounts["sms-a"],
            desk.request(CancelSm(message_id=id_text(message_id))),
        )
        await until(lambda: bool(desk.smsc.cancels))
        await settled(desk.domain)
        assert desk.session.answers == []
        desk.smsc.answer_cancel(Pdu(CancelSmResp(), 1))
        assert (await desk.session.answer())[1:] == (0, CancelSmResp())
        assert [result for _, result in await results(desk)] == ["DELETED", "DELETED"]

    async def test_a_submit_multi_of_which_the_smsc_keeps_one_is_not_cancelled(self, desk: Desk) -> None:
        message_id = await self.several_with_one_there(desk)
        desk.smsc.takes_cancels = False
        assert await cancel(desk, message_id) == CANCEL_FAILED
        assert len(await results(desk)) == 1
        assert await desk.state(message_id) is State.ACCEPTED


class TestReplace:
    async def test_the_new_text_is_what_is_sent_and_digested(self, desk: Desk) -> None:
        message_id = await waiting(desk)
        assert await replace(desk, message_id, short_message=b"another text") == ReplaceSmResp()
        stored = await desk.message(message_id)
        assert stored is not None
        digest = content_digest(HmacSm3(ACCOUNT_KEY), text_of(message_id), 0, b"another text")
        assert (stored.row.octets, stored.row.digest) == (12, digest)
        async with sweeping(desk):
            await until(lambda: bool(desk.smsc.sent))
        assert desk.texts() == [b"another text"]
        assert [body.destination_addr for body in desk.smsc.bodies()] == [MSISDN.encode()]

    async def test_the_first_text_does_not_go_while_the_second_is_written(self, desk: Desk) -> None:
        message_id = await waiting(desk)
        desk.services.replace(
            desk.session,  # type: ignore[arg-type]
            desk.directory.current.accounts["sms-a"],
            desk.request(ReplaceSm(message_id=id_text(message_id), short_message=b"other")),
        )
        assert desk.session.answers == []
        await desk.session.answer()
        desk.smsc.room = True
        desk.dispatcher.pump()
        assert desk.smsc.sent == []

    async def test_new_times_are_kept_here_and_bounded(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dispatch, "SWEEP_S", 0.002)
        message_id = await waiting(desk)
        start = NOW_MS + HOUR_MS
        times: dict[str, Any] = {
            "schedule_delivery_time": time_text(start),
            "validity_period": time_text(NOW_MS + 24 * HOUR_MS),
        }
        assert await replace(desk, message_id, **times) == ReplaceSmResp()
        stored = await desk.message(message_id)
        assert stored is not None
        assert (stored.row.not_before, stored.row.expires_at) == (start, start + 2 * HOUR_MS)
        async with sweeping(desk):
            assert await desk.state(message_id) is State.QUEUED
            assert desk.smsc.sent == []
            desk.clock.now_ms = start
            await until(lambda: bool(desk.smsc.sent))
        (body,) = desk.smsc.bodies()
        told = parse_time(body.validity_period, datetime.now(UTC))
        assert told == datetime.fromtimestamp((start + 2 * HOUR_MS) // 1000, UTC)
        assert body.schedule_delivery_time == b""

    async def test_times_that_are_not_given_stay(self, desk: Desk) -> None:
        start, end = NOW_MS + 60_000, NOW_MS + HOUR_MS
        message_id = await desk.accepted(
            schedule_delivery_time=time_text(start), validity_period=time_text(end)
        )
        assert await replace(desk, message_id) == ReplaceSmResp()
        stored = await desk.message(message_id)
        assert stored is not None
        assert (stored.row.not_before, stored.row.expires_at) == (start, end)

    async def test_whether_a_receipt_is_wanted_may_change(self, desk: Desk) -> None:
        message_id = await waiting(desk, registered_delivery=0)
        assert await replace(desk, message_id, registered_delivery=1) == ReplaceSmResp()
        assert await cancel(desk, message_id) == CancelSmResp()
        assert desk.told() == [(message_id, MessageState.DELETED)]

    async def test_a_text_beyond_a_short_message_goes_as_payload(self, desk: Desk) -> None:
        text = b"x" * (SHORT_MESSAGE_OCTETS + 1)
        message_id = await waiting(desk)
        answer = await replace(desk, message_id, short_message=b"", tlvs=[(Tag.MESSAGE_PAYLOAD, text)])
        assert answer == ReplaceSmResp()
        async with sweeping(desk):
            await until(lambda: bool(desk.smsc.sent))
        (body,) = desk.smsc.bodies()
        assert (body.short_message, tlv(body, Tag.MESSAGE_PAYLOAD)) == (b"", text)

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"schedule_delivery_time": b"tomorrow"}, CommandStatus.ESME_RINVSCHED),
            ({"schedule_delivery_time": time_text(NOW_MS + 31 * 24 * HOUR_MS)}, CommandStatus.ESME_RINVSCHED),
            ({"validity_period": b"for ever"}, CommandStatus.ESME_RINVEXPIRY),
            ({"validity_period": time_text(NOW_MS - 1000)}, CommandStatus.ESME_RINVEXPIRY),
            # It would begin after its end.
            ({"schedule_delivery_time": time_text(NOW_MS + 2 * HOUR_MS)}, CommandStatus.ESME_RINVEXPIRY),
            ({"sm_default_msg_id": 1}, CommandStatus.ESME_RINVDFTMSGID),
        ],
    )
    async def test_what_may_not_be_submitted_may_not_be_replaced_with(
        self, desk: Desk, fields: dict[str, Any], status: int
    ) -> None:
        message_id = await waiting(desk)
        assert await replace(desk, message_id, **fields) == status
        async with sweeping(desk):
            await until(lambda: bool(desk.smsc.sent))
        assert desk.texts() == [b"hello"], "the message is as it was"

    async def test_another_accounts_message(self, desk: Desk) -> None:
        message_id = await waiting(desk)
        assert await replace(desk, message_id, by=STRANGER) == REPLACE_FAILED
        desk.smsc.room = True
        desk.dispatcher.pump()
        assert desk.texts() == [b"hello"]

    async def test_the_source_must_be_the_messages_own_where_it_is_given(self, desk: Desk) -> None:
        message_id = await waiting(desk)
        assert await replace(desk, message_id, source_addr=OTHERS_NUMBER.encode()) == REPLACE_FAILED
        assert await replace(desk, message_id, source_addr=NUMBER.encode()) == ReplaceSmResp()

    async def test_a_part_of_a_long_message_has_no_text_of_its_own(self, desk: Desk) -> None:
        desk.smsc.room = False
        first = await desk.accepted(**part(1))
        assert await replace(desk, first) == REPLACE_FAILED
        second = await desk.accepted(**part(2))
        assert await replace(desk, second) == REPLACE_FAILED

    async def test_an_id_that_several_messages_share_names_no_one_text(self, desk: Desk) -> None:
        later = time_text(NOW_MS + HOUR_MS // 2)
        body = SubmitMulti(
            source_addr=NUMBER.encode(),
            dests=[SmeDest(0, 0, AID.encode()), SmeDest(0, 0, AID.encode())],
            short_message=b"hello",
            schedule_delivery_time=later,
        )
        message_id = message_id_of(await desk.ask(desk.intake.multi, body))
        replacement = ReplaceSm(message_id=text_of(message_id).encode(), short_message=b"other")
        assert await desk.ask(desk.services.replace, replacement) == REPLACE_FAILED
        # Nor when all but the first have their outcome.
        await desk.domain.store.write(
            lambda conn: finish_one(
                conn,
                desk.domain,
                End(messages.get(conn, message_id + 1).row, MessageState.EXPIRED),
                60,  # type: ignore[union-attr]
            )
        )
        assert await desk.state(message_id) is State.QUEUED
        assert await desk.ask(desk.services.replace, replacement) == REPLACE_FAILED

    async def test_what_is_on_its_way(self, desk: Desk) -> None:
        message_id = await desk.accepted()
        assert await replace(desk, message_id) == REPLACE_FAILED
        await desk.taken()
        assert desk.texts() == [b"hello"]

    async def test_what_has_its_outcome(self, desk: Desk) -> None:
        message_id = await at_smsc(desk)
        await desk.receipt(b"00AB")
        assert await replace(desk, message_id) == REPLACE_FAILED


@pytest.mark.parametrize("raw", NO_IDS)
async def test_what_is_no_id_of_ours_is_said_so(desk: Desk, raw: bytes) -> None:
    bodies: list[tuple[Any, Any]] = [
        (desk.services.query, QuerySm(message_id=raw)),
        (desk.services.replace, ReplaceSm(message_id=raw)),
    ]
    if raw:  # an empty one in cancel_sm means the addresses
        bodies.append((desk.services.cancel, CancelSm(message_id=raw)))
    for way, body in bodies:
        assert await desk.ask(way, body) == CommandStatus.ESME_RINVMSGID


class TestReplaceAtTheSmsc:
    """What the SMSC has is replaced there; its answer decides."""

    async def start(self, desk: Desk, **fields: Any) -> int:
        message_id = await at_smsc(desk)
        desk.services.replace(
            desk.session,  # type: ignore[arg-type]
            desk.directory.current.accounts["sms-a"],
            desk.request(ReplaceSm(message_id=id_text(message_id), **({"short_message": b"other"} | fields))),
        )
        await until(lambda: bool(desk.smsc.replaces) or bool(desk.session.answers))
        return message_id

    async def test_it_is_asked_under_its_own_id_and_told_what_the_gateway_needs(self, desk: Desk) -> None:
        await self.start(desk, registered_delivery=0x12, validity_period=b"000000010000000R")
        [(smsc, upstream_id, source, body)] = desk.smsc.replaces
        assert (smsc, upstream_id, source) == ("smsc", "00AB", NUMBER)
        assert (body.short_message, body.registered_delivery) == (b"other", 0x11)
        assert body.validity_period == time_text(NOW_MS + HOUR_MS)
        assert (body.schedule_delivery_time, desk.session.answers) == (b"", [])

    async def test_when_it_has_the_record_is_of_the_new_text(self, desk: Desk) -> None:
        message_id = await self.start(desk, registered_delivery=1)
        desk.smsc.answer_cancel(Pdu(ReplaceSmResp(), 1))
        assert (await desk.session.answer())[1:] == (0, ReplaceSmResp())
        await desk.receipt(b"00AB")
        assert desk.told() == [(message_id, MessageState.DELIVERED)]
        (cdr,) = await rows(desk.domain, "cdr", "seq")
        digest = content_digest(HmacSm3(ACCOUNT_KEY), text_of(message_id), 0, b"other")
        assert (cdr["octets"], cdr["digest"]) == (5, digest)

    @pytest.mark.parametrize(
        "answer", [Pdu(ReplaceSmResp(), 1, CommandStatus.ESME_RREPLACEFAIL), RequestFailed("timeout")]
    )
    async def test_when_it_has_not_the_message_is_as_it_was(
        self, desk: Desk, answer: Pdu | RequestFailed
    ) -> None:
        message_id = await self.start(desk)
        before = await desk.message(message_id)
        desk.smsc.answer_cancel(answer)
        assert (await desk.session.answer())[1] == REPLACE_FAILED
        assert await desk.message(message_id) == before

    async def test_a_receipt_that_came_first_stands(self, desk: Desk) -> None:
        message_id = await self.start(desk)
        await desk.receipt(b"00AB")
        desk.smsc.answer_cancel(Pdu(ReplaceSmResp(), 1))
        assert (await desk.session.answer())[1] == 0
        assert await results(desk) == [(message_id, "DELIVERED")]

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ({"schedule_delivery_time": time_text(NOW_MS + HOUR_MS)}, CommandStatus.ESME_RREPLACEFAIL),
            ({"validity_period": time_text(NOW_MS - HOUR_MS)}, CommandStatus.ESME_RINVEXPIRY),
            ({"sm_default_msg_id": 7}, CommandStatus.ESME_RINVDFTMSGID),
        ],
    )
    async def test_what_may_not_be_is_not_asked(
        self, desk: Desk, fields: dict[str, Any], status: int
    ) -> None:
        await self.start(desk, **fields)
        assert (await desk.session.answer())[1] == status
        assert desk.smsc.replaces == []

    async def test_an_smsc_that_cannot_be_asked(self, desk: Desk) -> None:
        desk.smsc.takes_cancels = False
        await self.start(desk)
        assert (await desk.session.answer())[1] == REPLACE_FAILED
