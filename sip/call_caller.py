"""The caller's side of a call: INVITE, forked answers, challenges, CANCEL (RFC 3261 9.1, 13.2 and 22.2)."""

from __future__ import annotations

from sip.call_base import OPEN, CallState
from sip.call_reliable import ReliableSide
from sip.dialog import Dialog, DialogError
from sip.digest import authorize
from sip.events import CallAnswered, CallEnded, CallFailed, CallProgress
from sip.message import HeaderItems, Request, Response
from sip.sdp import SDP_TYPE
from sip.session_timer import INTERVAL_REFUSALS_MAX, Agreed, raised
from sip.transaction_client import ClientTransaction

EARLY_DIALOGS_MAX = 8
"""Early dialogs of one forked INVITE that are kept apart; progress of more is told without a dialog."""
CHALLENGES_MAX = 2
"""Challenges answered for one request: one, and one more for a stale nonce."""


class CallerSide(ReliableSide):
    """What only a caller does."""

    __slots__ = ()

    def start(self, now: float) -> None:
        """Send the INVITE. The agent calls this once."""
        transaction = self.agent.layer.send_request(self.request, self.flow, now)
        transaction.owner = self
        self.invite = transaction
        self._local_sdp = self.request.body
        if self._deadline is None:
            # Figure 5 has no timer in Proceeding: how long it may ring is for the core to end.
            self._deadline = self.agent.timers.set(now + self.agent.config.ring_max, self.cancel)

    def cancel(self, now: float, headers: HeaderItems = ()) -> None:
        """Take our INVITE back (9.1). Ends in CallFailed, normally 487, or in CallEnded "cancelled" when a 2xx
        was faster. Nothing happens once there is a final response."""
        if self.role != "uac" or self.state not in OPEN or self._ending:
            return
        self._ending = True
        self._cancel_headers = headers
        if self._provisional_seen:
            self._send_cancel(now)
        # 9.1: no CANCEL before a provisional response; the first one that comes sends it.

    def _send_cancel(self, now: float) -> None:
        if self._cancel_sent:
            return
        self._cancel_sent = True
        cancel = Request("CANCEL", self.request.uri, [("Via", self.request.top_via), ("Max-Forwards", "70")])
        for name, value in self.request.items():
            if name in ("From", "To", "Call-ID", "Route"):
                cancel.add(name, value)
        cancel.add("CSeq", f"{self.request.cseq.number} CANCEL")
        for name, header in self._cancel_headers:
            cancel.add(name, header)
        self.agent.layer.send_request(cancel, self.flow, now).owner = self
        self._stop(self._deadline)
        # 9.1: without a final response 64*T1 after the CANCEL the INVITE counts as cancelled.
        self._deadline = self.agent.timers.set(now + self.agent.layer.values.timeout, self._cancel_unanswered)

    def _cancel_unanswered(self, now: float) -> None:
        if not self.over and isinstance(self.invite, ClientTransaction):
            self.invite.abandon()
            self._finish(CallFailed(self._self(), 487, None))

    @property
    def was_heard(self) -> bool:
        """Whether anything came to our INVITE, be it 100 alone."""
        return self._provisional_seen

    def acknowledge(self, body: bytes, now: float, content_type: str = SDP_TYPE) -> None:
        """Send the ACK with our answer, when our INVITE or re-INVITE had no body and the 2xx made the offer."""
        if self._unacknowledged is None or self.over:
            return
        self._send_ack(self._unacknowledged, body, content_type)
        if self.dialog is not None:
            self.dialog.negotiated = True
        if body:
            self._local_sdp = body
        if self.state is CallState.ANSWERED:
            self.state = CallState.ESTABLISHED

    def _invite_response(self, response: Response, now: float) -> None:
        status = response.status
        if status < 200:
            self._provisional(response, now)
        elif status < 300:
            self._accepted(response, now)
        elif not self.over and not self._try_again(response, now):
            self._finish(CallFailed(self._self(), status, response))

    def _provisional(self, response: Response, now: float) -> None:
        if self.over:
            return
        self._provisional_seen = True
        if self._ending:
            self._send_cancel(now)
        elif response.status > 100:
            dialog = self._early_dialog(response)
            reliable = dialog is not None and "100rel" in response.require
            if reliable and dialog is not None and not self._take_reliable(response, dialog, now):
                return
            self.state = CallState.PROCEEDING
            due = reliable and dialog is not None and dialog.prack_due is not None
            self.agent.emit(CallProgress(self._self(), response, dialog, reliable, due))

    def _early_dialog(self, response: Response) -> Dialog | None:
        # 12.1.2, 13.2.2.1: each To tag is a branch of its own.
        tag = response.to.tag
        if tag is None:
            return None
        dialog = self.early_dialogs.get(tag)
        if dialog is None and len(self.early_dialogs) < EARLY_DIALOGS_MAX:
            try:
                dialog = self._make_dialog(response)
            except DialogError:
                return None
            dialog.note_allow(response)
            self.early_dialogs[tag] = dialog
            self.agent.add_dialog(dialog, self._self())
        return dialog

    def answered_again(self, response: Response) -> None:
        """A 2xx came after all transactions of its INVITE were over: its ACK was lost, and goes again."""
        if self._ack is not None and self._ack_cseq == response.cseq.number:
            self.agent.layer.send(*self._ack)

    def _make_dialog(self, response: Response) -> Dialog:
        return Dialog.as_client(self.request, response, self.flow, pinned=self.agent.config.symmetric)

    def _accepted(self, response: Response, now: float) -> None:
        if self.dialog is not None and self.dialog.remote.tag == response.to.tag:
            # 13.2.2.4: each retransmitted 2xx is acknowledged again.
            if self._ack is not None and self._ack_cseq == self.request.cseq.number:
                self.agent.layer.send(*self._ack)
            return
        try:
            dialog = self.early_dialogs.get(response.to.tag or "") or self._make_dialog(response)
            dialog.confirm(response)
        except DialogError:
            if not self.over and self.dialog is None:
                self._finish(CallFailed(self._self(), 502, response))
            return
        if self.dialog is not None or self.over:
            # 13.2.2.4: another branch answered too; one call, one answer.
            self._refuse_branch(dialog, now)
            return
        self._drop_early()
        self.dialog = dialog
        dialog.note_allow(response)
        self.agent.add_dialog(dialog, self._self())
        self._stop(self._deadline)
        if self._ending:
            self._send_ack(self.request.cseq.number)
            self._bye(now)
            self._finish(CallEnded(self._self(), "cancelled"), keep_dialog=True)
            return
        self._agree_as_caller(response, now)
        if self.request.body or dialog.negotiated:
            dialog.negotiated = True
            self._send_ack(self.request.cseq.number)
            self.state = CallState.ESTABLISHED
        else:
            self._unacknowledged = self.request.cseq.number
            self.state = CallState.ANSWERED
        self.agent.emit(CallAnswered(self._self(), response))

    def _refuse_branch(self, dialog: Dialog, now: float) -> None:
        self._ack_for(dialog, self.request.cseq.number, b"", SDP_TYPE)
        self.agent.layer.send_request(dialog.build("BYE"), dialog.flow, now)

    def _try_again(self, response: Response, now: float) -> bool:
        if self._ending:
            return False
        if response.status == 422:
            return self._try_interval(response, now)
        if self.credentials is None or self._challenges >= CHALLENGES_MAX:
            return False
        if not authorize(response, self.request, self.credentials):
            return False
        self._challenges += 1
        self._start_anew(now)
        return True

    def _try_interval(self, response: Response, now: float) -> bool:
        # RFC 4028 7.3: the same call with the interval that the refuser can bear.
        if not self.agent.config.session_expires or self._interval_refusals >= INTERVAL_REFUSALS_MAX:
            return False
        interval = raised(response, self._interval)
        if interval is None:
            return False
        self._interval_refusals += 1
        self._agreed = Agreed(interval, True)
        self.request.set("Session-Expires", interval)
        self.request.set("Min-SE", interval)
        self._start_anew(now)
        return True

    def _start_anew(self, now: float) -> None:
        # 22.2, RFC 4028 7.3: the same Call-ID, From and To; the next CSeq; a branch of its own.
        self._provisional_seen = False
        self._drop_early()
        self.request.set("CSeq", f"{self.request.cseq.number + 1} INVITE")
        self.request.remove("Via")
        self.start(now)
