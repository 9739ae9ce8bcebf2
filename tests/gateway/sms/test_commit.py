"""What one commit does with messages of every kind at once, and what each of them sees of the others."""

from types import SimpleNamespace
from typing import Any

import pytest

from foundation.store import StoreBusy
from gateway.store import messages
from gateway.store.domain import Domain
from gateway.store.messages import State
from smpp.constants import CommandStatus, EsmClass, MessageState, Tag
from smpp.pdu import (
    DataSm,
    ListDest,
    SmeDest,
    SubmitMulti,
    UnsuccessSme,
)
from smpp.segmentation import build_udh
from tests.gateway.carrier import (
    ACCOUNT,
    AID,
    AID_REFUSED,
    EDI_ID,
    NOW_MS,
    NUMBER,
    Clock,
    grant,
    rows,
    until,
)
from tests.gateway.sms.desk import Desk, message_id_of, time_text

REFUSED = CommandStatus.ESME_RINVDSTADR
THROTTLED = CommandStatus.ESME_RTHROTTLED
SECOND_AID = "888132341582397716"
"""Another consent of the same person."""
LATER = time_text(NOW_MS + 60_000)


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    desk = Desk(people, clock)
    desk.verifier.answers[SECOND_AID] = grant(EDI_ID)
    return desk


def part(total: int, sequence: int, text: bytes = b"part") -> dict[str, Any]:
    return {"text": build_udh([(0, bytes((7, total, sequence)))]) + text, "esm_class": int(EsmClass.UDHI)}


def multi(*dests: str | SmeDest | ListDest, **fields: Any) -> SubmitMulti:
    values: dict[str, Any] = {"source_addr": NUMBER.encode(), "short_message": b"to all", **fields}
    return SubmitMulti(
        dests=[SmeDest(1, 1, each.encode()) if isinstance(each, str) else each for each in dests], **values
    )


async def asked(desk: Desk, body: SubmitMulti) -> Any:
    return await desk.ask(desk.intake.multi, body)


async def test_what_comes_after_a_submit_multi_has_none_of_its_ids(desk: Desk) -> None:
    response = await asked(desk, multi(AID, SECOND_AID, AID))
    after = await desk.accepted()
    ids = [row["id"] for row in await rows(desk.domain, "message")]
    first = message_id_of(response)
    assert ids == [first, first + 1, first + 2, after]


async def test_a_submit_multi_that_the_store_does_not_take_throttles(people: Domain, clock: Clock) -> None:
    def full(stage: Any, item: Any) -> None:
        raise StoreBusy("full")

    store: Any = SimpleNamespace(put_all=full, on_undone=lambda forget: None)
    desk = Desk(Domain(store, people.vault, now_ms=clock), clock)
    assert await asked(desk, multi(AID, AID)) == THROTTLED
    assert desk.session.answers == []  # once


async def test_a_consents_frequency_counts_each_destination_of_one_person(desk: Desk) -> None:
    for aid in (AID, SECOND_AID):
        desk.verifier.answers[aid] = grant(EDI_ID, frequency="1/day")
    response = await asked(desk, multi(AID, SECOND_AID))
    assert response.unsuccess == [UnsuccessSme(1, 1, SECOND_AID.encode(), REFUSED)]


async def test_a_part_of_a_long_message_is_not_replaced(desk: Desk) -> None:
    header = build_udh([(0, b"\x07\x02\x01")])
    part = await desk.accepted(text=header + b"part", esm_class=int(EsmClass.UDHI))
    await desk.accepted(replace_if_present_flag=1)
    assert await desk.state(part) is State.HELD


async def test_a_text_that_waits_for_the_smsc_is_replaced(desk: Desk) -> None:
    desk.smsc.room = False
    first = await desk.accepted(text=b"first", registered_delivery=1)
    await desk.accepted(text=b"second", replace_if_present_flag=1)
    assert desk.told() == [(first, MessageState.DELETED)]
    desk.smsc.room = True
    desk.dispatcher.pump()
    assert desk.texts() == [b"second"]


async def test_a_replacement_that_cannot_be_stored_leaves_the_earlier_text_for_the_store(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.smsc.room = False
    first = await desk.accepted(text=b"first")

    def fail(conn: Any, new: Any) -> None:
        raise ValueError("cannot be stored")

    with monkeypatch.context() as patch:
        patch.setattr(messages, "insert", fail)
        assert await desk.status(replace_if_present_flag=1) == THROTTLED
    assert await desk.state(first) is State.QUEUED
    desk.smsc.room = True
    desk.dispatcher.start()
    await until(lambda: desk.texts() == [b"first"])
    await desk.dispatcher.stop()


async def test_of_two_that_replace_in_one_commit_the_last_stands(desk: Desk) -> None:
    first = await desk.accepted(schedule_delivery_time=LATER, registered_delivery=1)
    for text in (b"second", b"third"):
        desk.submit(text=text, replace_if_present_flag=1, registered_delivery=1)
    second, third = [message_id_of((await desk.session.answer())[2]) for _ in range(2)]
    assert desk.texts() == [b"third"]
    assert desk.told() == [(first, MessageState.DELETED), (second, MessageState.DELETED)]
    assert [row["id"] for row in await rows(desk.domain, "cdr")] == [first, second]
    assert [row["id"] for row in await rows(desk.domain, "message")] == [third]


async def test_a_text_of_the_same_commit_is_replaced_like_one_that_waits(desk: Desk) -> None:
    desk.submit(text=b"later", schedule_delivery_time=LATER, registered_delivery=1)
    desk.submit(text=b"now", registered_delivery=1)
    desk.submit(text=b"instead", replace_if_present_flag=1)
    first, second, third = [message_id_of((await desk.session.answer())[2]) for _ in range(3)]
    assert desk.texts() == [b"instead"]
    assert desk.told() == [(first, MessageState.DELETED), (second, MessageState.DELETED)]
    assert [row["id"] for row in await rows(desk.domain, "message")] == [third]


async def test_one_commit_takes_messages_of_every_kind_and_answers_each(desk: Desk) -> None:
    header = build_udh([(0, b"\x07\x02\x01")])
    desk.submit(text=b"whole")
    desk.submit(text=header + b"part", esm_class=int(EsmClass.UDHI))
    desk.submit(AID_REFUSED)
    data = DataSm(
        source_addr=NUMBER.encode(), destination_addr=AID.encode(), tlvs=[(Tag.MESSAGE_PAYLOAD, b"data")]
    )
    desk.intake.data(desk.session, ACCOUNT, desk.request(data))  # type: ignore[arg-type]
    desk.intake.multi(desk.session, ACCOUNT, desk.request(multi(SECOND_AID)))  # type: ignore[arg-type]
    answers = [await desk.session.answer() for _ in range(5)]
    assert sorted(answer[:2] for answer in answers) == [(1, 0), (2, 0), (3, REFUSED), (4, 0), (5, 0)]
    assert desk.texts() == [b"whole", b"data", b"to all"]
    states = {row["state"] for row in await rows(desk.domain, "message")}
    assert states == {State.HELD, State.QUEUED}


async def test_after_a_restart_a_part_with_another_text_costs_those_behind_it_nothing(desk: Desk) -> None:
    """The set is open in the store: what waited for the answer of that part belongs to it all the same."""
    await desk.accepted(**part(3, 1))
    again = Desk(Domain(desk.domain.store, desk.domain.vault, now_ms=desk.clock), desk.clock)
    again.verifier.held = True
    for fields in (part(3, 1, b"other"), part(3, 2), part(3, 3)):
        again.submit(**fields)
    again.verifier.release()
    answers = sorted([(await again.session.answer())[:2] for _ in range(3)])
    assert answers == [(1, CommandStatus.ESME_RSUBMITFAIL), (2, 0), (3, 0)]
    assert len(again.smsc.sent) == 3
    assert again.intake.pending == 0


async def test_what_one_message_does_wrong_costs_the_others_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is undone and each runs apart; what was remembered of it is forgotten, so nothing counts twice."""
    desk.verifier.answers[AID] = grant(frequency="2/day")
    insert = messages.insert

    def picky(conn: Any, new: Any) -> None:
        if any(row.octets == 4 for row, _, _ in new):
            raise ValueError("cannot be stored")
        insert(conn, new)

    monkeypatch.setattr(messages, "insert", picky)
    for text in (b"one..", b"four", b"three"):
        desk.submit(text=text)
    answers = [await desk.session.answer() for _ in range(3)]
    assert sorted(answer[:2] for answer in answers) == [(1, 0), (2, THROTTLED), (3, 0)]
    assert desk.texts() == [b"one..", b"three"]
    assert await desk.status() == REFUSED  # the third of the day
