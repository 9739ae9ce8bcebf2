"""Changes of a running session: re-INVITE (RFC 3261 clause 14), UPDATE (RFC 3311), and who may offer when."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sip.call_base import CallState
from sip.call_timer import REFRESH_RETRY, TimedSession
from sip.dialog import Dialog
from sip.digest import authorize
from sip.events import CallEnded, ModificationAnswered, ModificationFailed, ModificationReceived
from sip.message import HeaderItems, Request, Response
from sip.sdp import SDP_TYPE
from sip.session_timer import INTERVAL_REFUSALS_MAX, Agreed, raised
from sip.transaction_client import ClientTransaction
from sip.transaction_server import ServerTransaction

REFRESH_RETRIES = 3
"""How often a session refresh that met 491 is sent again."""


@dataclass(slots=True)
class Change:
    """A re-INVITE or UPDATE of ours through its attempts. ``refresh``: it only keeps the session alive, and the
    user is not told."""

    method: str
    dialog: Dialog
    body: bytes
    headers: tuple[tuple[str, object], ...]
    retries: int
    refresh: bool = False
    interval_refusals: int = 0


class ModificationSide(TimedSession):
    """Offers after the first, either way."""

    __slots__ = ()

    # -- ours -------------------------------------------------------------------------------------------

    def reinvite(self, body: bytes, now: float, headers: HeaderItems = (), *, retries: int = 0) -> bool:
        """Offer a change of the session; without ``body`` ask for an offer.

        ``retries``: how often a 491 is followed by another attempt, after the wait of 14.1, before the user is
        told. False when there is no session, or when a change is under way, either way (14.1).
        """
        if self.state is not CallState.ESTABLISHED or self._changing or self.dialog is None:
            return False
        self._send_change(Change("INVITE", self.dialog, body, tuple(headers), retries), now)
        return True

    def update(
        self,
        body: bytes,
        now: float,
        headers: HeaderItems = (),
        *,
        retries: int = 0,
        dialog: Dialog | None = None,
    ) -> bool:
        """Offer a change by UPDATE, before or after the answer; without ``body`` only the target is refreshed.

        ``dialog`` says which of several early dialogs is meant. False when there is no dialog, when an offer is
        under way, when the first one has no answer yet (RFC 3311 5.1), or when the peer does not take UPDATE.
        """
        dialog = dialog or self._only_dialog
        if self.over or dialog is None or self._changing or "UPDATE" not in dialog.peer_allow:
            return False
        if body and not dialog.negotiated:
            return False
        self._send_change(Change("UPDATE", dialog, body, tuple(headers), retries), now)
        return True

    def peer_allows(self, method: str) -> bool:
        """The peer's last Allow names this method; False while it has not told any."""
        dialog = self._only_dialog
        return dialog is not None and method in dialog.peer_allow

    @property
    def _only_dialog(self) -> Dialog | None:
        if self.dialog is not None or len(self.early_dialogs) != 1:
            return self.dialog
        return next(iter(self.early_dialogs.values()))

    @property
    def _changing(self) -> bool:
        pending = (self._modification, self._incoming, self._answer, self._unacknowledged, self._retry_timer)
        return any(item is not None for item in pending)

    def _send_change(self, change: Change, now: float) -> None:
        dialog = change.dialog
        request = dialog.build(change.method)
        request.add("Contact", self.agent.contact(self.contact_user, dialog.flow))
        for name, value in change.headers:
            request.add(name, value)
        if change.body:
            request.add("Content-Type", SDP_TYPE)
            request.body = change.body
        self.agent.add_capabilities(request, self.reliability)
        self._ask_interval(request)
        self._change = change
        self._modification = self.agent.layer.send_request(self.agent.signed(request), dialog.flow, now)
        self._modification.owner = self

    def _refresh_session(self, now: float) -> None:
        # RFC 4028 7.4: by UPDATE where the peer takes it, which leaves the description alone.
        if self.over or self.dialog is None:
            return
        if self._changing:
            self._refresh_at(now + REFRESH_RETRY)
            return
        by_update = "UPDATE" in self.dialog.peer_allow or not self._local_sdp
        method, body = ("UPDATE", b"") if by_update else ("INVITE", self._local_sdp)
        self._send_change(Change(method, self.dialog, body, (), REFRESH_RETRIES, refresh=True), now)

    def _modification_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        status, request = response.status, transaction.request
        if transaction is not self._modification:
            again = request.method == "INVITE" and request.cseq.number == self._ack_cseq
            if 200 <= status < 300 and again and self._ack is not None:
                self.agent.layer.send(*self._ack)
            return
        if status < 200:
            return
        change = self._change
        self._modification = self._change = None
        assert change is not None
        if status >= 300:
            if not self.over:
                self._change_refused(change, transaction, response, now)
        elif not self.over:
            self._change_taken(change, request, response, now)
        elif request.method == "INVITE" and self.dialog is not None:
            self._send_ack(request.cseq.number)

    def _change_taken(self, change: Change, request: Request, response: Response, now: float) -> None:
        change.dialog.refresh_target(response)
        change.dialog.note_allow(response)
        if request.body:
            self._local_sdp = request.body
        if request.method == "INVITE":
            if request.body:
                self._send_ack(request.cseq.number)
            else:
                self._unacknowledged = request.cseq.number
        if self.dialog is not None and self.dialog.confirmed:
            self._agree_as_caller(response, now)
        if not change.refresh:
            self.agent.emit(ModificationAnswered(self._self(), response))

    def _change_refused(
        self, change: Change, transaction: ClientTransaction, response: Response, now: float
    ) -> None:
        status = response.status
        if status in (408, 481):
            # 14.1: the dialog is gone.
            if not change.refresh:
                self.agent.emit(ModificationFailed(self._self(), status, response))
            self._lost(now)
            return
        again = self._answer_challenge(transaction, response, now)
        if again is not None:
            self._modification, self._change = again, change
            return
        if status == 422 and self.agent.config.session_expires:
            # RFC 4028 7.3: once more with the interval that they can bear.
            interval = raised(response, self._interval)
            if interval is not None and change.interval_refusals < INTERVAL_REFUSALS_MAX:
                change.interval_refusals += 1
                self._agreed = Agreed(interval, True if self._agreed is None else self._agreed.ours)
                self._send_change(change, now)
                return
        if status == 491 and change.retries > 0:
            change.retries -= 1
            self._retry_timer = self.agent.timers.set(
                now + self._glare_wait(), lambda at: self._retry_change(change, at)
            )
            return
        if change.refresh:
            self._refresh_at(now + REFRESH_RETRY)
        else:
            self.agent.emit(ModificationFailed(self._self(), status, response))

    def _glare_wait(self) -> float:
        # 14.1: who made the Call-ID waits 2.1 to 4 seconds, the other up to 2, in steps of 10 ms.
        if self.role == "uac":
            return (210 + secrets.randbelow(191)) / 100
        return secrets.randbelow(201) / 100

    def _retry_change(self, change: Change, now: float) -> None:
        self._retry_timer = None
        if self.over:
            return
        if not self._changing:
            self._send_change(change, now)
        elif change.retries > 0:
            # Theirs came in between and is still open.
            change.retries -= 1
            self._retry_timer = self.agent.timers.set(
                now + self._glare_wait(), lambda at: self._retry_change(change, at)
            )
        elif change.refresh:
            self._refresh_at(now + REFRESH_RETRY)
        else:
            self.agent.emit(ModificationFailed(self._self(), 491, None))

    def _modification_lost(self, status: int, now: float) -> None:
        change, self._modification, self._change = self._change, None, None
        if change is not None and not change.refresh:
            self.agent.emit(ModificationFailed(self._self(), status, None))
        self._lost(now)

    def _answer_challenge(
        self, transaction: ClientTransaction, response: Response, now: float
    ) -> ClientTransaction | None:
        """Send a request of the dialog once more with credentials (22.2); None where that is not to be done."""
        request = transaction.request
        answered = request.get("Authorization") or request.get("Proxy-Authorization")
        dialog = self.dialog or self.early_dialogs.get(request.to.tag or "")
        if self.credentials is None or answered is not None or dialog is None:
            return None
        if not authorize(response, request, self.credentials):
            return None
        dialog.local_cseq += 1
        request.set("CSeq", f"{dialog.local_cseq} {request.method}")
        request.remove("Via")
        again = self.agent.layer.send_request(request, transaction.flow, now)
        again.owner, again.context = self, transaction.context
        return again

    def _lost(self, now: float) -> None:
        if self.over:
            return
        if self.dialog is not None and self.dialog.confirmed:
            self._bye(now)
            self._finish(CallEnded(self._self(), "unreachable"), keep_dialog=True)

    # -- theirs -----------------------------------------------------------------------------------------

    def _received_modification(
        self, transaction: ServerTransaction, request: Request, dialog: Dialog, now: float
    ) -> None:
        dialog.note_allow(request)
        status = (self._blocks_update if request.method == "UPDATE" else self._blocks_reinvite)(
            request, dialog
        )
        if status == 500:
            # 14.2, RFC 3311 5.2: a second one before the first is answered.
            self._refuse(transaction, 500, now, headers=[("Retry-After", secrets.randbelow(11))])
        elif status is not None:
            self._refuse(transaction, status, now)
        elif request.method == "UPDATE" and not request.body:
            self._accept_update(transaction, b"", now, ())
        else:
            self._incoming = transaction
            transaction.owner = self
            self.agent.emit(ModificationReceived(self._self(), transaction, request))

    def _blocks_reinvite(self, request: Request, dialog: Dialog) -> int | None:
        unanswered = isinstance(self.invite, ServerTransaction) and not self.invite.answered
        if self._incoming is not None or unanswered:
            return 500
        if self._modification is not None or self.state is not CallState.ESTABLISHED:
            return 491  # 14.2: glare
        return None

    def _blocks_update(self, request: Request, dialog: Dialog) -> int | None:
        if not request.body:
            return None
        if self._incoming is not None or self._unacknowledged is not None:
            return 500
        if self._modification is not None:
            return 491
        if self._answer is not None and not self._answer[0].request.body:
            return 491  # our 2xx made an offer; its answer comes in the ACK
        if not dialog.negotiated:
            # RFC 3311 5.2: 491 while our offer has no answer, 500 while theirs has none.
            ours = (self.role == "uac") == bool(self.request.body)
            return 491 if ours else 500
        return None

    def accept_modification(self, body: bytes, now: float, headers: HeaderItems = ()) -> None:
        """Answer what ModificationReceived told of."""
        transaction, self._incoming = self._incoming, None
        if transaction is None or self.over:
            return
        if body:
            self._local_sdp = body
        if transaction.request.method == "INVITE":
            self._send_answer(transaction, body, now, headers)
        else:
            self._accept_update(transaction, body, now, headers)

    def reject_modification(self, status: int, now: float, headers: HeaderItems = ()) -> None:
        """Refuse it; the session stays as it was."""
        transaction, self._incoming = self._incoming, None
        if transaction is not None:
            self._refuse(transaction, status, now, headers=headers)

    def _accept_update(
        self, transaction: ServerTransaction, body: bytes, now: float, headers: HeaderItems
    ) -> None:
        response = self._response(transaction, 200, body, headers)
        if transaction.request.method == "UPDATE" and self.dialog is not None and self.dialog.confirmed:
            self._agree_as_callee(transaction.request, response, now)
        self.agent.layer.respond(transaction, response, now)

    def _send_answer(
        self, transaction: ServerTransaction, body: bytes, now: float, headers: HeaderItems
    ) -> None:
        """200 to an INVITE, repeated until its ACK comes."""
        response = self._response(transaction, 200, body, headers)
        self._agree_as_callee(transaction.request, response, now)
        self._stop(self._answer_timer)
        self._answer = (transaction, response)
        self.agent.layer.respond(transaction, response, now)
        self._repeat_answer(self.agent.layer.values.t1, now, now + self.agent.layer.values.timeout)

    def _repeat_answer(self, interval: float, now: float, until: float) -> None:
        def fire(at: float) -> None:
            if self._answer is None:
                return
            if at >= until:
                # 13.3.1.4: confirmed but never acknowledged: the session is ended with BYE.
                self._answer = None
                self._bye(at)
                self._finish(
                    None if self._ending else CallEnded(self._self(), "ack-timeout"), keep_dialog=True
                )
                return
            self.agent.layer.respond(*self._answer, at)
            self._repeat_answer(min(interval * 2, self.agent.layer.values.t2), at, until)

        # Repeated on every transport: a proxy behind a reliable hop may lose it (13.3.1.4).
        self._answer_timer = self.agent.timers.set(min(now + interval, until), fire)
