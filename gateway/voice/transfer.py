"""An enterprise puts a call through to another person (RFC 3515): the gateway calls that person, by AID and authorized
anew, and joins the two; the enterprise is told how it goes, and leaves.

| REFER | answer |
|---|---|
| from the core's side, or outside a call that is up | 405; 480 |
| to what is no AID | 404 |
| with another method than INVITE, or with headers (Replaces among them) | 403 |
| while another one is under way | 491 |
| over the calls, or calls a second, of gateway, trunk, access number or AID | 503 with Retry-After |
| to an AID that is refused, whatever the cause | 404 |
| trust party or store not available | 503 with Retry-After |
| to an AID that may be called | 202, then how the call goes in NOTIFY |

Neither person learns of the other: both see the access number. The record of the first call ends when the enterprise
has left it, that of the second lasts while the two talk. Until the other person answers, the enterprise may go back to
the first; when it hangs up before that, the first one waits, and is released if the other does not come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from foundation.store import StoreBusy, StoreUnavailable
from gateway.policy.refusal import Case
from gateway.records import metrics
from gateway.store.ids import text_of
from gateway.voice.admission import Admission, rejection
from gateway.voice.attempts import Attempts
from gateway.voice.authorization import Authorization, Authorized
from gateway.voice.bridge import Bridge
from gateway.voice.bridges import Bridges
from gateway.voice.call_caps import GATEWAY, CallOf
from gateway.voice.call_record import CallRecords, Direction, Result, result_of
from gateway.voice.egress import CORE_SIDE, ENTERPRISE_SIDE
from gateway.voice.leg import Invitation, Leg
from gateway.voice.media import CallMedia, both_ways
from gateway.voice.outbound import Outbound
from gateway.voice.steps import Steps
from masking.sip_leg import enterprise_status
from sip.call import Call
from sip.events import CallAnswered, CallEnded, CallFailed, CallProgress, Event, ReferReceived
from sip.headers import NameAddr
from sip.media.control import MediaError, MediaUnavailable
from sip.message import Response
from sip.uri import SipUri

_log = logging.getLogger(__name__)


class Transfers:
    """Takes the enterprises' REFERs."""

    def __init__(
        self, admission: Admission, authorization: Authorization, outbound: Outbound, bridges: Bridges
    ) -> None:
        self._admission = admission
        self._authorization = authorization
        self._outbound = outbound
        self._bridges = bridges

    def receive(self, event: ReferReceived, now: float) -> None:
        """Refuse at once what needs nobody's answer; ask about the rest."""
        call, leg = event.call, event.call.context
        if not isinstance(leg, Leg) or not isinstance(leg.bridge, Bridge) or leg.side != ENTERPRISE_SIDE:
            call.reject_refer(405, now)
            return
        bridge = leg.bridge
        if bridge.talking_since is None or bridge.transfer is not None:
            call.reject_refer(480 if bridge.transfer is None else 491, now)
            return
        if not _is_plain(event.refer_to):
            call.reject_refer(403, now)
            return
        aid = self._admission.aid_of(event.refer_to.uri)
        if aid is None:
            self._refuse(event, Case.AID_REFUSED, now)
            return
        of = CallOf(Direction.CALL, bridge.of.trunk, bridge.of.number, aid)
        if not self._bridges.caps.take(of, now):
            self._refuse(event, Case.CALLS, now)
            return
        bridge.meanwhile = set()
        self._authorization.ask(of, lambda answer: self._answered(event, leg, bridge, of, answer))

    def _answered(
        self, event: ReferReceived, leg: Leg, bridge: Bridge, of: CallOf, answer: Authorized | Case
    ) -> None:
        now = leg.endpoint.now()
        if isinstance(answer, Case):
            bridge.meanwhile = None
            self._refuse(event, answer, now)
        elif bridge.was_revoked(answer.record):
            self._bridges.records.close(answer.record, Result.REVOKED, None)
            self._refuse(event, Case.AID_REFUSED, now)
        elif bridge.over or leg.call.over or bridge.transfer is not None:
            # They were faster; the contact counts all the same, since it was authorized.
            self._bridges.records.close(answer.record, Result.CANCELLED, None)
        else:
            event.call.accept_refer(now)
            invitations = self._outbound.invitations(event.request, answer, now)
            bridge.transfer = Transfer(self._bridges, bridge, leg, of, answer, invitations)

    @staticmethod
    def _refuse(event: ReferReceived, case: Case, now: float) -> None:
        metrics.REFUSALS.add("voice")
        answer = rejection(case)
        event.call.reject_refer(answer.status, now, headers=answer.headers)


def _is_plain(target: NameAddr) -> bool:
    """A Refer-To that asks for a new call and nothing else: RFC 3261 19.1.1 lets a URI say more."""
    uri = target.uri
    return not isinstance(uri, SipUri) or (
        not uri.headers and (uri.param("method") or "INVITE").upper() == "INVITE"
    )


class Transfer:
    """The call to the other person, until it is answered or has failed."""

    def __init__(
        self,
        table: Bridges,
        bridge: Bridge,
        leg: Leg,
        of: CallOf,
        authorized: Authorized,
        invitations: Sequence[Invitation],
    ) -> None:
        """`leg` is the enterprise's in `bridge`."""
        self._table = table
        self._bridge = bridge
        self._leg = leg
        self._of = of
        self._record, self._msisdn = authorized.record, authorized.msisdn
        self._invitations = invitations
        self._attempts: Attempts
        self._other: Leg | None = None
        self._media: CallMedia | None = None
        self._over = False
        self._steps = Steps(self._step_failed)
        table.caps.opened(GATEWAY, *of.keys)
        self._ringing = asyncio.get_running_loop().call_later(
            table.caps.ring_s(of), self.give_up, Result.NO_ANSWER
        )
        self._steps.add(self._begin)

    @property
    def edi_id(self) -> bytes:
        """Under which the other person is called."""
        return self._record.edi_id

    @property
    def leg(self) -> Leg:
        """The enterprise's, which may leave meanwhile."""
        return self._leg

    async def _begin(self) -> None:
        control, first = self._table.media, self._bridge.media
        if control is None or first is None:
            raise MediaUnavailable("no relay")
        stays = self._bridge.other(self._leg)
        assert stays is not None
        media = await CallMedia.open(
            control, text_of(self._record.id), early_from_core=False, networks=(CORE_SIDE, CORE_SIDE)
        )
        self._media = media
        # Who stays has said what it speaks; that it is on hold is between it and the enterprise.
        theirs = both_ways(first.theirs(stays.media_side))
        offer = await media.relay("a", theirs, stays.call.flow.host)
        if self._over:
            return
        self._attempts = Attempts(
            self._table.endpoints[CORE_SIDE],
            self._invitations,
            offer,
            wait_s=self._table.settings.core_answer_s,
            reliability=lambda policy: policy.reliable_provisional,
            on_call=self._called,
        )
        try:
            self._attempts.start()
        except OverflowError:
            self._failed(Result.FAILED, 503)

    def _called(self, call: Call) -> None:
        self._other = call.context = Leg(self, CORE_SIDE, self._table.endpoints[CORE_SIDE], call)

    def handle(self, leg: Leg, event: Event) -> None:
        """What happened on the other person's leg."""
        if self._over or leg is not self._other:
            return
        match event:
            case CallProgress(response=response):
                self._attempts.rang()
                self._notify(enterprise_status(response.status)[0])
            case CallAnswered(response=response):
                self._attempts.rang()
                self._steps.add(partial(self._join, response))
            case CallFailed(status=status, response=response):
                if not self._is_called_elsewhere(leg, status, response):
                    self._failed(result_of(status, response), enterprise_status(status)[0])
            case CallEnded():
                self._failed(Result.FAILED, 480)

    def _is_called_elsewhere(self, leg: Leg, status: int, response: Response | None) -> bool:
        try:
            return self._attempts.instead_of(leg.call, status, response)
        except OverflowError:
            return False

    def _notify(self, status: int) -> None:
        self._leg.call.notify_refer(status, self._leg.endpoint.now())

    async def _join(self, response: Response) -> None:
        """The other person answered: the two are joined, and the enterprise is told."""
        stays, other, media = self._bridge.other(self._leg), self._other, self._media
        if self._over or stays is None or other is None or media is None:
            return
        body = await media.relay("b", response.body, other.call.flow.host, talk=True)
        dialogs = [(CORE_SIDE, leg.call.dialog) for leg in (stays, other) if leg.call.dialog is not None]
        await self._table.records.answered(self._record, self._msisdn, dialogs)
        if self._over:
            return
        self._end()
        self._notify(200)
        self._bridge.finish(Result.ANSWERED, keep=stays)
        self._table.join(self._of, stays, other.call, self._record, self._msisdn, media, body)

    def give_up(self, result: Result) -> None:
        """The call is taken back: it rang too long, nobody waits for it any more, or it was revoked."""
        if not self._over:
            self._failed(result, 480)

    def _failed(self, result: Result, status: int) -> None:
        self._end()
        if self._other is not None:
            self._other.call.context = None
            self._other.call.hangup(self._other.endpoint.now())
        self._notify(status)
        self._steps.add(partial(self._close, result))
        if self._leg.call.over:
            # The enterprise did not wait, and who did waits for nobody.
            self._bridge.finish(Result.ANSWERED)

    def _end(self) -> None:
        self._over = True
        self._ringing.cancel()
        if self._other is not None:
            self._attempts.stop()
        self._bridge.transfer = None
        self._table.caps.closed(GATEWAY, *self._of.keys)

    async def _close(self, result: Result) -> None:
        if self._media is not None:
            try:
                await self._media.close()
            except MediaError as error:
                _log.warning("a transfer's ports are given back later: %s", error)
        self._records.close(self._record, result, None)

    @property
    def _records(self) -> CallRecords:
        return self._table.records

    def _step_failed(self, error: Exception) -> None:
        if not isinstance(error, MediaError | StoreBusy | StoreUnavailable | ValueError):
            _log.error("a transfer failed for a fault here", exc_info=error)
        if not self._over:
            self._failed(Result.FAILED, 503)
