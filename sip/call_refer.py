"""REFER inside a call and the NOTIFYs about it, both ways (RFC 3515)."""

from __future__ import annotations

from dataclasses import dataclass

from sip.call_base import CallBase
from sip.dialog import DialogError
from sip.events import ReferProgress, ReferReceived
from sip.extensions import parse_sipfrag, parse_subscription_state, refer_target, referred_by
from sip.headers import HeaderError, NameAddr
from sip.message import REASONS, HeaderItems, Request
from sip.timers import Timer
from sip.transaction_client import ClientTransaction
from sip.transaction_server import ServerTransaction

REFER_LIFETIME = 180.0
"""Seconds that the subscription which a REFER makes lives; then its last NOTIFY says timeout."""
SIPFRAG_TYPE = "message/sipfrag;version=2.0"


@dataclass(slots=True)
class Referral:
    """A REFER of theirs that is being worked on. ``event`` is the Event of its NOTIFYs."""

    transaction: ServerTransaction
    event: str
    timer: Timer
    accepted: bool = False


class ReferSide(CallBase):
    """One REFER at a time is worked on."""

    __slots__ = ()

    def request_in_dialog(
        self,
        method: str,
        now: float,
        body: bytes = b"",
        content_type: str | None = None,
        headers: HeaderItems = (),
        context: object = None,
    ) -> ClientTransaction:
        """Send INFO and the like; ends in ResponseReceived or RequestFailed with ``call`` set.

        :raises DialogError: there is no dialog (yet, or any more).
        """
        if self.dialog is None or self.over:
            raise DialogError("no dialog")
        request = self.dialog.build(method)
        for name, value in headers:
            request.add(name, value)
        if content_type is not None:
            request.add("Content-Type", content_type)
        request.body = body
        transaction = self.agent.layer.send_request(self.agent.signed(request), self.dialog.flow, now)
        transaction.owner = self
        transaction.context = context
        return transaction

    def _received_refer(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        try:
            target = refer_target(request)
        except HeaderError:
            self._refuse(transaction, 400, now)  # 2.4.1
            return
        if self._referral is not None:
            self._refuse(transaction, 491, now)
            return
        # 2.4.6: the number tells the NOTIFYs of several REFERs apart.
        event = f"refer;id={request.cseq.number}" if self._referred else "refer"
        self._referred = True
        timer = self.agent.timers.set(now + REFER_LIFETIME, self._referral_ended)
        self._referral = Referral(transaction, event, timer)
        self.agent.emit(ReferReceived(self._self(), transaction, request, target, referred_by(request)))

    def accept_refer(self, now: float) -> None:
        """202 to the REFER, and the NOTIFY that follows at once (2.4.4)."""
        referral = self._referral
        if referral is None or referral.accepted or self.over:
            return
        referral.accepted = True
        response = self._response(referral.transaction, 202, b"", ())
        self.agent.layer.respond(referral.transaction, response, now)
        self.notify_refer(100, now)

    def reject_refer(
        self, status: int, now: float, reason: str | None = None, headers: HeaderItems = ()
    ) -> None:
        """Refuse the REFER with a status of 300 or more; no NOTIFY follows."""
        referral = self._referral
        if referral is not None and not referral.accepted:
            self._drop_referral()
            self._refuse(referral.transaction, status, now, reason, headers)

    def notify_refer(self, status: int, now: float, reason: str | None = None) -> None:
        """Tell how the call to the target goes (2.4.5). A final status ends the subscription."""
        referral = self._referral
        if referral is None or not referral.accepted or self.over:
            return
        phrase = REASONS.get(status, "") if reason is None else reason
        left = max(0, round(referral.timer.at - now))
        state = f"active;expires={left}" if status < 200 else "terminated;reason=noresource"
        self._notify(referral, state, f"SIP/2.0 {status} {phrase}\r\n", now)
        if status >= 200:
            self._drop_referral()

    def _notify(self, referral: Referral, state: str, fragment: str, now: float) -> None:
        self.request_in_dialog(
            "NOTIFY",
            now,
            fragment.encode(),
            SIPFRAG_TYPE,
            [
                ("Contact", self.agent.contact(self.contact_user, self.flow)),
                ("Event", referral.event),
                ("Subscription-State", state),
            ],
            context=referral,
        )

    def _referral_ended(self, now: float) -> None:
        referral = self._referral
        if referral is None or self.over:
            return
        if referral.accepted:
            self._notify(referral, "terminated;reason=timeout", "SIP/2.0 100 Trying\r\n", now)
            self._drop_referral()
        else:
            self.reject_refer(480, now)

    def _notify_answered(self, status: int) -> None:
        # RFC 5057 4.1: 481 to a NOTIFY ends the subscription and leaves the call alone.
        if status >= 300:
            self._drop_referral()

    def _drop_referral(self) -> None:
        if self._referral is not None:
            self._referral.timer.cancel()
            self._referral = None

    # -- REFERs of ours ---------------------------------------------------------------------------------

    def refer(self, refer_to: NameAddr, now: float, headers: HeaderItems = ()) -> ClientTransaction:
        """Ask the peer to call somebody else. ResponseReceived tells whether it will; ReferProgress how it goes.

        :raises DialogError: there is no dialog.
        """
        contact = self.agent.contact(self.contact_user, self.flow)
        own: list[tuple[str, object]] = [("Contact", contact), ("Refer-To", refer_to), *headers]
        transaction = self.request_in_dialog("REFER", now, headers=own)
        self._referring = True
        return transaction

    def _received_refer_notify(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        if not self._referring:
            self._refuse(transaction, 481, now)  # RFC 6665 4.1.3: no such subscription
            return
        try:
            status, _ = parse_sipfrag(request.body)
            state = parse_subscription_state(request.get("Subscription-State") or "")
        except HeaderError:
            self._refuse(transaction, 400, now)
            return
        self.agent.respond(transaction, 200, now=now)
        over = state.state == "terminated"
        if over:
            self._referring = False
        self.agent.emit(ReferProgress(self._self(), status, over, request))
