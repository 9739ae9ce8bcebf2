"""data_sm, submit_multi, query_sm, cancel_sm, replace_sm and replace_if_present."""

from typing import Any

import pytest

from simulators.smsc.outcomes import Outcome
from smpp import receipts
from smpp.constants import CommandStatus, MessageState, Tag
from smpp.pdu import (
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    ListDest,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SmeDest,
    SubmitMulti,
    SubmitMultiResp,
    UnsuccessSme,
    tlv,
)
from tests.simulators.smsc.bench import ACCESS_NUMBER, HANDSET, HOUR, Bench

OK = CommandStatus.ESME_ROK
LATER = {"schedule_delivery_time": b"000000010000000R"}
NAMED: dict[str, Any] = {"message_id": b"1", "source_addr": ACCESS_NUMBER}


def last(bench: Bench) -> Any:
    return bench.esme.answers[-1]


def test_data_sm_is_a_message_like_any_other() -> None:
    bench = Bench(fleet=True)
    bench.ask(
        DataSm(
            source_addr=ACCESS_NUMBER,
            destination_addr=HANDSET,
            registered_delivery=1,
            tlvs=[(Tag.MESSAGE_PAYLOAD, b"hello"), (Tag.QOS_TIME_TO_LIVE, b"\x00\x00\x00\x3c")],
        )
    )
    assert last(bench) == (DataSmResp(b"1"), OK)
    delivered = bench.handsets.answer(OK)
    assert tlv(delivered, Tag.MESSAGE_PAYLOAD) == b"hello"
    assert len(bench.delivered()) == 1


def test_qos_time_to_live_ends_a_data_sm() -> None:
    bench = Bench(fleet=True)
    bench.handsets.can_send = False
    bench.ask(
        DataSm(destination_addr=HANDSET, registered_delivery=1, tlvs=[(Tag.QOS_TIME_TO_LIVE, b"\0\0\0\x3c")])
    )
    bench.now += 60_000
    bench.swept()
    told = receipts.parse(bench.esme.answer(OK))
    assert told is not None
    assert told.state == MessageState.EXPIRED


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("source_addr", CommandStatus.ESME_RINVSRCADR),
        ("destination_addr", CommandStatus.ESME_RINVDSTADR),
    ],
)
def test_no_phone_has_an_address_of_data_sms_length(field: str, status: int) -> None:
    bench = Bench()
    bench.ask(DataSm(**{"destination_addr": HANDSET, field: b"1" * 21}))
    assert last(bench) == (DataSmResp(), status)


def multi(*dests: SmeDest | ListDest) -> SubmitMulti:
    return SubmitMulti(
        source_addr=ACCESS_NUMBER, dests=list(dests), registered_delivery=1, short_message=b"hello"
    )


def test_submit_multi_has_one_id_and_a_receipt_for_each_destination() -> None:
    bench = Bench(distribution_lists={"friends": ("8613800000002", "8613800000003")})
    bench.ask(multi(SmeDest(1, 1, HANDSET), ListDest(b"friends")))
    assert bench.esme.answers == [(SubmitMultiResp(b"1"), OK)]
    got = bench.delivered()
    assert {each.source_addr for each in got} == {b"8613800000001", b"8613800000002", b"8613800000003"}
    assert {told.message_id for each in got if (told := receipts.parse(each))} == {b"1"}


def test_submit_multi_tells_what_it_did_not_take() -> None:
    bench = Bench(outcomes=(Outcome(number=".*2", result="refuse", status=0x0B), Outcome(number=".*1")))
    bench.ask(multi(SmeDest(1, 1, b"2"), SmeDest(1, 1, b"1"), ListDest(b"nobody")))
    unsuccess = [
        UnsuccessSme(0, 0, b"nobody", CommandStatus.ESME_RINVDLNAME),
        UnsuccessSme(1, 1, b"2", CommandStatus.ESME_RINVDSTADR),
    ]
    assert bench.esme.answers == [(SubmitMultiResp(b"2", unsuccess), OK)]


def test_submit_multi_that_reaches_nobody_fails() -> None:
    bench = Bench()
    bench.ask(multi(ListDest(b"nobody")))
    body, status = last(bench)
    assert status == CommandStatus.ESME_RSUBMITFAIL
    assert len(body.unsuccess) == 1


def test_query_tells_the_state_on_the_way_and_at_the_end() -> None:
    bench = Bench()
    bench.submit(**LATER)
    bench.ask(QuerySm(**NAMED))
    assert last(bench) == (QuerySmResp(b"1", b"", MessageState.ENROUTE, 0), OK)
    bench.after(HOUR)
    bench.ask(QuerySm(**NAMED))
    answer = last(bench)[0]
    assert (answer.message_state, answer.final_date) == (MessageState.DELIVERED, b"260921151320000+")


@pytest.mark.parametrize("message_id", [b"2", b"", b"zz"])
def test_query_cancel_and_replace_need_a_message(message_id: bytes) -> None:
    bench = Bench()
    bench.submit(**LATER)
    for request, status in (
        (CancelSm(message_id=message_id or b"0", source_addr=ACCESS_NUMBER), CommandStatus.ESME_RCANCELFAIL),
        (ReplaceSm(message_id=message_id, source_addr=ACCESS_NUMBER), CommandStatus.ESME_RREPLACEFAIL),
    ):
        bench.ask(request)
        assert last(bench)[1] == status


@pytest.mark.parametrize("kind", [QuerySm, CancelSm, ReplaceSm])
def test_query_cancel_and_replace_need_the_messages_own_source(kind: Any) -> None:
    bench = Bench()
    bench.submit(**LATER)
    bench.ask(kind(message_id=b"1", source_addr=b"10699999"))
    assert last(bench)[1] in (
        CommandStatus.ESME_RQUERYFAIL,
        CommandStatus.ESME_RCANCELFAIL,
        CommandStatus.ESME_RREPLACEFAIL,
    )


def test_ids_are_read_in_the_dialect_in_which_they_were_written() -> None:
    bench = Bench(dialect="hex-response")
    for _ in range(10):
        bench.submit(**LATER)
    bench.ask(CancelSm(message_id=b"a", source_addr=ACCESS_NUMBER))
    assert last(bench) == (CancelSmResp(), OK)


def test_cancel_ends_a_waiting_message_as_deleted() -> None:
    bench = Bench()
    bench.submit(**LATER)
    bench.ask(CancelSm(**NAMED))
    assert last(bench) == (CancelSmResp(), OK)
    told = receipts.parse(bench.esme.answer(OK))
    assert told is not None
    assert told.state == MessageState.DELETED
    bench.after(HOUR)
    assert bench.esme.sent == []


def test_cancel_without_an_id_ends_all_between_two_addresses() -> None:
    bench = Bench()
    bench.submit(**LATER)
    bench.submit(**LATER)
    bench.submit(**LATER, destination_addr=b"8613800000002")
    bench.ask(CancelSm(source_addr=ACCESS_NUMBER, destination_addr=HANDSET))
    assert last(bench) == (CancelSmResp(), OK)
    assert len(bench.delivered()) == 2
    assert bench.center.open_messages == 1


def test_what_the_handset_has_can_be_neither_cancelled_nor_replaced() -> None:
    bench = Bench(fleet=True)
    bench.submit()
    bench.ask(CancelSm(**NAMED))
    assert last(bench)[1] == CommandStatus.ESME_RCANCELFAIL
    bench.ask(ReplaceSm(**NAMED))
    assert last(bench)[1] == CommandStatus.ESME_RREPLACEFAIL


def test_replace_gives_new_text_schedule_and_receipt() -> None:
    bench = Bench(fleet=True)
    bench.submit(**LATER)
    bench.ask(ReplaceSm(**NAMED, schedule_delivery_time=b"000000020000000R", short_message=b"better"))
    assert last(bench) == (ReplaceSmResp(), OK)
    bench.after(HOUR)
    assert bench.handsets.sent == []
    bench.after(HOUR)
    delivered = bench.handsets.answer(OK)
    assert isinstance(delivered, DeliverSm)
    assert delivered.short_message == b"better"
    assert bench.delivered() == []  # registered_delivery was replaced by 0


def test_replace_keeps_the_times_that_it_does_not_name() -> None:
    bench = Bench()
    bench.submit(**LATER)
    bench.ask(ReplaceSm(**NAMED, registered_delivery=1))
    bench.after(HOUR - 1)
    assert bench.esme.sent == []
    bench.after(1)
    assert len(bench.esme.sent) == 1


def test_replace_with_a_bad_time_changes_nothing() -> None:
    bench = Bench()
    bench.submit(**LATER)
    bench.ask(ReplaceSm(**NAMED, validity_period=b"soon"))
    assert last(bench) == (ReplaceSmResp(), CommandStatus.ESME_RINVEXPIRY)


def test_replace_if_present_takes_the_place_of_what_waits() -> None:
    bench = Bench(fleet=True)
    bench.submit(**LATER, service_type=b"A")
    bench.submit(replace_if_present_flag=1, service_type=b"A", short_message=b"newer")
    assert bench.esme.ids == [b"1", b"1"]
    [(delivered, _)] = bench.handsets.sent
    assert isinstance(delivered, DeliverSm)
    assert delivered.short_message == b"newer"


def test_replace_if_present_is_a_new_message_where_nothing_waits() -> None:
    bench = Bench()
    bench.submit(**LATER, service_type=b"A")
    bench.submit(replace_if_present_flag=1, service_type=b"B")
    assert bench.esme.ids == [b"1", b"2"]
