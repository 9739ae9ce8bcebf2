"""One INVITE session, caller's or callee's side (RFC 3261 clauses 9, 13, 14 and 15).

Both legs of a back-to-back user agent and every phone are calls. All methods take ``now`` and queue bytes in
the agent's transaction layer; what happens comes back as events.
"""

from __future__ import annotations

from sip.call_base import OPEN, CallState
from sip.call_callee import CalleeSide
from sip.call_caller import CallerSide
from sip.call_refer import ReferSide
from sip.dialog import Dialog
from sip.events import (
    CallEnded,
    CallFailed,
    CallRequest,
    RequestFailed,
    ResponseReceived,
)
from sip.message import HeaderItems, Request, Response
from sip.transaction_client import ClientTransaction
from sip.transaction_server import ServerTransaction

__all__ = ["Call", "CallState"]


class Call(CallerSide, CalleeSide, ReferSide):
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

    def received(self, transaction: ServerTransaction, request: Request, dialog: Dialog, now: float) -> None:
        """A request in one of this call's dialogs, from the agent."""
        if not dialog.accept(request):
            self._refuse(transaction, 500, now)  # 12.2.2
        elif request.method == "BYE":
            self._received_bye(transaction, request, now)
        elif self.over:
            self._refuse(transaction, 481, now)
        elif request.method in ("INVITE", "UPDATE"):
            self._received_modification(transaction, request, dialog, now)
        elif request.method == "PRACK":
            self._received_prack(transaction, request, dialog, now)
        elif request.method == "REFER":
            self._received_refer(transaction, request, now)
        elif request.method == "NOTIFY" and _about_refer(request):
            self._received_refer_notify(transaction, request, now)
        elif request.method == "OPTIONS":
            self.agent.answer_options(transaction, now)
        else:
            self.agent.emit(CallRequest(self, transaction, request))

    def _received_bye(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        self.agent.respond(transaction, 200, now=now)
        transaction.forget_request()
        self._leave_unanswered(now)
        if not self.over:
            self._finish(CallEnded(self, "bye", request))

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A response to a request of this call, from the agent."""
        method, status = transaction.request.method, response.status
        if transaction is self.invite:
            self._invite_response(response, now)
        elif method in ("INVITE", "UPDATE"):
            self._modification_response(transaction, response, now)
        elif method == "BYE":
            if status >= 200 and self.dialog is not None:
                self.agent.drop_dialog(self.dialog)
        elif method not in ("CANCEL", "PRACK") and status >= 200:
            if transaction.context is not None and transaction.context is self._referral:
                self._notify_answered(status)
                return
            if self._answer_challenge(transaction, response, now) is not None:
                return
            if method == "REFER" and status >= 300:
                self._referring = False
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
            self._modification_lost(status, now)
        elif method == "BYE":
            if self.dialog is not None:
                self.agent.drop_dialog(self.dialog)
        elif method not in ("CANCEL", "PRACK"):
            self.agent.emit(RequestFailed(transaction, cause, self))
            self._lost(now)


def _about_refer(request: Request) -> bool:
    return (request.get("Event") or "").partition(";")[0].strip(" \t").lower() == "refer"
