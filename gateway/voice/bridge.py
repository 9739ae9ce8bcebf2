"""Two calls that share nothing on the wire: what happens on one leg is told on the other in words of its own."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from foundation.store import StoreBusy, StoreUnavailable
from gateway.store.ids import text_of
from gateway.voice.attempts import Attempts
from gateway.voice.call_caps import CallOf
from gateway.voice.call_record import CallRecord, Result, result_of
from gateway.voice.egress import (
    CORE_SIDE,
    ENTERPRISE_SIDE,
    Headers,
    crossing_headers,
    crossing_status,
    guarded_body,
)
from gateway.voice.in_call import InCall
from gateway.voice.leg import Invitation, Leg
from gateway.voice.media import CallMedia
from gateway.voice.peer_policy import (
    PRECONDITION,
    RELIABLE,
    PeerPolicy,
    knows,
    reservation,
    reservation_of,
    with_preconditions,
)
from gateway.voice.steps import Step, Steps
from masking.sip_leg import enterprise_status
from sip.call import Call
from sip.call_caller import EARLY_DIALOGS_MAX
from sip.dialog import Dialog
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
    ProvisionalAcknowledged,
    RequestFailed,
    ResponseReceived,
)
from sip.media.control import MediaError, MediaStats, MediaUnavailable, Side
from sip.message import Request, Response

if TYPE_CHECKING:
    from gateway.voice.bridges import Bridges
    from gateway.voice.transfer import Transfer

RETRY_AFTER_S = 2

_log = logging.getLogger(__name__)


class Bridge:
    """One call through the gateway, from its admission until its record is handed over.

    What only concerns signalling happens at once. What needs the relay or the store is a step; steps run
    one after the other, so that descriptions are never mixed up. The last step closes the record.
    """

    def __init__(self, table: Bridges, of: CallOf, side: Side, call: Call, policy: PeerPolicy) -> None:
        self.of = of
        self.policy = policy
        """The extensions that are spoken with the caller."""
        self.caller = Leg(self, side, table.endpoints[side], call)
        self.callee: Leg | None = None
        self.media: CallMedia | None = None
        self.over = False
        self.talking_since: float | None = None
        """Monotonic seconds of the answer."""
        self.meanwhile: set[bytes] | None = set()
        """What was revoked while somebody asks whether the call, or one that it is put through to, may be; None while
        nobody does."""
        self._table = table
        self._record: CallRecord | None = None
        self._msisdn: str | None = None
        self._result = Result.FAILED
        self._rung = False
        self._offer = b""
        self._early_shown = b""
        self._early: dict[str | None, bytes] = {}
        """What the called side told of itself before it answered, by the tag of the branch."""
        self._awaits_reservation = False
        """The caller's preconditions are not met yet: nobody is called."""
        self._unsaid = b""
        """What the caller is told as soon as it may be: the answer is another than it was given."""
        self._invitations: Sequence[Invitation] = ()
        self._attempts: Attempts | None = None
        self._steps = Steps(self._step_failed)
        self._in_call = InCall(weakref.proxy(self))
        self.transfer: Transfer | None = None
        """The enterprise puts the call through to somebody else."""
        self._ringing = asyncio.get_running_loop().call_later(table.caps.ring_s(of), self._rang_too_long)
        call.context = self.caller
        call.reliability = policy.reliable_provisional

    @property
    def edi_id(self) -> bytes | None:
        """Under which the call is authorized, None before that is known."""
        return None if self._record is None else self._record.edi_id

    def release(self) -> None:
        """It is done with. Its parts let go of each other: what is tied in a ring stays in memory until a collection,
        and with thresholds for many objects (`foundation/loop.py`) that is thousands of calls away."""
        self._steps.release()
        self._attempts = None
        for leg in (self.caller, self.callee):
            if leg is not None:
                leg.release(self)

    def _rang_too_long(self) -> None:
        if self.talking_since is None and self._record is not None:
            self.finish(Result.NO_ANSWER, status=480)

    def known_as(self, aid: str) -> bool:
        """The AID of a callback; False where the person has as many calls as may be."""
        of = replace(self.of, aid=aid)
        if not self._table.caps.take_aid(of, self.caller.endpoint.now()):
            return False
        self._table.caps.opened(of.keys[-1])
        self.of = of
        return True

    def was_revoked(self, record: CallRecord) -> bool:
        """Whether the authorization ended while it was asked for; the asking is over by that."""
        meanwhile, self.meanwhile = self.meanwhile, None
        return meanwhile is not None and record.edi_id in meanwhile

    # -- before there is a second leg -------------------------------------------------------------------

    def refuse(self, status: int, headers: Headers) -> None:
        """Answer the caller with a refusal; there is no record to close."""
        self._ringing.cancel()
        if not self.over:
            self.over = True
            self.caller.call.reject(status, self.caller.endpoint.now(), headers=headers)
        self._table.remove(self)

    def connect(self, record: CallRecord, msisdn: str, invitations: Sequence[Invitation]) -> None:
        """The call is authorized and its record committed: only now the second leg is called. Where the first does
        not answer at all, or is overloaded, the next is tried."""
        self._record, self._msisdn = record, msisdn
        self._invitations = invitations
        if self.was_revoked(record):
            self.finish(Result.REVOKED)
        elif self.over:
            # The caller was faster; the contact counts all the same, since it was authorized.
            self._close_record(None)
        else:
            self.enqueue(partial(self._open_media, record))

    async def _open_media(self, record: CallRecord) -> None:
        control = self._table.media
        if control is None:
            raise MediaUnavailable("no relay")
        early = self._table.settings.early_media == "relay"
        offer, caller = self.caller.call.request.body, self.caller
        told = (caller.media_side, offer, caller.call.flow.host) if offer else None
        self.media = await CallMedia.open(control, text_of(record.id), early_from_core=early, offer=told)
        if reservation(self.caller.call.request, self.policy) == "awaited":
            await self._await_reservation(offer)
            return
        await self._invite_with(offer)

    async def _invite_with(self, offer: bytes) -> None:
        self._offer = await self.relayed(self.caller, offer) if offer else b""
        if not self.over:
            try:
                self._invite(self._invitations)
            except OverflowError:
                self.finish(Result.FAILED, status=503)

    async def _await_reservation(self, offer: bytes) -> None:
        """RFC 3312 5.1: until the caller's preconditions are met nobody is alerted. It is answered here, and says in
        an UPDATE when they are."""
        assert self.media is not None
        self._awaits_reservation = True
        self.caller.preconditions = True
        body = await self.media.answer(self.caller.media_side, offer, self.caller.call.flow.host)
        body = with_preconditions(body, offer)
        if not self.over:
            headers = [("Require", PRECONDITION)]
            self.caller.call.ring(self.caller.endpoint.now(), 183, body, headers, reliable=True)

    async def reserved(self, offer: bytes) -> None:
        """The caller said how far its preconditions are met."""
        if self._awaits_reservation and reservation_of(offer) != "awaited":
            self._awaits_reservation = False
            await self._invite_with(offer)

    def _invite(self, invitations: Sequence[Invitation]) -> None:
        side = self._called_side
        endpoint = self._table.endpoints[side]

        def called(call: Call) -> None:
            self.callee = call.context = Leg(self, side, endpoint, call)

        self._attempts = Attempts(
            endpoint,
            invitations,
            self._offer,
            wait_s=self._table.settings.core_answer_s,
            reliability=self._reliability,
            on_call=called,
        )
        self._attempts.start()

    def _reliability(self, policy: PeerPolicy) -> str:
        """Without an offer of the caller's a reliable response would bring the callee's, which wants its answer in the
        PRACK (RFC 3262 5): only a caller that sends PRACK too can give one."""
        wanted = policy.reliable_provisional
        if self._offer or (wanted == "required" and self._takes_early_offer):
            return wanted
        return "no"

    @property
    def _takes_early_offer(self) -> bool:
        return self.policy.reliable_provisional != "no" and knows(self.caller.call.request, RELIABLE)

    def _failed(self, leg: Leg, status: int, response: Response | None) -> bool:
        """Whether another is called in its place."""
        if self._attempts is None or leg is not self.callee:
            return False
        try:
            return self._attempts.instead_of(leg.call, status, response)
        except OverflowError:
            return False

    # -- events -----------------------------------------------------------------------------------------

    def handle(self, leg: Leg, event: Event) -> None:
        """What happened on one leg."""
        now = leg.endpoint.now()
        match event:
            case CallRequest(transaction=transaction, request=request):
                self._in_call.request(leg, transaction, request, now)
            case ResponseReceived(transaction=sent, response=response):
                self._in_call.request_answered(sent.context, response.status)
            case RequestFailed(transaction=sent):
                self._in_call.request_answered(sent.context, 408)
            case _ if self.over:
                return  # what crossed our own release on the wire
            case CallProgress(response=response, prack_due=due):
                if self._attempts is not None:
                    self._attempts.rang()
                if due:
                    self.enqueue(partial(self._early_offer, leg, response))
                else:
                    self._progressed(leg, response, now)
            case ProvisionalAcknowledged(request=prack):
                if leg is self.caller and prack.body and not leg.call.request.body:
                    self.enqueue(partial(self._early_answer, leg, prack))
            case CallAnswered(response=response):
                if self._attempts is not None:
                    self._attempts.rang()
                self.enqueue(partial(self._answered, leg, response))
            case CallEstablished(ack=ack):
                # RFC 3264 5: without an offer in the INVITE, the answer is in the ACK.
                if leg is self.caller and not leg.call.request.body and not leg.call.described_early:
                    self.enqueue(partial(self._late_answer, leg, ack))
                elif leg is self.caller and self._unsaid:
                    self._in_call.tell(leg, self._unsaid)
            case CallFailed(status=status, response=response) if self._failed(leg, status, response):
                pass
            case CallFailed(status=status, response=response):
                if response is None and self.caller.side == CORE_SIDE:
                    status = 480  # nobody is there
                shown = crossing_status(self.caller.side, status)
                self.finish(result_of(status, response), status=shown, message=response)
            case CallCancelled(request=request):
                self.finish(Result.CANCELLED, message=request)
            case CallEnded() if self.transfer is not None and leg is self.transfer.leg:
                pass  # it does not wait for who was called in its place
            case CallEnded(cause=cause, request=request):
                self.finish(self._ending(cause), message=request)
            case (
                ModificationReceived()
                | ModificationAcknowledged()
                | ModificationAnswered()
                | ModificationFailed()
            ):
                self._in_call.modification(leg, event, now)

    def _ending(self, cause: str) -> Result:
        if self.talking_since is None:
            return Result.NO_ANSWER if cause == "expired" else Result.FAILED
        return Result.ANSWERED if cause == "bye" else Result.LOST

    @property
    def _called_side(self) -> Side:
        return CORE_SIDE if self.caller.side == ENTERPRISE_SIDE else ENTERPRISE_SIDE

    def other(self, leg: Leg) -> Leg | None:
        return self.callee if leg is self.caller else self.caller

    def joined(self, other: Call, record: CallRecord, msisdn: str, media: CallMedia, body: bytes) -> None:
        """The caller stayed of a call that was put through to `other`, who has answered."""
        self._ringing.cancel()
        self.meanwhile = None
        endpoint = self.caller.endpoint
        self.caller.joined_as = "a"
        self.callee = other.context = Leg(self, CORE_SIDE, endpoint, other, joined_as="b")
        self.media, self._record, self._msisdn = media, record, msisdn
        self.talking_since = endpoint.now()
        self._in_call.tell(self.caller, body, must=True)

    # -- setting up -------------------------------------------------------------------------------------

    def _progressed(self, leg: Leg, response: Response, now: float) -> None:
        """Ringing and early media are told; other progress (queueing) would say where the call went."""
        early = leg.side == ENTERPRISE_SIDE or self._table.settings.early_media == "relay"
        if response.body and leg.call.request.body:
            self._describes_itself(response.to.tag, response.body)
            if early:
                self.enqueue(partial(self._early_media, leg, response.body))
        ringing = enterprise_status(response.status)[0] == 180
        if (ringing or (response.body and not early)) and not self._rung:
            # Early media that is withheld: the caller's own equipment makes the ring-back tone.
            self._rung = True
            self.caller.call.ring(now, 180)

    def _describes_itself(self, tag: str | None, body: bytes) -> None:
        if tag in self._early or len(self._early) < EARLY_DIALOGS_MAX:
            self._early[tag] = body

    def changes_early(self, request: Request) -> None:
        """A branch of the called side said by UPDATE, before it answers, where it listens now."""
        self._describes_itself(request.from_.tag, request.body)

    async def _early_media(self, leg: Leg, body: bytes) -> None:
        shown = await self.relayed(leg, body)
        # RFC 3262 5: what the caller was told reliably is the answer, and is given once.
        if not self.over and shown != self._early_shown and not self.caller.has_answer:
            self._early_shown = shown
            self.caller.call.ring(self.caller.endpoint.now(), 183, body=self._answers(shown))

    def _answers(self, body: bytes) -> bytes:
        """A description for the caller, with what its preconditions want to hear."""
        request = self.caller.call.request
        if body and reservation(request, self.policy) != "none":
            self.caller.preconditions = True
            return with_preconditions(body, request.body)
        return body

    async def _early_offer(self, leg: Leg, response: Response) -> None:
        """The called side made the offer in a reliable response: the caller is told likewise."""
        self._describes_itself(response.to.tag, response.body)
        shown = await self.relayed(leg, response.body)
        if not self.over:
            self._rung = True
            self.caller.call.ring(self.caller.endpoint.now(), 183, body=shown, reliable=True)

    async def _early_answer(self, leg: Leg, prack: Request) -> None:
        if self.callee is not None and not self.over:
            body = await self.relayed(leg, prack.body)
            self.callee.call.prack(body, self.callee.endpoint.now())

    async def _answered(self, leg: Leg, response: Response) -> None:
        """The other end answered: open the media, note the time on disk, then tell the caller."""
        assert self.media is not None
        assert self._record is not None
        if self.over:
            return
        told = self.media.shown(self.caller.media_side)
        # 13.2.1: an answer that came in progress may be left out of the 2xx.
        described = response.body or self._early.get(response.to.tag, b"")
        body = await self.relayed(leg, described, talk=True)
        await self._table.records.answered(self._record, self._msisdn or "", self._dialogs())
        if self.over:
            self._record.answered_at = None  # the caller never heard of it
            return
        self._ringing.cancel()
        self.talking_since = now = self.caller.endpoint.now()
        if self.caller.has_answer:
            # RFC 3264 5: the caller has its answer; what is another now is a new offer to it.
            self._unsaid = body if body != told else b""
            body = b""
        headers = crossing_headers(self.caller.side, response, self._msisdn)
        self.caller.call.answer(self._answers(body), now, headers=headers)

    def _dialogs(self) -> list[tuple[Side, Dialog]]:
        legs = [leg for leg in (self.caller, self.callee) if leg is not None]
        return [(leg.side, leg.call.dialog) for leg in legs if leg.call.dialog is not None]

    async def _late_answer(self, leg: Leg, ack: Request) -> None:
        if self.callee is None or self.over:
            return
        body = await self.relayed(leg, ack.body)
        self.callee.call.acknowledge(body, self.callee.endpoint.now())

    async def relayed(self, leg: Leg, body: bytes, *, talk: bool = False) -> bytes:
        """A leg's description as the other leg is shown it; `talk`: the call is answered by it. Raises ValueError,
        MediaError."""
        assert self.media is not None
        shown = await self.media.relay(leg.media_side, body, leg.call.flow.host, talk=talk)
        other = self.other(leg)
        side = self._called_side if other is None else other.side
        return guarded_body(side, shown, self._msisdn)

    # -- the end ----------------------------------------------------------------------------------------

    def finish(
        self,
        result: Result,
        *,
        status: int = 480,
        message: Request | Response | None = None,
        keep: Leg | None = None,
    ) -> None:
        """End what is left of both legs, but the one to `keep`, and close the record. `status` answers a caller who
        still waits; `message` is what ended the other leg."""
        if self.over:
            return
        self.over = True
        if self._attempts is not None:
            self._attempts.stop()
        if self.transfer is not None:
            self.transfer.give_up(Result.CANCELLED)
        self._ringing.cancel()
        self._result = result
        for leg in (self.caller, self.callee):
            if leg is None or leg is keep:
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
        self.enqueue(self._close)

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

    def enqueue(self, step: Step) -> None:
        """Do this after what was asked for before."""
        if self._steps.is_full:
            _log.warning("a call asks for more than the relay can do; it is released")
            self.finish(Result.FAILED)
            return
        self._steps.add(step)

    def _step_failed(self, error: Exception) -> None:
        match error:
            case MediaError():
                _log.warning("a call is released for want of media: %s", error)
                self.finish(Result.MEDIA_LOST, status=503)
            case StoreBusy() | StoreUnavailable():
                # A call whose answer is not on the disk could not be billed.
                self.finish(Result.FAILED, status=503)
            case ValueError():
                # A description that is none, or of which nothing may cross.
                _log.info("a call is released for its session description: %s", type(error).__name__)
                self.finish(Result.FAILED, status=488)
            case _:
                _log.error("a call is released for a fault here", exc_info=error)
                self.finish(Result.FAILED, status=500)
