"""What both ends of a connection promise: outcomes, order, gathering, orderly and sudden ends."""

from __future__ import annotations

import asyncio
import struct

import pytest

from smpp.aio.client import Client
from smpp.aio.connection import Connection, RequestFailed
from smpp.codec import encode
from smpp.constants import CommandStatus
from smpp.events import (
    ConnectionMustClose,
    Event,
    RequestReceived,
    RequestTimedOut,
    ResponseMalformed,
    ResponseReceived,
)
from smpp.pdu import BindTransceiver, CancelSm, DeliverSm, DeliverSmResp, Pdu, SubmitSm, SubmitSmResp
from smpp.session import SessionConfig, WindowFull
from tests.smpp.aio.centre import BIND, Centre, until

MESSAGE = SubmitSm(destination_addr=b"888112345678901234", short_message=b"hi")


async def test_each_outcome_goes_to_its_own_callback_in_order() -> None:
    async with Centre() as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        got: list[tuple[int, bytes]] = []
        all_there = asyncio.Event()

        def done(number: int, outcome: Pdu | RequestFailed) -> None:
            assert isinstance(outcome, Pdu)
            assert isinstance(outcome.body, SubmitSmResp)
            got.append((number, outcome.body.message_id))
            if len(got) == 50:
                all_there.set()

        for number in range(50):
            client.request(MESSAGE, lambda outcome, number=number: done(number, outcome))  # type: ignore[misc]
        await all_there.wait()
        assert got == [(number, b"id-%d" % (number + 2)) for number in range(50)]
        await client.close()


async def test_an_encoded_request_arrives_octet_for_octet() -> None:
    async with Centre() as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        answered = asyncio.Event()
        frame = encode(Pdu(MESSAGE, 12345))
        client.connection.request_frame(frame, lambda _: answered.set())
        await answered.wait()
        assert centre.requests[0].frame[16:] == frame[16:]
        await client.close()


async def test_an_error_is_a_response_too() -> None:
    async with Centre() as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        answer = await client.call(CancelSm(message_id=b"1"))
        assert answer.command_status == CommandStatus.ESME_RINVCMDID
        await client.close()


async def test_no_answer_in_time() -> None:
    async with Centre() as centre:
        centre.silent = True
        client = Client(BIND, config=SessionConfig(response_s=0.05))
        await client.connect("127.0.0.1", centre.port)
        with pytest.raises(RequestFailed) as caught:
            await client.call(MESSAGE)
        assert caught.value.reason == "timeout"
        client.connection.abort("end of test")


async def test_what_is_lost_is_told_before_the_end_is() -> None:
    async with Centre() as centre:
        centre.silent = True
        told: list[object] = []
        gone = asyncio.Event()

        def on_events(connection: Connection, events: list[Event]) -> None:
            told.extend(type(event) for event in events)
            if isinstance(events[-1], ConnectionMustClose):
                gone.set()

        client = Client(BIND, on_events)
        await client.connect("127.0.0.1", centre.port)
        for _ in range(3):
            client.request(MESSAGE, lambda outcome: told.append(str(outcome)))
        await until(lambda: len(centre.requests) == 3)
        centre.bound[0].abort("cut")
        await gone.wait()
        assert told[-4:] == ["closed", "closed", "closed", ConnectionMustClose]


async def test_closing_lets_open_requests_be_answered() -> None:
    async with Centre() as centre:
        centre.silent = True
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        call = asyncio.create_task(client.call(MESSAGE))
        await until(lambda: bool(centre.requests))
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        centre.answer(centre.bound[0], centre.requests[0])
        await closing
        assert (await call).command_status == 0
        assert not client.connection.is_bound


async def test_closing_a_peer_that_never_answers_ends_at_its_deadline() -> None:
    async with Centre() as centre:
        centre.silent = True
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        failed: list[str] = []
        client.request(MESSAGE, lambda outcome: failed.append(str(outcome)))
        await client.close(timeout=0.05)
        assert failed == ["closed"]


async def test_both_ways_at_once() -> None:
    async with Centre() as centre:
        got: list[bytes] = []

        def on_events(connection: Connection, events: list[Event]) -> None:
            for event in events:
                if isinstance(event, RequestReceived) and isinstance(event.pdu.body, DeliverSm):
                    got.append(event.pdu.body.short_message)
                    connection.respond(event.pdu.sequence_number, DeliverSmResp())

        client = Client(BIND, on_events)
        await client.connect("127.0.0.1", centre.port)
        assert centre.bound[0].can_send
        answers = await asyncio.gather(
            *(centre.bound[0].call(DeliverSm(short_message=b"%d" % n)) for n in range(20)),
            *(client.call(MESSAGE) for _ in range(20)),
        )
        assert {answer.command_status for answer in answers} == {0}
        assert got == [b"%d" % n for n in range(20)]
        await client.close()


async def test_the_window_is_said_to_be_full() -> None:
    async with Centre() as centre:
        client = Client(BIND, config=SessionConfig(outbound_window=1))
        await client.connect("127.0.0.1", centre.port)
        first = asyncio.create_task(client.call(MESSAGE))
        await asyncio.sleep(0)
        assert client.connection.window_free == 0
        with pytest.raises(WindowFull):
            client.request(MESSAGE, lambda _: None)
        await first
        assert client.connection.window_free == 1
        await client.close()


async def test_a_handler_that_fails_ends_its_connection_only() -> None:
    async with Centre() as centre:

        def on_events(connection: Connection, events: list[Event]) -> None:
            if any(isinstance(event, RequestReceived) for event in events):
                raise RuntimeError("a bug of the application")

        failing, other = Client(BIND, on_events), Client(BIND)
        await failing.connect("127.0.0.1", centre.port)
        await other.connect("127.0.0.1", centre.port)
        with pytest.raises(RequestFailed):
            await centre.bound[0].call(DeliverSm())
        await failing.connection.wait_closed()
        assert (await other.call(MESSAGE)).command_status == 0
        await other.close()


async def test_a_callback_that_fails_costs_the_others_nothing() -> None:
    async with Centre() as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)

        def failing(_: object) -> None:
            raise RuntimeError("a bug of the application")

        client.request(MESSAGE, failing)
        assert (await client.call(MESSAGE)).command_status == 0
        await client.close()


async def test_the_taps_see_every_octet_received() -> None:
    seen_by_centre, seen_by_client = bytearray(), bytearray()
    async with Centre(tap=seen_by_centre.extend) as centre:
        client = Client(BIND, tap=seen_by_client.extend)
        await client.connect("127.0.0.1", centre.port)
        await client.call(MESSAGE)
        await client.close()
    assert b"888112345678901234" in seen_by_centre
    assert b"id-2" in seen_by_client


async def test_a_shorter_timer_holds_at_once() -> None:
    async with Centre(SessionConfig(enquire_link_s=60, inactivity_s=60)) as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        centre.bound[0].configure(SessionConfig(inactivity_s=0.05))
        async with asyncio.timeout(5):
            await client.connection.wait_closed()


async def test_outcomes_without_callbacks_come_in_bulk_with_their_context() -> None:
    async with Centre() as centre:
        reads: list[list[Event]] = []
        client = Client(BIND, lambda _, events: reads.append(events))
        await client.connect("127.0.0.1", centre.port)
        frame = encode(Pdu(MESSAGE))
        for number in range(50):
            client.connection.request_frame(frame, context=number)
        await until(lambda: client.connection.window_free == 100)
        answers = [event for read in reads for event in read if isinstance(event, ResponseReceived)]
        assert [event.request.context for event in answers] == list(range(50))
        assert len(reads) < 10
        await client.close()


async def test_failures_without_callbacks_come_with_their_context_too() -> None:
    async with Centre() as centre:
        centre.silent = True
        told: list[Event] = []
        client = Client(BIND, lambda _, events: told.extend(events), SessionConfig(response_s=0.05))
        await client.connect("127.0.0.1", centre.port)
        client.connection.request(MESSAGE, context="late")
        await until(lambda: any(isinstance(event, RequestTimedOut) for event in told))
        number = client.connection.request(MESSAGE, context="garbled")
        await until(lambda: len(centre.requests) == 2)
        garbled = struct.pack(">IIII", 17, 0x8000_0004, 0, number) + b"x"
        transport = centre.bound[0]._transport
        assert transport is not None
        transport.write(garbled)
        await until(lambda: any(isinstance(event, ResponseMalformed) for event in told))
        client.connection.request(MESSAGE, context="lost")
        centre.bound[0].abort("cut")
        await until(lambda: isinstance(told[-1], ConnectionMustClose))
        failed = [
            event.request.context for event in told if isinstance(event, RequestTimedOut | ResponseMalformed)
        ]
        assert failed == ["late", "garbled"]
        assert [request.context for request in told[-1].lost] == ["lost"]  # type: ignore[attr-defined]


async def test_answers_of_one_turn_leave_in_one_write() -> None:
    writes: list[int] = []
    async with Centre() as centre:
        centre.silent = True
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        done: list[object] = []
        for _ in range(20):
            client.request(MESSAGE, done.append)
        await until(lambda: len(centre.requests) == 20)
        transport = centre.bound[0]._transport
        assert transport is not None
        send = transport.write
        transport.write = lambda data: (writes.append(len(data)), send(data))[1]  # type: ignore[method-assign]
        for event in centre.requests:
            centre.bound[0].respond_message(event.pdu.sequence_number, b"id")
        await until(lambda: len(done) == 20)
        assert writes == [20 * len(encode(Pdu(SubmitSmResp(b"id"), 1)))]
        assert {outcome.body.message_id for outcome in done} == {b"id"}  # type: ignore[attr-defined]
        await client.close()


async def test_a_held_connection_takes_nothing_more_until_it_is_let_go() -> None:
    async with Centre() as centre:
        client = Client(BIND)
        await client.connect("127.0.0.1", centre.port)
        server = centre.bound[0]
        server.pause_reading()
        done: list[object] = []
        client.request(MESSAGE, done.append)
        for _ in range(20):
            await asyncio.sleep(0)
        assert (centre.requests, done) == ([], [])
        server.pause_writing()  # the peer does not read either: one reason gone is not both
        server.resume_reading()
        for _ in range(20):
            await asyncio.sleep(0)
        assert centre.requests == []
        server.resume_writing()
        await until(lambda: len(done) == 1)
        await client.close()


async def test_congestion_is_told_across() -> None:
    async with Centre() as centre:
        client = Client(BindTransceiver(b"ent-a", b"secret08", interface_version=0x50))
        await client.connect("127.0.0.1", centre.port)
        assert client.connection.peer_congestion is None
        centre.bound[0].congestion_state = 85
        await client.call(MESSAGE)
        assert (client.connection.peer_congestion, centre.bound[0].congestion_state) == (85, 85)
        await client.close()
