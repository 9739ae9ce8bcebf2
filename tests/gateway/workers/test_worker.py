"""What the gateway's process makes of what a front process says, however wrong."""

import socket
from typing import Any, cast

import pytest

from gateway.access_number import AccessNumberRow
from gateway.sms.check import Checked, Unfit
from gateway.sms.esme_session import DeliveryFailed, EsmeSession, MessagesChecked
from gateway.store.accounts import AccountRow
from gateway.workers.channel import Message
from gateway.workers.stand_in import StandIn
from gateway.workers.wire import (
    ANSWER,
    FAILURE,
    HANDED,
    PLAIN,
    REFUSED,
    Asked,
    ToFront,
    ToStore,
    pack_submits,
)
from gateway.workers.worker import BAD_AT_ONCE_MAX, Worker
from smpp.codec import encode
from smpp.constants import CommandStatus
from smpp.events import (
    BadPduReceived,
    BindRequested,
    ConnectionMustClose,
    Event,
    MessagesReceived,
    RequestReceived,
)
from smpp.pdu import BindTransceiver, DeliverSm, Pdu, QuerySm
from smpp.session import SessionConfig
from tests.gateway.carrier import AID
from tests.gateway.workers.in_loop import Nobody
from tests.gateway.workers.test_stand_in import Wire

BIND = Asked(encode(Pdu(BindTransceiver(system_id=b"sms-a"), 1)), None, None).pack()


class Told(Nobody):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.closed: list[int] = []
        self.fails = False

    def on_events(self, session: EsmeSession, events: list[Event]) -> None:
        if self.fails:
            raise RuntimeError("a room failed")
        self.events += events

    def gone(self, session: StandIn) -> None:
        self.closed.append(session.number)


@pytest.fixture
async def owner() -> Told:
    return Told()


@pytest.fixture
async def worker(owner: Told) -> Worker:
    made = Worker("front-1", owner)
    made.channel = cast(Any, Wire())
    made.sessions[7] = StandIn(7, ("192.0.2.1", 5), SessionConfig(in_bulk=True), made.channel)
    return made


def say(worker: Worker, *messages: tuple[int, bytes]) -> None:
    worker._take([Message(kind, 7, payload) for kind, payload in messages])


async def test_each_thing_it_says_becomes_an_event(owner: Told, worker: Worker) -> None:
    session = worker.sessions[7]
    say(worker, (ToStore.BIND, BIND), (ToStore.BAD, REFUSED.pack(3, 0x666, 2) + b"unknown command_id"))
    session.accept_bind(b"")
    frame = encode(Pdu(DeliverSm(), 0))
    assert session.request_messages([(frame, "one"), (frame, "two")]) == 2
    say(
        worker,
        (ToStore.SUBMITS, pack_submits(1.0, [])),
        (ToStore.FAILED, FAILURE.pack(1, 0)),
        (ToStore.FAILED, FAILURE.pack(1, 0)),
        (ToStore.CLOSED, b"unbound by peer"),
        (ToStore.GONE, b""),
        (ToStore.GONE, b""),
    )
    kinds = [type(event) for event in owner.events]
    assert kinds == [
        BindRequested, BadPduReceived, BadPduReceived, MessagesChecked, DeliveryFailed, ConnectionMustClose,
    ]  # fmt: skip
    assert owner.events[4] == DeliveryFailed("one", "timeout")
    end = owner.events[5]
    assert isinstance(end, ConnectionMustClose)
    assert (end.reason, [request.context for request in end.lost]) == ("unbound by peer", ["two"])
    assert (owner.closed, worker.sessions) == ([7], {})


async def test_what_several_reads_brought_goes_on_together_and_stays_before_what_came_after(
    owner: Told, worker: Worker
) -> None:
    say(worker, (ToStore.BIND, BIND))
    worker.sessions[7].accept_bind(b"")
    frame = encode(Pdu(DeliverSm(), 0))
    worker.sessions[7].request_messages([(frame, "one"), (frame, "two")])
    query = encode(Pdu(QuerySm(message_id=b"1"), 9))
    unfit = [pack_submits(float(number), [(number, Unfit(8))]) for number in range(1, 4)]
    say(
        worker,
        (ToStore.SUBMITS, unfit[0]),
        (ToStore.ANSWERS, ANSWER.pack(1, 0)),
        (ToStore.SUBMITS, unfit[1]),
        (ToStore.ANSWERS, ANSWER.pack(2, 8)),
        (ToStore.REQUEST, query),
        (ToStore.SUBMITS, unfit[2]),
    )
    assert owner.events[1:] == [
        MessagesChecked(1.0, [(1, Unfit(8)), (2, Unfit(8))]),
        MessagesReceived([], [("one", 0, b""), ("two", 8, b"")]),
        RequestReceived(Pdu(QuerySm(message_id=b"1"), 9), query),
        MessagesChecked(3.0, [(3, Unfit(8))]),
    ]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (99, b""),
        (ToStore.BIND, b""),
        (ToStore.BIND, Asked(b"no frame", None, None).pack()),
        (ToStore.SUBMITS, b"\0\0"),
        (ToStore.SUBMITS, pack_submits(0.0, [])[:8] + b"\xff\xff\xff\xff"),
        (ToStore.REQUEST, b"\0\0\0\x10"),
        (ToStore.ANSWERS, b"\0\0\0"),
        (ToStore.FAILED, FAILURE.pack(1, 9)),
        (ToStore.BAD, b"\0"),
        (ToStore.TALLY, b"{}"),
        (ToStore.TALLY, b"\xff"),
    ],
)
async def test_what_is_not_understood_is_logged_and_what_follows_is_taken(
    owner: Told, worker: Worker, kind: int, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    say(worker, (ToStore.BIND, BIND))
    worker.sessions[7].accept_bind(b"")
    worker.sessions[7].request_messages([(encode(Pdu(DeliverSm(), 0)), "one")])
    say(worker, (kind, payload), (ToStore.CLOSED, b"then"))
    assert "is not understood" in caplog.text
    assert isinstance(owner.events[-1], ConnectionMustClose)


async def test_of_refused_pdus_no_more_are_told_than_a_read_can_have(owner: Told, worker: Worker) -> None:
    say(worker, (ToStore.BAD, REFUSED.pack(3, 0x666, 0xFFFF_FFFF) + b"unknown command_id"))
    assert len(owner.events) == BAD_AT_ONCE_MAX


async def test_a_room_that_fails_ends_that_session_alone(owner: Told, worker: Worker) -> None:
    owner.fails = True
    say(worker, (ToStore.BIND, BIND))
    assert [kind for kind, _, _ in cast(Any, worker.channel).sent] == [ToFront.ABORT]
    owner.fails = False
    say(worker, (ToStore.CLOSED, b"internal error"))
    assert len(owner.events) == 1


async def test_a_connection_that_it_takes_not_stays_here(worker: Worker) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    worker._handed = ours
    connection, other = socket.socketpair()
    session = StandIn(8, ("192.0.2.1", 5), SessionConfig(in_bulk=True), worker.channel)
    assert worker.hand(connection, session, PLAIN)
    told, descriptors, _, _ = socket.recv_fds(theirs, HANDED.size, 1)
    assert (HANDED.unpack(told), len(descriptors)) == ((8, PLAIN), 1)
    assert connection.fileno() == -1
    socket.socket(fileno=descriptors[0]).close()
    theirs.close()
    assert not worker.hand(other, session, PLAIN)
    assert other.fileno() != -1
    other.close()
    ours.close()


async def test_a_message_from_a_number_of_another_account_is_refused_whatever_was_checked(
    worker: Worker, owner: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = AccessNumberRow("1071", "ent-b", "sms-b", None)
    monkeypatch.setattr(owner, "number_of", {"1071": theirs}.get)
    worker.sessions[7].context = AccountRow("sms-a", "ent-a", "", 1)
    checked = Checked(theirs, "1071", AID, b"frame", None, 0, 0, False, 0, b"", 1, 2, b"")
    say(worker, (ToStore.SUBMITS, pack_submits(1.0, [(1, checked)])))
    assert owner.events == [MessagesChecked(1.0, [(1, Unfit(CommandStatus.ESME_RINVSRCADR))])]
