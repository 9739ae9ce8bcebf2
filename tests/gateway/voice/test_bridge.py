"""What happens to a call while it rings and while it is up, whoever causes it; and that its record is closed."""

import socket

import pytest

from foundation.store import StoreBusy
from gateway.records.reports import report_of
from gateway.settings import SipSideSettings
from gateway.store import records
from gateway.voice import probes
from gateway.voice import service as voice_service
from interparty.messages import Report
from sip.events import (
    CallAnswered,
    CallCancelled,
    CallEnded,
    CallEstablished,
    CallFailed,
    CallProgress,
    IncomingCall,
    RequestReceived,
    ResponseReceived,
)
from sip.message import Request, make_response
from sip.uri import SipUri
from tests.gateway.voice.conftest import (
    AID,
    EDI_ID,
    MSISDN,
    NUMBER,
    World,
    answer,
    offer,
    until,
)
from tests.ports import free_port


async def test_cancel_reaches_the_ringing_handset(world: World) -> None:
    out = world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.ring(world.core.now())
    await world.phone.next(CallProgress)
    out.cancel(world.phone.now())
    assert (await world.phone.next(CallFailed)).status == 487
    await world.core.next(CallCancelled)
    assert await world.results() == ["CANCELLED"]


async def test_cancel_before_the_trust_partys_answer_calls_nobody(world: World) -> None:
    world.verifier.held = []
    out = world.call()
    await until(lambda: bool(world.verifier.held))
    # The INVITE is answered 100 after 200 ms at the latest; only then a CANCEL may go (9.1).
    out.cancel(world.phone.now())
    assert (await world.phone.next(CallFailed)).status == 487
    world.verifier.held.pop()()
    assert await world.results() == ["CANCELLED"]
    assert not any(isinstance(event, IncomingCall) for event in world.core.seen())


async def test_an_answer_that_crosses_a_cancel_ends_with_bye(world: World) -> None:
    out = world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.ring(world.core.now())
    await world.phone.next(CallProgress)
    out.cancel(world.phone.now())
    arrived.call.answer(answer(arrived.request.body), world.core.now())
    failed = await world.phone.next((CallFailed, CallEnded))
    assert isinstance(failed, CallEnded) or failed.status == 487
    await world.core.next((CallEnded, CallCancelled))
    assert len(await world.closed()) == 1


async def test_a_late_offer_is_answered_in_the_ack(world: World) -> None:
    out = world.call(body=b"")
    arrived = await world.core.next(IncomingCall)
    assert arrived.request.body == b""
    arrived.call.answer(offer(41000), world.core.now())
    answered = await world.phone.next(CallAnswered)
    assert b"m=audio 20000 " in answered.response.body
    out.acknowledge(answer(answered.response.body, 40004), world.phone.now())
    assert b"m=audio 20002 " in (await world.core.next(CallEstablished)).ack.body
    assert (world.relay.remotes["b"][-1].rtp_port, world.relay.remotes["a"][-1].rtp_port) == (41000, 40004)


async def test_early_media_passes_where_the_configuration_says_so(world: World) -> None:
    await world.restart(early_media="relay")
    world.call()
    arrived = await world.core.next(IncomingCall)
    assert world.relay.created[-1][1] is True
    arrived.call.ring(world.core.now(), 183, body=answer(arrived.request.body))
    progress = (await world.phone.next(CallProgress)).response
    assert progress.status == 183
    arrived.call.answer(answer(arrived.request.body), world.core.now())
    # RFC 3261 13.2.1: the answer is the same in every response of the dialog.
    assert (await world.phone.next(CallAnswered)).response.body == progress.body


async def test_a_call_that_rings_too_long_is_given_up(world: World) -> None:
    await world.restart(ring_s=0.3)
    world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.ring(world.core.now())
    assert (await world.phone.next(CallFailed)).status == 480
    await world.core.next(CallCancelled)
    assert await world.results() == ["NO_ANSWER"]


async def test_without_ports_the_caller_may_try_again(world: World) -> None:
    world.relay.full = True
    world.call()
    failed = await world.phone.next(CallFailed)
    assert failed.response is not None
    assert (failed.status, failed.response.get("Retry-After")) == (503, "2")
    assert await world.results() == ["MEDIA_LOST"]


async def test_when_the_relay_ends_calls_are_released_and_a_new_one_is_started(world: World) -> None:
    await world.talk()
    world.relay.running = False
    assert world.relay.on_exit is not None
    world.relay.on_exit(1)
    await world.phone.next(CallEnded)
    await world.core.next(CallEnded)
    assert await world.results() == ["MEDIA_LOST"]
    await until(lambda: world.service.media_running)
    await world.talk()


async def test_a_start_closes_what_an_earlier_run_left(world: World) -> None:
    await world.talk()
    (left,) = await world.rows("call")
    await world.service.stop()

    def put_back(conn):
        conn.execute("DELETE FROM cdr")
        conn.execute(
            "INSERT INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            tuple(left.values()),
        )

    await world.domain.store.write(put_back)
    world.trust_rows = 0
    world.service = world.make_service()
    await world.service.start()
    (cdr,) = await world.closed()
    assert (cdr["result"], cdr["id"], cdr["aid"]) == ("INTERRUPTED", left["id"], AID)
    assert cdr["answered_at"] == left["answered_at"]
    assert world.trust_rows == 1


async def test_after_a_crash_calls_are_released_on_both_legs(world: World) -> None:
    """No ghost calls: the ends are told by who was started anew, though it has none of their transactions."""
    await world.talk()
    [row] = await world.rows("call")
    assert MSISDN.encode() not in row["sealed"]
    await world.crash()
    assert (await world.phone.next(CallEnded)).cause == "bye"
    assert (await world.core.next(CallEnded)).cause == "bye"
    assert await world.results() == ["INTERRUPTED"]


async def test_a_call_that_rang_at_the_crash_and_is_taken_afterwards_is_released(world: World) -> None:
    """The person would hear nothing, and nobody would know."""
    await world.restart(core_side=SipSideSettings(port=free_port(socket.SOCK_DGRAM)))
    world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.ring(world.core.now())
    await world.phone.next(CallProgress)
    await world.crash()
    assert await world.results() == ["INTERRUPTED"]
    arrived.call.answer(answer(arrived.request.body), world.core.now())
    assert (await world.core.next(CallEnded)).cause == "bye"


async def test_the_report_names_the_edi_and_no_number(world: World) -> None:
    out, _ = await world.talk()
    out.hangup(world.phone.now())
    await world.closed()
    [told] = await world.domain.store.write(lambda conn: records.unreported(conn, 10))
    report = Report.model_validate_json(report_of(told))
    assert (report.edi_id, report.channel, report.direction) == (EDI_ID.hex(), "voice", "call")
    assert MSISDN not in report.model_dump_json()
    assert AID not in report.model_dump_json()


async def test_a_record_that_the_store_did_not_take_is_closed_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = await world.talk()
    with monkeypatch.context() as patch:

        def busy(*_: object) -> None:
            raise StoreBusy

        patch.setattr(world.domain.store, "put_all", busy)
        out.hangup(world.phone.now())
        await world.core.next(CallEnded)
        await until(lambda: not world.service.calls_up)
    assert await world.results() == ["ANSWERED"]


async def test_options_is_answered_and_other_requests_are_not_allowed(world: World) -> None:
    for method, status in (("OPTIONS", 200), ("MESSAGE", 405)):
        to = Request("OPTIONS", SipUri(NUMBER, "x"), [("To", f"<sip:{NUMBER}@x>")]).to
        world.phone.agent.send_request(
            method, SipUri(None, "127.0.0.1"), to=to, from_=to, flow=world.gateway, now=world.phone.now()
        )
        assert (await world.phone.next(ResponseReceived)).response.status == status


def test_the_sweep_is_often_enough_for_what_it_ends() -> None:
    assert voice_service.SWEEP_S <= 1.0


async def test_a_side_that_lost_the_call_ends_it_for_the_other(world: World) -> None:
    out, called = await world.talk()
    called.dialog.remote_cseq = None
    world.core.agent.drop_dialog(called.dialog)
    out.request_in_dialog("INFO", world.phone.now(), body=b"5", content_type="application/dtmf")
    await world.phone.next(CallEnded)
    assert await world.results() == ["LOST"]


async def test_a_peer_that_answers_no_options_is_told_to_be_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PROBE_S", 0.02)
    world.core.endpoint.close()
    await world.restart(core_probe_s=0.03)
    await until(lambda: set(world.service.core_states.values()) == {"down"})


async def test_a_peer_that_answers_is_up(world: World) -> None:
    await world.restart(core_probe_s=0.03)
    asked = await world.core.next(RequestReceived)
    assert asked.request.method == "OPTIONS"
    world.core.agent.respond(asked.transaction, 404, now=world.core.now())
    await world.core.next(RequestReceived)
    assert set(world.service.core_states.values()) == {"up"}


async def test_each_repeat_of_the_cores_answer_is_acknowledged(world: World) -> None:
    """RFC 3261 13.2.2.4."""
    world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.answer(answer(arrived.request.body), world.core.now())
    await world.core.next(CallEstablished)
    transaction, response = arrived.call.invite, make_response(arrived.request, 200)
    response.set("To", arrived.call.dialog.local)
    for _ in range(3):
        world.core.agent.layer.respond(transaction, response, world.core.now())
    await until(lambda: bytes(world.core.received).count(b"ACK sip:") == 4)


async def test_a_side_that_does_not_refresh_its_session_ends_it_for_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 4028 10: the core refreshes, and then vanishes."""
    await world.restart(session_expires_s=90)
    out, _ = await world.talk()
    world.core.endpoint.close()
    endpoint = world.service._bridges.endpoints["b"]
    monkeypatch.setattr(type(endpoint), "now", lambda self: self._loop.time() + 100)
    endpoint.agent.handle_timer(endpoint.now())
    endpoint._flush()
    await world.phone.next(CallEnded)
    assert await world.results() == ["LOST"]
    assert out.over


async def test_an_offer_that_the_ack_does_not_answer_ends_the_call(world: World) -> None:
    """RFC 3264 4: without an answer there is no session."""
    out = world.call(body=b"")
    arrived = await world.core.next(IncomingCall)
    arrived.call.answer(offer(41000), world.core.now())
    await world.phone.next(CallAnswered)
    out.acknowledge(b"", world.phone.now())
    await world.phone.next(CallEnded)
    await world.core.next(CallEnded)
    assert await world.results() == ["FAILED"]
