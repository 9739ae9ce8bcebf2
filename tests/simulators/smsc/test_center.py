"""The message center with injected time: acceptance, delays, retries, validity, receipts, MOs."""

from typing import Any

import pytest

from simulators.smsc.delays import Delay
from simulators.smsc.outcomes import Outcome
from simulators.smsc.settings import Account, Reply, behaviour_of
from smpp import receipts
from smpp.constants import CommandStatus, EsmClass, MessageState
from smpp.pdu import DataSm, DeliverSm, SubmitSmResp
from tests.simulators.smsc.bench import ACCESS_NUMBER, HANDSET, HOUR, Bench

OK = CommandStatus.ESME_ROK


def state_of(body: DeliverSm | DataSm) -> MessageState:
    told = receipts.parse(body)
    assert told is not None
    return told.state


# Phones of its own


def test_without_a_fleet_the_center_plays_every_phone() -> None:
    bench = Bench()
    bench.submit()
    assert [type(body) for body, _ in bench.esme.wire] == [SubmitSmResp, DeliverSm]
    assert state_of(bench.esme.answer(OK)) == MessageState.DELIVERED
    assert bench.center.open_messages == 0


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("undeliverable", MessageState.UNDELIVERABLE),
        ("expired", MessageState.EXPIRED),
        ("rejected", MessageState.REJECTED),
        ("unknown", MessageState.UNKNOWN),
        ("deleted", MessageState.DELETED),
        ("accepted", MessageState.ACCEPTED),
    ],
)
def test_an_outcome_is_what_the_receipt_says(result: str, state: MessageState) -> None:
    bench = Bench(outcomes=(Outcome.model_validate({"result": result, "error": 42}),))
    bench.submit()
    told = receipts.parse(bench.esme.answer(OK))
    assert told is not None
    assert (told.state, told.error) == (state, "042")


def test_two_runs_with_one_seed_are_the_same() -> None:
    def run(seed: int) -> list[Any]:
        outcomes = (
            Outcome(weight=5),
            Outcome(weight=3, result="undeliverable"),
            Outcome(weight=2, result="refuse"),
        )
        bench = Bench(seed=seed, outcomes=outcomes)
        for _ in range(60):
            bench.submit()
        states = [state_of(each) for each in bench.delivered()]
        return [status for _, status in bench.esme.answers] + states

    assert run(5) == run(5)
    assert run(5) != run(6)
    assert {0, CommandStatus.ESME_RTHROTTLED} <= set(run(5))


@pytest.mark.parametrize(
    ("asked", "delivered", "failed"), [(0, 0, 0), (1, 1, 1), (2, 0, 1), (3, 1, 0), (0x11, 1, 1)]
)
def test_registered_delivery_decides_on_receipts(asked: int, delivered: int, failed: int) -> None:
    bench = Bench(outcomes=(Outcome(number=".*1"), Outcome(number=".*2", result="undeliverable")))
    bench.submit(registered_delivery=asked, destination_addr=b"8613800000001")
    assert len(bench.delivered()) == delivered
    bench.submit(registered_delivery=asked, destination_addr=b"8613800000002")
    assert len(bench.delivered()) == failed
    assert bench.center.open_messages == 0


def test_an_intermediate_notice_comes_once_before_the_end() -> None:
    bench = Bench(outcomes=(Outcome(failures=2),))
    bench.submit(registered_delivery=0x11)
    [notice] = bench.delivered()
    assert notice.esm_class == EsmClass.INTERMEDIATE_NOTIFICATION
    bench.after(2_000)
    assert bench.delivered() == []
    bench.after(2_000)
    assert [state_of(each) for each in bench.delivered()] == [MessageState.DELIVERED]


def test_who_did_not_ask_gets_no_intermediate_notice() -> None:
    bench = Bench(outcomes=(Outcome(failures=1),))
    bench.submit()
    assert bench.delivered() == []


# Delays


def test_the_response_takes_its_time_and_the_delivery_its_own() -> None:
    bench = Bench(response_delay=Delay(ms=100), delivery_delay=Delay(ms=300))
    bench.submit()
    bench.after(99)
    assert bench.esme.wire == []
    bench.after(1)
    assert bench.esme.ids == [b"1"]
    bench.after(199)
    assert bench.esme.sent == []
    bench.after(1)
    assert len(bench.esme.sent) == 1


def test_a_refusal_takes_its_time_too() -> None:
    bench = Bench(outcomes=(Outcome(result="refuse", status=0x45, response_delay=Delay(ms=50)),))
    bench.submit()
    assert bench.esme.wire == []
    bench.after(50)
    assert bench.esme.answers == [(SubmitSmResp(), 0x45)]


def test_a_message_may_never_be_answered_or_never_get_a_receipt() -> None:
    silent = Bench(outcomes=(Outcome(respond=False),))
    silent.submit()
    assert [type(body) for body, _ in silent.esme.wire] == [DeliverSm]
    lost = Bench(outcomes=(Outcome(receipt=False),))
    lost.submit()
    assert [type(body) for body, _ in lost.esme.wire] == [SubmitSmResp]
    assert lost.center.open_messages == 0


# Dialects that concern order and binds


def test_a_receipt_may_go_before_its_response() -> None:
    bench = Bench(dialect="early")
    bench.submit()
    assert [type(body) for body, _ in bench.esme.wire] == [DeliverSm, SubmitSmResp]


def test_a_response_is_not_held_back_for_a_receipt_that_cannot_go() -> None:
    bench = Bench(dialect="early")
    bench.esme.can_send = False
    bench.submit()
    assert bench.esme.wire == []
    bench.after(1_000)
    assert bench.esme.ids == [b"1"]


def test_a_receipt_may_come_twice_and_is_done_with_the_first_answer() -> None:
    bench = Bench(dialect="duplicated")
    bench.submit()
    one, other = bench.delivered()
    assert one == other
    assert bench.center.open_messages == 0


@pytest.mark.parametrize(("bind", "got"), [("same", [4, 0]), ("other", [0, 4]), ("any", [2, 2])])
def test_receipts_come_on_the_bind_of_the_dialect(bind: str, got: list[int]) -> None:
    bench = Bench(binds=2, dialect="mine", dialects={"mine": {"bind": bind}})
    for _ in range(4):
        bench.submit()
    assert [len(each.sent) for each in bench.binds] == got


def test_another_bind_is_preferred_only_while_there_is_one() -> None:
    bench = Bench(dialect="other-bind")
    bench.submit()
    assert len(bench.esme.sent) == 1


# A fleet


def test_a_fleet_gets_the_message_and_its_answer_decides() -> None:
    bench = Bench(fleet=True)
    for status in (OK, CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN):
        bench.submit()
        bench.handsets.answer(status)
    assert [state_of(each) for each in bench.delivered()] == [
        MessageState.DELIVERED,
        MessageState.UNDELIVERABLE,
        MessageState.REJECTED,
    ]


@pytest.mark.parametrize("status", [CommandStatus.ESME_RX_T_APPN, CommandStatus.ESME_RSYSERR, None])
def test_a_temporary_failure_is_tried_again_after_the_pause(status: int | None) -> None:
    bench = Bench(fleet=True)
    bench.submit()
    bench.handsets.answer(status)
    bench.after(1_999)
    assert bench.handsets.sent == []
    bench.after(1)
    assert len(bench.handsets.sent) == 1


def test_a_decided_outcome_never_reaches_the_fleet() -> None:
    bench = Bench(fleet=True, outcomes=(Outcome(result="undeliverable"),))
    bench.submit()
    assert bench.handsets.sent == []
    assert len(bench.delivered()) == 1


# Schedules and validity


def test_a_scheduled_message_waits_for_its_time() -> None:
    bench = Bench()
    bench.submit(schedule_delivery_time=b"000000010000000R")  # in an hour
    assert bench.esme.ids == [b"1"]
    bench.after(HOUR - 1)
    assert bench.esme.sent == []
    bench.after(1)
    assert len(bench.esme.sent) == 1


def test_a_message_expires_when_its_validity_ends() -> None:
    bench = Bench(fleet=True)
    bench.handsets.can_send = False
    bench.submit(validity_period=b"000000010000000R")
    bench.after(HOUR - 2_000)
    bench.swept()
    assert bench.esme.sent == []
    bench.swept()
    assert state_of(bench.esme.answer(OK)) == MessageState.EXPIRED
    bench.handsets.can_send = True
    bench.center.handsets.pump()
    assert bench.handsets.sent == []


def test_a_delivery_after_the_validity_is_none() -> None:
    bench = Bench(delivery_delay=Delay(ms=2 * HOUR))
    bench.submit(validity_period=b"000000010000000R")
    bench.after(2 * HOUR)
    assert state_of(bench.esme.answer(OK)) == MessageState.EXPIRED


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"schedule_delivery_time": b"not a time at all"}, CommandStatus.ESME_RINVSCHED),
        ({"validity_period": b"not a time at all"}, CommandStatus.ESME_RINVEXPIRY),
        ({"destination_addr": b""}, CommandStatus.ESME_RINVDSTADR),
    ],
)
def test_a_bad_field_is_refused_with_its_own_status(fields: dict[str, bytes], status: int) -> None:
    bench = Bench()
    bench.submit(**fields)
    assert bench.esme.answers == [(SubmitSmResp(), status)]


# Receipts until they are answered


def test_a_receipt_is_sent_until_it_is_answered() -> None:
    bench = Bench()
    bench.submit()
    for status in (CommandStatus.ESME_RSYSERR, None, CommandStatus.ESME_RX_T_APPN):
        bench.esme.answer(status)
        assert bench.esme.sent == []
        bench.after(2_000)
    bench.esme.answer(OK)
    assert bench.center.open_messages == 0


def test_a_receipt_that_is_refused_for_good_is_not_sent_again() -> None:
    bench = Bench()
    bench.submit()
    bench.esme.answer(CommandStatus.ESME_RX_P_APPN)
    assert bench.center.open_messages == 0
    assert bench.center.counters.receipts_refused == 1


def test_a_receipt_that_nobody_takes_is_given_up_in_the_end() -> None:
    bench = Bench()
    bench.esme.can_send = False
    bench.submit()
    bench.after(48 * HOUR - 2_000)
    bench.swept()
    assert bench.center.open_messages == 1
    bench.swept()
    assert bench.center.open_messages == 0
    assert bench.center.counters.receipts_given_up == 1


# Limits


def test_above_the_rate_submits_are_throttled() -> None:
    bench = Bench(rate_max=2)
    for _ in range(3):
        bench.submit(registered_delivery=0)
    assert [status for _, status in bench.esme.answers] == [0, 0, CommandStatus.ESME_RTHROTTLED]
    bench.after(500)
    bench.submit(registered_delivery=0)
    assert bench.esme.answers[-1][1] == 0
    assert bench.center.counters.throttled == 1


def test_an_accounts_own_rate_goes_before_the_common_one() -> None:
    bench = Bench(
        accounts=[Account(system_id="esme", password="s", rate_max=0)], rate_max=1, rate_status=0x14
    )
    for _ in range(3):
        bench.submit()
    assert {status for _, status in bench.esme.answers} == {0}


def test_a_full_center_says_so() -> None:
    bench = Bench(open_max=1)
    bench.submit()
    bench.submit()
    assert bench.esme.answers[-1] == (SubmitSmResp(), CommandStatus.ESME_RMSGQFUL)


def test_congestion_is_measured_or_set() -> None:
    bench = Bench(rate_max=10, congestion_state="auto")
    for _ in range(5):
        bench.submit()
    assert bench.center.congestion_of(bench.account) == 50
    assert Bench(congestion_state=85).center.congestion_of(bench.account) == 85
    assert Bench().center.congestion_of(bench.account) is None


# What phones send


def test_a_scripted_reply_comes_after_its_delay() -> None:
    rule = Reply(text="code ([0-9]+)", number="86138.*", reply=r"got \1", after=Delay(ms=3_000))
    bench = Bench(replies=(rule,))
    bench.submit(short_message=b"your code 4711", registered_delivery=0)
    bench.after(2_999)
    assert bench.esme.sent == []
    bench.after(1)
    reply = bench.esme.answer(OK)
    assert isinstance(reply, DeliverSm)
    assert (reply.short_message, reply.source_addr) == (b"got 4711", HANDSET)
    assert reply.destination_addr == ACCESS_NUMBER
    assert bench.center.open_messages == 0


@pytest.mark.parametrize("fields", [{"short_message": b"nothing"}, {"destination_addr": b"8613900000001"}])
def test_a_reply_needs_both_patterns(fields: dict[str, bytes]) -> None:
    bench = Bench(replies=(Reply(text="hello", number="86138.*", reply="TD"),))
    bench.submit(registered_delivery=0, **fields)
    assert bench.esme.sent == []


def test_a_long_message_is_matched_as_a_whole() -> None:
    bench = Bench(replies=(Reply(text="first second", reply="TD"),))
    for part, text in ((1, b"first "), (2, b"second")):
        bench.submit(
            registered_delivery=0, esm_class=0x40, short_message=b"\x05\x00\x03\x09\x02%c" % part + text
        )
    assert [each.short_message for each in bench.delivered() if isinstance(each, DeliverSm)] == [b"TD"]


def test_acknowledgements_are_sent_by_the_phone_when_asked_for() -> None:
    bench = Bench()
    bench.submit(registered_delivery=0x0C)
    assert [each.esm_class for each in bench.delivered()] == [
        EsmClass.DELIVERY_ACKNOWLEDGEMENT,
        EsmClass.MANUAL_ACKNOWLEDGEMENT,
    ]


def test_behaviour_changes_for_what_comes_after() -> None:
    bench = Bench(delivery_delay=Delay(ms=10))
    bench.submit()
    bench.center.behave(
        behaviour_of(bench.settings).model_copy(update={"outcomes": (Outcome(result="rejected"),)})
    )
    bench.submit()
    bench.after(10)
    assert [state_of(each) for each in bench.delivered()] == [MessageState.DELIVERED, MessageState.REJECTED]
