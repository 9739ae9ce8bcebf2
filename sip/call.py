"""One INVITE session, caller's or callee's side (RFC 3261 clauses 9, 13, 14 and 15).

Both legs of a back-to-back user agent and every phone are calls. All methods take ``now`` and queue bytes in
the agent's transaction layer; what happens comes back as events.
"""

from __future__ import annotations

import secrets

from sip.call_base import OPEN, SDP_TYPE, CallState
from sip.call_callee import CalleeSide
from sip.call_caller import CallerSide
from sip.dialog import Dialog, DialogError
from sip.events import (
    CallEnded,
    CallFailed,
    CallRequest,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
    RequestFailed,
    ResponseReceived,
)
from sip.message import HeaderItems, Request, Response
from sip.transaction_client import ClientTransaction
from sip.transaction_server import ServerTransaction

__all__ = ["Call", "CallState"]


class Call(CallerSide, CalleeSide):
    """One session. ``role`` is uac or uas; ``context`` is the user's own, the agent never reads it."""

    __slots__ = ()

    def _self(self) -> Call:
        return self

    def hangup(self, now: float, headers: HeaderItems = (), status: int = 480) -> None:
        """End the call as its state needs: CANCEL, a refusal with ``status``, or BYE.

        An answered call is over at once and no event follows; CallFailed or CallEnded follow a CANCEL.
        """
        if self.over:
            return
        if self.state in OPEN:
            if self.role == "uac":
                self.cancel(now, headers)
            else:
                self.reject(status, now, headers=headers)
            return
        if self.state is CallState.ANSWERED and self.role == "uas":
            self._ending = True  # 15: the callee's BYE waits for the ACK
            return
        if self._unacknowledged is not None:
            self._send_ack(self._unacknowledged)
        self._bye(now, headers)
        self._finish(None, keep_dialog=True)

    def reinvite(self, body: bytes, now: float, headers: HeaderItems = ()) -> bool:
        """Offer a change of the session; without ``body`` ask for an offer.

        False when there is no session, or when a change is under way, either way (14.1).
        """
        pending = (self._modification, self._incoming, self._answer, self._unacknowledged)
        if self.state is not CallState.ESTABLISHED or any(item is not None for item in pending):
            return False
        assert self.dialog is not None
        request = self.dialog.build("INVITE")
        request.add("Contact", self.agent.contact(self.contact_user, self.dialog.flow))
        for name, value in headers:
            request.add(name, value)
        if body:
            request.add("Content-Type", SDP_TYPE)
            request.body = body
        self.agent.add_capabilities(request)
        self._modification = self.agent.layer.send_request(self.agent.signed(request), self.dialog.flow, now)
        self._modification.owner = self
        return True

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

    def accept_modification(self, body: bytes, now: float, headers: HeaderItems = ()) -> None:
        """Answer the re-INVITE or UPDATE that ModificationReceived told of."""
        transaction, self._incoming = self._incoming, None
        if transaction is None or self.over:
            return
        if transaction.request.method == "INVITE":
            self._send_answer(transaction, body, now, headers)
        else:
            self.agent.layer.respond(transaction, self._response(transaction, 200, body, headers), now)

    def reject_modification(self, status: int, now: float, headers: HeaderItems = ()) -> None:
        """Refuse it; the session stays as it was."""
        transaction, self._incoming = self._incoming, None
        if transaction is not None:
            self._refuse(transaction, status, now, headers=headers)

    def received(self, transaction: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        """A request in one of this call's dialogs, from the agent."""
        if not dialog.accept(request):
            self._refuse(transaction, 500, now)  # 12.2.2
        elif request.method == "BYE":
            self._received_bye(transaction, request, now)
        elif self.over:
            self._refuse(transaction, 481, now)
        elif request.method in ("INVITE", "UPDATE"):
            self._received_modification(transaction, request, now)
        elif request.method == "OPTIONS":
            self.agent.answer_options(transaction, now)
        else:
            self.agent.emit(CallRequest(self, transaction, request))

    def _received_bye(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        self.agent.respond(transaction, 200, now=now)
        for pending in (self.invite, self._incoming):
            # 15.1.2: what is still unanswered in the dialog is answered 487.
            if isinstance(pending, ServerTransaction) and not pending.answered:
                self._refuse(pending, 487, now)
        if not self.over:
            self._finish(CallEnded(self, "bye", request))

    def _received_modification(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        unanswered = isinstance(self.invite, ServerTransaction) and not self.invite.answered
        if self._incoming is not None or unanswered:
            # 14.2: a second one before the first is answered.
            self._refuse(transaction, 500, now, headers=[("Retry-After", secrets.randbelow(11))])
        elif self._modification is not None or self.state is not CallState.ESTABLISHED:
            self._refuse(transaction, 491, now)  # 14.2: glare
        else:
            self._incoming = transaction
            transaction.owner = self
            self.agent.emit(ModificationReceived(self, transaction, request))

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A response to a request of this call, from the agent."""
        method, status = transaction.request.method, response.status
        if transaction is self.invite:
            self._invite_response(response, now)
        elif method == "INVITE":
            self._modification_response(transaction, response, now)
        elif method == "BYE":
            if status >= 200 and self.dialog is not None:
                self.agent.drop_dialog(self.dialog)
        elif method != "CANCEL" and status >= 200:
            self.agent.emit(ResponseReceived(transaction, response, self))
            if status in (408, 481):
                self._lost(now)  # 12.2.1.2

    def on_failure(self, transaction: ClientTransaction, cause: str, now: float) -> None:
        """No response to a request of this call, from the agent."""
        method = transaction.request.method
        status = 408 if cause == "timeout" else 503
        if transaction is self.invite:
            if not self.over:
                self._finish(CallFailed(self, status, None))
        elif transaction is self._modification:
            self._modification = None
            self.agent.emit(ModificationFailed(self, status, None))
            self._lost(now)
        elif method == "BYE":
            if self.dialog is not None:
                self.agent.drop_dialog(self.dialog)
        elif method != "CANCEL":
            self.agent.emit(RequestFailed(transaction, cause, self))
            self._lost(now)

    def _modification_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        status, cseq = response.status, transaction.request.cseq.number
        if transaction is not self._modification:
            if 200 <= status < 300 and cseq == self._ack_cseq and self._ack is not None:
                self.agent.layer.send(*self._ack)
            return
        if status < 200:
            return
        self._modification = None
        assert self.dialog is not None
        if status >= 300:
            if not self.over:
                self.agent.emit(ModificationFailed(self, status, response))
                if status in (408, 481):
                    self._lost(now)  # 14.1: the dialog is gone
            return
        if self.over:
            self._send_ack(cseq)
            return
        self.dialog.refresh_target(response)
        if transaction.request.body:
            self._send_ack(cseq)
        else:
            self._unacknowledged = cseq
        self.agent.emit(ModificationAnswered(self, response))

    def _lost(self, now: float) -> None:
        if not self.over:
            self._bye(now)
            self._finish(CallEnded(self, "unreachable"), keep_dialog=True)
