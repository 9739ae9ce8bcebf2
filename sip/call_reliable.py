"""Reliable provisional responses: RSeq, PRACK, and the offers and answers they carry (RFC 3262)."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field

from sip.call_modification import ModificationSide
from sip.dialog import Dialog
from sip.events import CallEnded, ModificationReceived, ProvisionalAcknowledged
from sip.extensions import RAck, parse_rack, response_number
from sip.headers import HeaderError
from sip.message import HeaderItems, Request, Response, make_response
from sip.sdp import SDP_TYPE
from sip.timers import Timer
from sip.transaction_server import ServerTransaction

RELIABLE_WAITING_MAX = 8
"""Reliable provisional responses that wait for the PRACK of the one before; more are dropped."""


@dataclass(slots=True)
class ReliableQueue:
    """A callee's reliable provisional responses. ``number`` is the last RSeq; ``sent`` has no PRACK yet."""

    described: bool = False
    """One of them has a description."""
    number: int = field(default_factory=lambda: secrets.randbelow(2**31 - 1))
    sent: Response | None = None
    waiting: deque[Response] = field(default_factory=deque)
    timer: Timer | None = None


class ReliableSide(ModificationSide):
    """Both sides of RFC 3262."""

    __slots__ = ()

    # -- callee -----------------------------------------------------------------------------------------

    def _goes_reliably(self, described: bool, wanted: bool | None) -> bool:
        """RFC 3262 3: reliably where the caller requires it, and where it can and we want to."""
        mode = self.reliability
        if mode == "no":
            return False
        if "100rel" in self.request.require:
            return True
        if "100rel" not in self.request.supported:
            return False
        return mode == "required" or (described if wanted is None else wanted)

    def _ring_reliably(self, response: Response, now: float) -> None:
        queue = self._reliable
        if queue is None:
            queue = self._reliable = ReliableQueue()
        response.add("Require", "100rel")
        queue.described = queue.described or bool(response.body)
        self.agent.add_capabilities(
            response, self.reliability
        )  # RFC 3311 5.1: who may be sent UPDATE says so in Allow
        if queue.sent is None:
            self._send_reliable(queue, response, now)
        elif len(queue.waiting) < RELIABLE_WAITING_MAX:
            # 3: one at a time, so that the caller sees them in order.
            queue.waiting.append(response)

    def _send_reliable(self, queue: ReliableQueue, response: Response, now: float) -> None:
        queue.number += 1
        response.add("RSeq", queue.number)
        queue.sent = response
        if response.body:
            self._local_sdp = response.body
        assert isinstance(self.invite, ServerTransaction)
        self.agent.layer.respond(self.invite, response, now)
        values = self.agent.layer.values
        self._repeat_reliable(queue, values.t1, now, now + values.timeout)

    def _repeat_reliable(self, queue: ReliableQueue, interval: float, now: float, until: float) -> None:
        def fire(at: float) -> None:
            invite, response = self.invite, queue.sent
            if response is None or self.over or not isinstance(invite, ServerTransaction) or invite.answered:
                return
            if at >= until:
                # 3: no PRACK for 64*T1: the INVITE is refused.
                self._refuse(invite, 504, at)
                self._finish(CallEnded(self._self(), "prack-timeout"))
                return
            self.agent.layer.respond(invite, response, at)
            self._repeat_reliable(queue, interval * 2, at, until)

        queue.timer = self.agent.timers.set(min(now + interval, until), fire)

    @property
    def described_early(self) -> bool:
        """A description of ours went, or goes, in a reliable provisional response: a 2xx needs none."""
        return self._reliable is not None and self._reliable.described

    @property
    def _answer_must_wait(self) -> bool:
        """3: no 2xx while a description of ours waits for its PRACK; nor while an offer in a PRACK is open."""
        queue = self._reliable
        described = queue is not None and queue.sent is not None and bool(queue.sent.body)
        return described or self._incoming is not None

    def _received_prack(
        self, transaction: ServerTransaction, request: Request, dialog: Dialog, now: float
    ) -> None:
        try:
            rack = parse_rack(request.get("RAck") or "")
        except HeaderError:
            self._refuse(transaction, 400, now)
            return
        queue = self._reliable
        sent = None if queue is None else queue.sent
        if queue is None or sent is None or rack != (queue.number, sent.cseq.number, "INVITE"):
            self._refuse(transaction, 481, now)  # 3: it matches nothing that waits
            return
        queue.sent = None
        self._stop(queue.timer)
        # 5: an answer where our response made the offer; else an offer of their own.
        answers = bool(sent.body) and not dialog.negotiated and not self.request.body
        if sent.body:
            dialog.negotiated = True
        self.agent.emit(ProvisionalAcknowledged(self._self(), request))
        if request.body and not answers:
            if self._incoming is not None or not dialog.negotiated:
                self._refuse(transaction, 500, now, headers=[("Retry-After", secrets.randbelow(11))])
            else:
                self._incoming = transaction
                transaction.owner = self
                self.agent.emit(ModificationReceived(self._self(), transaction, request))
        else:
            self._respond_prack(transaction, now)
        if queue.waiting and not self._invite_answered:
            self._send_reliable(queue, queue.waiting.popleft(), now)
        self._release_answer(now)

    @property
    def _invite_answered(self) -> bool:
        return isinstance(self.invite, ServerTransaction) and self.invite.answered

    def _respond_prack(self, transaction: ServerTransaction, now: float) -> None:
        response = make_response(transaction.request, 200, to_tag=transaction.local_tag)
        self.agent.layer.respond(transaction, self.agent.signed(response), now)

    def _release_answer(self, now: float) -> None:
        raise NotImplementedError

    def accept_modification(self, body: bytes, now: float, headers: HeaderItems = ()) -> None:
        super().accept_modification(body, now, headers)
        self._release_answer(now)

    def reject_modification(self, status: int, now: float, headers: HeaderItems = ()) -> None:
        super().reject_modification(status, now, headers)
        self._release_answer(now)

    # -- caller -----------------------------------------------------------------------------------------

    def _take_reliable(self, response: Response, dialog: Dialog, now: float) -> bool:
        """Acknowledge a reliable provisional response (4). False: it came before or out of order, and is not
        looked at any further; its sender repeats it."""
        number = response_number(response)
        if number is None or (dialog.remote_rseq is not None and number != dialog.remote_rseq + 1):
            return False
        dialog.remote_rseq = number
        rack = str(RAck(number, self.request.cseq.number, "INVITE"))
        if response.body and not self.request.body and not dialog.negotiated:
            dialog.prack_due = rack  # 5: it made the offer, and the PRACK must hold the answer
        else:
            if response.body:
                dialog.negotiated = True
            self._send_prack(dialog, rack, b"", now)
        return True

    def prack(self, body: bytes, now: float, dialog: Dialog | None = None) -> bool:
        """Send the PRACK with our answer to the offer in a reliable provisional response (``prack_due``).

        ``dialog`` says which of several early dialogs is meant. False when none is due.
        """
        dialog = dialog or self._only_dialog
        if self.over or dialog is None or dialog.prack_due is None:
            return False
        rack, dialog.prack_due = dialog.prack_due, None
        dialog.negotiated = True
        self._local_sdp = body
        self._send_prack(dialog, rack, body, now)
        return True

    def _send_prack(self, dialog: Dialog, rack: str, body: bytes, now: float) -> None:
        prack = dialog.build("PRACK")
        prack.add("RAck", rack)
        if body:
            prack.add("Content-Type", SDP_TYPE)
            prack.body = body
        self.agent.layer.send_request(self.agent.signed(prack), dialog.flow, now).owner = self
