"""Two calls that share nothing on the wire: what happens on one leg is told on the other in words of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from foundation.store import StoreBusy, StoreUnavailable
from gateway.records import metrics
from gateway.settings import VoiceSettings
from gateway.store.accounts import TrunkRow
from gateway.store.ids import text_of
from gateway.voice.call_record import CallRecord, CallRecords, Direction, Result
from gateway.voice.core_peers import CorePeer
from gateway.voice.egress import (
    CORE_SIDE,
    ENTERPRISE_SIDE,
    Headers,
    crossing_headers,
    crossing_status,
    guarded_body,
)
from gateway.voice.media import CallMedia
from masking.sip_leg import build_info, enterprise_status
from sip.aio.endpoint import SipEndpoint
from sip.call import Call
from sip.dialog import Dialog, DialogError
from sip.events import (
    CallAnswered,
    CallCancelled,
    CallEnded,
    CallEstablished,
    CallFailed,
    CallProgress,
    CallRequest,
    Event,
    ModificationAcknowledged,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
    RequestFailed,
    ResponseReceived,
)
from sip.flow import Flow
from sip.headers import NameAddr
from sip.media.control import MediaControl, MediaError, MediaStats, MediaUnavailable, Side
from sip.message import Request, Response
from sip.transaction_server import ServerTransaction
from sip.uri import Uri

STEPS_MAX = 32
"""Steps of one call that wait for relay or store; a call that asks for more is released."""
RETRY_AFTER_S = 2
INFO_TYPES = "application/dtmf-relay, application/dtmf"

_RESULTS = {
    403: Result.REJECTED,
    404: Result.UNREACHABLE,
    408: Result.NO_ANSWER,
    410: Result.UNREACHABLE,
    480: Result.NO_ANSWER,
    484: Result.UNREACHABLE,
    486: Result.BUSY,
    487: Result.NO_ANSWER,
    600: Result.BUSY,
    603: Result.REJECTED,
    604: Result.UNREACHABLE,
}

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Leg:
    """One side of a bridge: the call's context in the agent of its side."""

    bridge: Bridge
    side: Side
    endpoint: SipEndpoint
    call: Call


@dataclass(frozen=True, slots=True)
class Invitation:
    """The INVITE of the second leg; everything in it was made for that leg."""

    uri: Uri
    to: NameAddr
    from_: NameAddr
    flow: Flow
    headers: Headers
    peer: CorePeer | None = None
    """The core's peer that it goes to."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """An INFO that was passed on: who waits for its answer."""

    leg: Leg
    transaction: ServerTransaction


class Bridge:
    """One call through the gateway, from its admission until its record is handed over.

    What only concerns signalling happens at once. What needs the relay or the store is a step; steps run
    one after the other, so that descriptions are never mixed up. The last step closes the record.
    """

    def __init__(self, table: Bridges, direction: Direction, side: Side, call: Call, trunk: TrunkRow) -> None:
        self.direction = direction
        self.trunk = trunk
        self.caller = Leg(self, side, table.endpoints[side], call)
        self.callee: Leg | None = None
        self.media: CallMedia | None = None
        self.over = False
        self.talking_since: float | None = None
        """Monotonic seconds of the answer."""
        self._table = table
        self._record: CallRecord | None = None
        self._msisdn: str | None = None
        self._result = Result.FAILED
        self._rung = False
        self._told = False
        """The called side said something: it is not given up for another."""
        self._offer = b""
        self._early_body = b""
        self._invitations: deque[Invitation] = deque()
        self._peer: CorePeer | None = None
        self._silent: asyncio.TimerHandle | None = None
        self._steps: deque[Callable[[], Awaitable[None]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        call.context = self.caller

    @property
    def edi_id(self) -> bytes | None:
        """Under which the call is authorized, None before that is known."""
        return None if self._record is None else self._record.edi_id

    # -- before there is a second leg -------------------------------------------------------------------

    def refuse(self, status: int, headers: Headers) -> None:
        """Answer the caller with a refusal; there is no record to close."""
        if not self.over:
            self.over = True
            self.caller.call.reject(status, self.caller.endpoint.now(), headers=headers)
        self._table.remove(self)

    def connect(self, record: CallRecord, msisdn: str, invitations: Sequence[Invitation]) -> None:
        """The call is authorized and its record committed: only now the second leg is called. Where the first does
        not answer at all, or is overloaded, the next is tried."""
        self._record, self._msisdn = record, msisdn
        self._invitations = deque(invitations)
        if self.over:
            # The caller was faster; the contact counts all the same, since it was authorized.
            self._close_record(None)
        else:
            self._enqueue(partial(self._open_media, record))

    async def _open_media(self, record: CallRecord) -> None:
        control = self._table.media
        if control is None:
            raise MediaUnavailable("no relay")
        early = self._table.settings.early_media == "relay"
        self.media = await CallMedia.open(control, text_of(record.id), early_from_core=early)
        offer = self.caller.call.request.body
        self._offer = await self._relayed(self.caller, offer) if offer else b""
        if not self.over:
            self._invite()

    def _invite(self) -> None:
        """Call the next of those who may take the call."""
        invitation = self._invitations.popleft()
        side = CORE_SIDE if self.caller.side == ENTERPRISE_SIDE else ENTERPRISE_SIDE
        endpoint = self._table.endpoints[side]
        try:
            call = endpoint.agent.invite(
                invitation.uri,
                to=invitation.to,
                from_=invitation.from_,
                flow=invitation.flow,
                now=endpoint.now(),
                body=self._offer,
                headers=invitation.headers,
            )
        except OverflowError:
            self.finish(Result.FAILED, status=503)
            return
        self.callee = call.context = Leg(self, side, endpoint, call)
        self._peer = invitation.peer
        if self._invitations:
            wait = self._table.settings.core_answer_s
            self._silent = asyncio.get_running_loop().call_later(wait, self._try_next, call)

    def _try_next(self, call: Call) -> bool:
        """Give up whom nothing was heard of, and call the next; False where that is not so, or there is none."""
        self._heard()
        callee = self.callee
        if self.over or callee is None or callee.call is not call or self._told or not self._invitations:
            return False
        if not call.over and call.was_heard:
            return False  # it said 100: it is there, and looks for the person
        # Should it answer after all: CANCEL, or ACK and BYE, and nobody here hears of it.
        call.context = None
        call.hangup(callee.endpoint.now())
        self._invite()
        return True

    def _heard(self) -> None:
        if self._silent is not None:
            self._silent.cancel()
            self._silent = None

    def _failed(self, leg: Leg, status: int, response: Response | None) -> bool:
        """Whether another is called in the place of one that is overloaded or not there."""
        if leg is not self.callee or not (response is None or status == 503):
            return False
        if self._peer is not None and response is not None:
            self._peer.overloaded(leg.endpoint.now(), _retry_after(response))
        return self._try_next(leg.call)

    # -- events -----------------------------------------------------------------------------------------

    def handle(self, leg: Leg, event: Event) -> None:
        """What happened on one leg."""
        now = leg.endpoint.now()
        match event:
            case CallRequest(transaction=transaction, request=request):
                self._request(leg, transaction, request, now)
            case ResponseReceived(transaction=sent, response=response):
                self._request_answered(sent.context, response.status)
            case RequestFailed(transaction=sent):
                self._request_answered(sent.context, 408)
            case _ if self.over:
                return  # what crossed our own release on the wire
            case CallProgress(response=response):
                self._told = True
                self._heard()
                self._progressed(leg, response, now)
            case CallAnswered(response=response):
                self._heard()
                self._enqueue(partial(self._answered, leg, response))
            case CallEstablished(ack=ack):
                # RFC 3264 5: without an offer in the INVITE, the answer is in the ACK.
                if leg is self.caller and not leg.call.request.body:
                    self._enqueue(partial(self._late_answer, leg, ack))
            case CallFailed(status=status, response=response) if self._failed(leg, status, response):
                pass
            case CallFailed(status=status, response=response):
                result = Result.UNREACHABLE if response is None else _RESULTS.get(status, Result.FAILED)
                self.finish(result, status=crossing_status(self.caller.side, status), message=response)
            case CallCancelled(request=request):
                self.finish(Result.CANCELLED, message=request)
            case CallEnded(cause=cause, request=request):
                self.finish(self._ending(cause), message=request)
            case ModificationReceived(request=request):
                self._modified(leg, request, now)
            case ModificationAcknowledged(ack=ack) if ack.body:
                self._enqueue(partial(self._refreshed, leg, ack))
            case ModificationAnswered(response=response):
                self._enqueue(partial(self._modification_answered, leg, response))
            case ModificationFailed(status=status):
                self._enqueue(partial(self._modification_failed, leg, status))

    def _ending(self, cause: str) -> Result:
        if self.talking_since is None:
            return Result.NO_ANSWER if cause == "expired" else Result.FAILED
        return Result.ANSWERED if cause == "bye" else Result.LOST

    def _other(self, leg: Leg) -> Leg | None:
        return self.callee if leg is self.caller else self.caller

    # -- setting up -------------------------------------------------------------------------------------

    def _progressed(self, leg: Leg, response: Response, now: float) -> None:
        """Ringing and early media are told; other progress (queueing) would say where the call went."""
        early = leg.side == ENTERPRISE_SIDE or self._table.settings.early_media == "relay"
        if response.body and leg.call.request.body:
            if early and response.body != self._early_body:
                self._enqueue(partial(self._early_media, leg, response))
            self._early_body = response.body
        ringing = enterprise_status(response.status)[0] == 180
        if (ringing or (response.body and not early)) and not self._rung:
            # Early media that is withheld: the caller's own equipment makes the ring-back tone.
            self._rung = True
            self.caller.call.ring(now, 180)

    async def _early_media(self, leg: Leg, response: Response) -> None:
        body = await self._relayed(leg, response.body)
        if not self.over:
            self.caller.call.ring(self.caller.endpoint.now(), 183, body=body)

    async def _answered(self, leg: Leg, response: Response) -> None:
        """The other end answered: open the media, note the time on disk, then tell the caller."""
        assert self.media is not None
        assert self._record is not None
        if self.over:
            return
        # 13.2.1: an answer that came in progress may be left out of the 2xx by old equipment.
        body = await self._relayed(leg, response.body or self._early_body)
        await self.media.talk()
        await self._table.records.answered(self._record, self._msisdn or "", self._dialogs())
        if self.over:
            self._record.answered_at = None  # the caller never heard of it
            return
        self.talking_since = now = self.caller.endpoint.now()
        headers = crossing_headers(self.caller.side, response, self._msisdn)
        self.caller.call.answer(body, now, headers=headers)

    def _dialogs(self) -> dict[Side, Dialog]:
        legs = (self.caller, self.callee)
        return {leg.side: leg.call.dialog for leg in legs if leg is not None and leg.call.dialog is not None}

    async def _late_answer(self, leg: Leg, ack: Request) -> None:
        if self.callee is None or self.over:
            return
        body = await self._relayed(leg, ack.body)
        self.callee.call.acknowledge(body, self.callee.endpoint.now())

    async def _relayed(self, leg: Leg, body: bytes) -> bytes:
        """A leg's description as the other leg is shown it. Raises ValueError, MediaError."""
        assert self.media is not None
        shown = await self.media.relay(leg.side, body, leg.call.flow.host)
        side = CORE_SIDE if leg.side == ENTERPRISE_SIDE else ENTERPRISE_SIDE
        return guarded_body(side, shown, self._msisdn)

    # -- while it is up ---------------------------------------------------------------------------------

    def _modified(self, leg: Leg, request: Request, now: float) -> None:
        if self.media is None or self._other(leg) is None:
            leg.call.reject_modification(488, now)
        elif not request.body:
            # A refresh, or a request for our offer: what holds is offered again.
            leg.call.accept_modification(self.media.shown(leg.side), now)
        else:
            self._enqueue(partial(self._offer_change, leg, request))

    async def _refreshed(self, leg: Leg, ack: Request) -> None:
        """The answer to what was offered again: the side may listen elsewhere now."""
        if self.media is not None and not self.over:
            await self.media.listen(leg.side, ack.body, leg.call.flow.host)

    async def _offer_change(self, leg: Leg, request: Request) -> None:
        other = self._other(leg)
        if self.over or other is None or self.media is None:
            return
        try:
            body = await self._relayed(leg, request.body)
        except ValueError:
            leg.call.reject_modification(488, leg.endpoint.now())
            return
        if not other.call.reinvite(body, other.endpoint.now()):
            await self.media.revert(leg.side)
            leg.call.reject_modification(491, leg.endpoint.now())

    async def _modification_answered(self, leg: Leg, response: Response) -> None:
        asker = self._other(leg)
        if self.over or asker is None or self.media is None:
            return
        if response.body:
            body = await self._relayed(leg, response.body)
        else:
            body = self.media.shown(asker.side)
        asker.call.accept_modification(body, asker.endpoint.now())

    async def _modification_failed(self, leg: Leg, status: int) -> None:
        asker = self._other(leg)
        if self.over or asker is None or self.media is None:
            return
        await self.media.revert(asker.side)
        asker.call.reject_modification(crossing_status(asker.side, status), asker.endpoint.now())

    def _request(self, leg: Leg, transaction: ServerTransaction, request: Request, now: float) -> None:
        """INFO with digits crosses, rebuilt; nothing else does."""
        agent, other = leg.endpoint.agent, self._other(leg)
        if self.over or other is None:
            agent.respond(transaction, 481, now=now)
        elif request.method != "INFO":
            agent.respond(transaction, 405, now=now, headers=[("Allow", ", ".join(agent.config.allow))])
        elif not request.body:
            agent.respond(transaction, 200, now=now)
        elif (info := build_info(request.body, request.content_type or "")) is None:
            agent.respond(transaction, 415, now=now, headers=[("Accept", INFO_TYPES)])
        else:
            content_type, body = info
            try:
                other.call.request_in_dialog(
                    "INFO",
                    other.endpoint.now(),
                    body=body,
                    content_type=content_type,
                    context=_Asked(leg, transaction),
                )
            except (DialogError, OverflowError):
                agent.respond(transaction, 500, now=now)

    def _request_answered(self, asked: object, status: int) -> None:
        if isinstance(asked, _Asked):
            leg = asked.leg
            answer = 200 if status < 300 else crossing_status(leg.side, status)
            leg.endpoint.agent.respond(asked.transaction, answer, now=leg.endpoint.now())

    # -- the end ----------------------------------------------------------------------------------------

    def finish(self, result: Result, *, status: int = 480, message: Request | Response | None = None) -> None:
        """End what is left of both legs and close the record. `status` answers a caller who still waits;
        `message` is what ended the other leg."""
        if self.over:
            return
        self.over = True
        self._heard()
        self._result = result
        for leg in (self.caller, self.callee):
            if leg is None:
                continue
            now = leg.endpoint.now()
            leg.call.reject_modification(487, now)
            if leg.call.over:
                continue
            headers = crossing_headers(leg.side, message, self._msisdn)
            if status == 503 and message is None and self.talking_since is None and leg is self.caller:
                headers = [("Retry-After", RETRY_AFTER_S)]
            leg.call.hangup(now, headers, status)
        self._steps.clear()
        self._enqueue(self._close)

    async def _close(self) -> None:
        heard: MediaStats | None = None
        if self.media is not None:
            try:
                heard = await self.media.close()
            except MediaError as error:
                _log.warning("a call's media counters are lost: %s", error)
        self._close_record(heard)

    def _close_record(self, heard: MediaStats | None) -> None:
        record, self._record = self._record, None
        if record is not None:
            self._table.records.close(record, self._result, heard)
            self._table.remove(self)
        # Else the question whether the call may be made is under way, and its answer comes to `connect`
        # or `refuse`.

    # -- steps ------------------------------------------------------------------------------------------

    def _enqueue(self, step: Callable[[], Awaitable[None]]) -> None:
        if len(self._steps) >= STEPS_MAX:
            _log.warning("a call asks for more than the relay can do; it is released")
            self.finish(Result.FAILED)
            return
        self._steps.append(step)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._steps:
            step = self._steps.popleft()
            try:
                await step()
            except MediaError as error:
                _log.warning("a call is released for want of media: %s", error)
                self.finish(Result.MEDIA_LOST, status=503)
            except (StoreBusy, StoreUnavailable):
                # A call whose answer is not on the disk could not be billed.
                self.finish(Result.FAILED, status=503)
            except ValueError as error:
                # A description that is none, or of which nothing may cross.
                _log.info("a call is released for its session description: %s", type(error).__name__)
                self.finish(Result.FAILED, status=488)
            except Exception:
                _log.exception("a call is released for a fault here")
                self.finish(Result.FAILED, status=500)
        self._worker = None


def _retry_after(response: Response) -> int | None:
    """Seconds (20.33), None where there are none."""
    number = (response.get("Retry-After") or "").split(";")[0].split("(")[0].strip()
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


class Bridges:
    """All calls of the gateway, in every state, until their records are handed over."""

    def __init__(self, settings: VoiceSettings, records: CallRecords) -> None:
        self.settings = settings
        self.records = records
        self.media: MediaControl | None = None
        """The running relay, None while there is none."""
        self.endpoints: dict[Side, SipEndpoint] = {}
        self._bridges: dict[Bridge, None] = {}
        self._of_trunk: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._bridges)

    def room_for(self, trunk: TrunkRow) -> bool:
        """Whether one more call is within the gateway's and the trunk's caps."""
        return (
            len(self._bridges) < self.settings.calls_max
            and self._of_trunk.get(trunk.username, 0) < trunk.max_calls
        )

    def open(self, direction: Direction, side: Side, call: Call, trunk: TrunkRow) -> Bridge:
        """Take up a call that was admitted."""
        bridge = Bridge(self, direction, side, call, trunk)
        self._bridges[bridge] = None
        self._of_trunk[trunk.username] = self._of_trunk.get(trunk.username, 0) + 1
        metrics.CALLS_UP.set(len(self._bridges))
        return bridge

    def remove(self, bridge: Bridge) -> None:
        """The call is done with. Idempotent."""
        if bridge not in self._bridges:
            return
        del self._bridges[bridge]
        left = self._of_trunk[bridge.trunk.username] - 1
        if left:
            self._of_trunk[bridge.trunk.username] = left
        else:
            del self._of_trunk[bridge.trunk.username]
        metrics.CALLS_UP.set(len(self._bridges))

    def handle(self, event: Event) -> None:
        """An event of a call on either side."""
        leg = getattr(getattr(event, "call", None), "context", None)
        if isinstance(leg, Leg):
            leg.bridge.handle(leg, event)

    def revoked(self, edi_ids: Collection[bytes]) -> None:
        """What these authorized ends: calls that are not answered yet, and those that are where it is set so.
        Who waits is answered 480."""
        for bridge in list(self._bridges):
            if bridge.edi_id in edi_ids and (bridge.talking_since is None or self.settings.end_revoked_calls):
                bridge.finish(Result.REVOKED)

    def sweep(self, now: float) -> None:
        """Release calls that lasted too long."""
        for bridge in list(self._bridges):
            since = bridge.talking_since
            if since is not None and now - since >= self.settings.talk_max_s:
                bridge.finish(Result.MAX_DURATION)

    async def release_silent(self, now: float) -> None:
        """Release calls in which neither side sent RTP for `silence_s`. Held calls are silent by right.

        Raises MediaError.
        """
        limit = self.settings.silence_s
        if not limit or self.media is None or not self._bridges:
            return
        sides: dict[str, int] = {}
        for call_id, _ in await self.media.silent(limit):
            sides[call_id] = sides.get(call_id, 0) + 1
        for bridge in list(self._bridges):
            since, media = bridge.talking_since, bridge.media
            if since is None or media is None or media.held or now - since < limit:
                continue
            if sides.get(media.call_id) == 2:
                bridge.finish(Result.SILENCE)

    def release_all(self, result: Result) -> None:
        """End every call on both legs."""
        for bridge in list(self._bridges):
            bridge.finish(result, status=503)
