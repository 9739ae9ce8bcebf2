"""What either side asks for while a call is up: another description, and digits. It is told to the other side in words
of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.voice.call_record import Result
from gateway.voice.egress import crossing_status
from gateway.voice.leg import Leg
from gateway.voice.peer_policy import with_preconditions
from masking.sip_leg import build_info
from sip.dialog import DialogError
from sip.events import (
    ModificationAcknowledged,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
)
from sip.message import Request, Response
from sip.transaction_server import ServerTransaction

if TYPE_CHECKING:
    from gateway.voice.bridge import Bridge

INFO_TYPES: Final = "application/dtmf-relay, application/dtmf"
OWN_RETRIES: Final = 3
"""How often a change of the gateway's own that met one of theirs is offered again."""

Modification = ModificationReceived | ModificationAcknowledged | ModificationAnswered | ModificationFailed


@dataclass(frozen=True, slots=True)
class _Asked:
    """An INFO that was passed on: who waits for its answer."""

    leg: Leg
    transaction: ServerTransaction


class InCall:
    """The requests inside one call."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._own: Leg | None = None
        self._must = False
        """Whom the gateway itself offered a change: nobody else waits for the answer."""

    def modification(self, leg: Leg, event: Modification, now: float) -> None:
        """A change of the session, or what became of one."""
        match event:
            case ModificationReceived(request=request):
                self._modified(leg, request, now)
            case ModificationAcknowledged(ack=ack):
                if ack.body:
                    self._bridge.enqueue(partial(self._refreshed, leg, ack))
            case ModificationAnswered(response=response):
                self._bridge.enqueue(partial(self._modification_answered, leg, response))
            case ModificationFailed(status=status):
                self._bridge.enqueue(partial(self._modification_failed, leg, status))

    def _modified(self, leg: Leg, request: Request, now: float) -> None:
        if self._bridge.media is None:
            leg.call.reject_modification(488, now)
        elif request.body and leg.is_open:
            self._bridge.enqueue(partial(self._changed_early, leg, request))
        elif self._bridge.other(leg) is None:
            leg.call.reject_modification(488, now)
        elif not request.body:
            # A refresh, or a request for our offer: what holds is offered again.
            leg.call.accept_modification(self._bridge.media.shown(leg.media_side), now)
        else:
            self._bridge.enqueue(partial(self._offer_change, leg, request))

    async def _changed_early(self, leg: Leg, request: Request) -> None:
        """An UPDATE before the answer (RFC 3311 5.1). The other side has no session yet that could change with it, so
        it is answered here, with what was offered or answered before."""
        media = self._bridge.media
        if media is None or self._bridge.over:
            return
        known = media.shown(leg.media_side)
        try:
            body = await media.answer(leg.media_side, request.body, leg.call.flow.host, known=known)
            if leg.preconditions:
                body = with_preconditions(body, request.body)
        except ValueError:
            leg.call.reject_modification(488, leg.endpoint.now())
            return
        leg.call.accept_modification(body, leg.endpoint.now())
        if leg is self._bridge.caller:
            await self._bridge.reserved(request.body)
        else:
            self._bridge.changes_early(request)

    def tell(self, leg: Leg, body: bytes, *, must: bool = False) -> None:
        """Offer a leg what the gateway could not tell it before. Where it is refused, what it knows holds, or the
        call ends if it `must` know."""
        if leg.call.reinvite(body, leg.endpoint.now(), retries=OWN_RETRIES):
            self._own, self._must = leg, must
        elif must:
            self._bridge.finish(Result.FAILED)

    async def _refreshed(self, leg: Leg, ack: Request) -> None:
        """The answer to what was offered again: the side may listen elsewhere now."""
        if self._bridge.media is not None and not self._bridge.over:
            await self._bridge.media.listen(leg.media_side, ack.body, leg.call.flow.host)

    async def _offer_change(self, leg: Leg, request: Request) -> None:
        other = self._bridge.other(leg)
        if self._bridge.over or other is None or self._bridge.media is None:
            return
        try:
            body = await self._bridge.relayed(leg, request.body)
        except ValueError:
            leg.call.reject_modification(488, leg.endpoint.now())
            return
        if not other.call.reinvite(body, other.endpoint.now()):
            await self._bridge.media.revert(leg.media_side)
            leg.call.reject_modification(491, leg.endpoint.now())

    async def _modification_answered(self, leg: Leg, response: Response) -> None:
        asker = self._bridge.other(leg)
        if self._bridge.over or asker is None or self._bridge.media is None:
            return
        if leg is self._own:
            self._own = None
            if response.body:
                await self._bridge.media.listen(leg.media_side, response.body, leg.call.flow.host)
            return
        if response.body:
            body = await self._bridge.relayed(leg, response.body)
        else:
            body = self._bridge.media.shown(asker.media_side)
        asker.call.accept_modification(body, asker.endpoint.now())

    async def _modification_failed(self, leg: Leg, status: int) -> None:
        asker = self._bridge.other(leg)
        if self._bridge.over or asker is None or self._bridge.media is None:
            return
        if leg is self._own:
            self._own = None
            if self._must:
                self._bridge.finish(Result.FAILED)
            return
        await self._bridge.media.revert(asker.media_side)
        asker.call.reject_modification(crossing_status(asker.side, status), asker.endpoint.now())

    def request(self, leg: Leg, transaction: ServerTransaction, request: Request, now: float) -> None:
        """INFO with digits crosses, rebuilt; nothing else does."""
        agent, other = leg.endpoint.agent, self._bridge.other(leg)
        if self._bridge.over or other is None:
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

    def request_answered(self, asked: object, status: int) -> None:
        if isinstance(asked, _Asked):
            leg = asked.leg
            answer = 200 if status < 300 else crossing_status(leg.side, status)
            leg.endpoint.agent.respond(asked.transaction, answer, now=leg.endpoint.now())
