"""The callee's side of a call: ringing, answer, refusal, ACK and CANCEL (RFC 3261 9.2, 13.3)."""

from __future__ import annotations

from sip.call_base import OPEN, CallState
from sip.call_reliable import ReliableSide
from sip.dialog import Dialog
from sip.events import CallCancelled, CallEnded, CallEstablished, ModificationAcknowledged
from sip.message import HeaderItems, Request
from sip.transaction_server import ServerTransaction

PROVISIONAL_REPEAT = 60.0
"""Seconds after which a callee repeats its provisional response (13.3.1.1)."""


class CalleeSide(ReliableSide):
    """What only a callee does."""

    __slots__ = ()

    def arrived(self, transaction: ServerTransaction, now: float) -> None:
        """Take the INVITE. The agent calls this once.

        :raises DialogError: it has no usable Contact.
        """
        symmetric = self.agent.config.symmetric
        self.dialog = Dialog.as_server(self.request, transaction.local_tag, self.flow, pinned=symmetric)
        self.invite = transaction
        transaction.owner = self
        self.dialog.note_allow(self.request)
        self.agent.add_dialog(self.dialog, self._self())
        self._deadline = self.agent.timers.set(now + self.agent.config.ring_max, self._rang_too_long)

    def ring(
        self,
        now: float,
        status: int = 180,
        body: bytes = b"",
        headers: HeaderItems = (),
        *,
        reliable: bool | None = None,
    ) -> None:
        """Send a provisional response, with early media's description if ``body`` is given.

        ``reliable``: whether it is repeated until the caller's PRACK, where the caller leaves the choice; None
        means if it has a body.
        """
        if self.role != "uas" or self.state not in OPEN or self._held_answer is not None:
            return
        assert isinstance(self.invite, ServerTransaction)
        invite, response = self.invite, self._response(self.invite, status, body, headers)
        if status > 100:
            self.state = CallState.PROCEEDING
            if self._goes_reliably(bool(body), reliable):
                self._ring_reliably(response, now)
                return
        self.agent.layer.respond(invite, response, now)
        self._stop(self._provisional_timer)

        def repeat(at: float) -> None:
            self.agent.layer.respond(invite, response, at)
            self._provisional_timer = self.agent.timers.set(at + PROVISIONAL_REPEAT, repeat)

        self._provisional_timer = self.agent.timers.set(now + PROVISIONAL_REPEAT, repeat)

    def answer(self, body: bytes, now: float, headers: HeaderItems = ()) -> None:
        """Send 200, repeated until the ACK comes (13.3.1.4). Nothing happens after a final response.

        While a reliable provisional response with a description has no PRACK, the 200 waits for it.
        """
        if self.role != "uas" or self.state not in OPEN or self._held_answer is not None:
            return
        if self._answer_must_wait:
            self._held_answer = (body, tuple(headers))
            return
        assert isinstance(self.invite, ServerTransaction)
        assert self.dialog is not None
        self.state = CallState.ANSWERED
        self.dialog.confirmed = True
        if body:
            self._local_sdp = body
        if self.request.body:
            self.dialog.negotiated = True
        self._stop(self._deadline)
        self._stop(self._provisional_timer)
        if self._reliable is not None:
            # RFC 3262 3: what goes no more, and what still waits for its PRACK, the 200 makes needless.
            self._reliable.waiting.clear()
            self._stop(self._reliable.timer)
        self._send_answer(self.invite, body, now, headers)

    def _release_answer(self, now: float) -> None:
        if self._held_answer is not None and not self._answer_must_wait:
            (body, headers), self._held_answer = self._held_answer, None
            self.answer(body, now, headers)

    def reject(
        self,
        status: int,
        now: float,
        reason: str | None = None,
        headers: HeaderItems = (),
        body: bytes = b"",
    ) -> None:
        """Refuse the call with a status of 300 or more; ``body``: a description, as a 580 has one. No event
        follows."""
        if self.role != "uas" or self.state not in OPEN:
            return
        assert isinstance(self.invite, ServerTransaction)
        self._refuse(self.invite, status, now, reason, headers, body)
        self._finish(None)

    def acknowledged(self, ack: Request, now: float) -> None:
        """An ACK in the dialog."""
        if self._answer is None or ack.cseq.number != self._answer[0].request.cseq.number:
            return
        initial = self._answer[0] is self.invite
        self._answer = None
        self._stop(self._answer_timer)
        if self.dialog is not None:
            self.dialog.negotiated = True
        if self.over:
            return
        if not initial:
            self.agent.emit(ModificationAcknowledged(self._self(), ack))
            return
        self.state = CallState.ESTABLISHED
        if self._ending:
            # 15: the callee's BYE waits for the ACK.
            self._bye(now)
            self._finish(None, keep_dialog=True)
        else:
            self.agent.emit(CallEstablished(self._self(), ack))

    def cancelled(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """A CANCEL for an INVITE of this call (9.2): it ends what has no final response yet."""
        if transaction.answered:
            return
        self._refuse(transaction, 487, now)
        if transaction is self.invite:
            self._finish(CallCancelled(self._self(), request))
        else:
            self._incoming = None

    def _rang_too_long(self, now: float) -> None:
        if self.state in OPEN:
            assert isinstance(self.invite, ServerTransaction)
            self._refuse(self.invite, 480, now)
            self._finish(CallEnded(self._self(), "expired"))
