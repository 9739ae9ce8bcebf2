"""What both sides of a call share: its state, its ACK and 2xx, and its end (RFC 3261 clauses 13 and 15)."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from sip.dialog import Dialog
from sip.digest import Credentials
from sip.events import CallCancelled, CallEnded, CallFailed
from sip.flow import Flow
from sip.message import HeaderItems, Request, Response, make_response
from sip.sdp import SDP_TYPE
from sip.timers import Timer
from sip.transaction_client import ClientState, ClientTransaction
from sip.transaction_server import ServerTransaction

if TYPE_CHECKING:
    from sip.agent import UserAgent
    from sip.call import Call
    from sip.call_modification import Change
    from sip.call_refer import Referral
    from sip.call_reliable import ReliableQueue
    from sip.session_timer import Agreed


class CallState(Enum):
    CALLING = "calling"
    """INVITE sent or received, nothing but 100 so far."""
    PROCEEDING = "proceeding"
    """Ringing or early media."""
    ANSWERED = "answered"
    """2xx sent or received, ACK outstanding."""
    ESTABLISHED = "established"
    TERMINATED = "terminated"


OPEN = (CallState.CALLING, CallState.PROCEEDING)
"""States in which the INVITE has no final response yet."""


class CallBase:
    """State and helpers; the user sees :class:`sip.call.Call`."""

    __slots__ = (
        "_ack",
        "_ack_cseq",
        "_agreed",
        "_answer",
        "_answer_timer",
        "_cancel_headers",
        "_cancel_sent",
        "_challenges",
        "_change",
        "_deadline",
        "_ending",
        "_held_answer",
        "_incoming",
        "_interval_refusals",
        "_local_sdp",
        "_modification",
        "_provisional_seen",
        "_provisional_timer",
        "_referral",
        "_referred",
        "_referring",
        "_reliable",
        "_retry_timer",
        "_session_timers",
        "_unacknowledged",
        "agent",
        "contact_user",
        "context",
        "credentials",
        "dialog",
        "early_dialogs",
        "flow",
        "invite",
        "reliability",
        "request",
        "role",
        "state",
    )

    def __init__(self, agent: UserAgent, role: str, request: Request, flow: Flow, contact_user: str) -> None:
        self.agent = agent
        self.role = role
        self.request = request
        self.flow = flow
        self.contact_user = contact_user
        self.state = CallState.CALLING
        self.context: object = None
        self.credentials: Credentials | None = None
        self.reliability = agent.config.reliable_provisional
        """Of provisional responses, as AgentConfig.reliable_provisional; a callee's user may set it before it rings."""
        self.dialog: Dialog | None = None
        self.early_dialogs: dict[str, Dialog] = {}
        self.invite: ClientTransaction | ServerTransaction | None = None
        self._ack: tuple[bytes, Flow] | None = None
        self._ack_cseq = 0
        self._agreed: Agreed | None = None
        self._answer: tuple[ServerTransaction, Response] | None = None
        self._answer_timer: Timer | None = None
        self._cancel_headers: HeaderItems = ()
        self._cancel_sent = False
        self._challenges = 0
        self._change: Change | None = None
        self._deadline: Timer | None = None
        self._ending = False
        self._held_answer: tuple[bytes, HeaderItems] | None = None
        self._incoming: ServerTransaction | None = None
        self._interval_refusals = 0
        self._local_sdp = b""
        self._modification: ClientTransaction | None = None
        self._provisional_seen = False
        self._provisional_timer: Timer | None = None
        self._referral: Referral | None = None
        self._referred = False
        self._referring = False
        self._reliable: ReliableQueue | None = None
        self._retry_timer: Timer | None = None
        self._session_timers: tuple[Timer, ...] = ()
        self._unacknowledged: int | None = None

    def __repr__(self) -> str:
        return f"<Call {self.role} {self.state.value} {self.request.call_id}>"

    @property
    def call_id(self) -> str:
        return self.request.call_id

    @property
    def over(self) -> bool:
        return self.state is CallState.TERMINATED

    def _self(self) -> Call:
        raise NotImplementedError

    def _send_ack(self, cseq: int, body: bytes = b"", content_type: str = SDP_TYPE) -> None:
        assert self.dialog is not None
        self._ack_cseq = cseq
        self._unacknowledged = None
        self._ack = self._ack_for(self.dialog, cseq, body, content_type)

    def _ack_for(self, dialog: Dialog, cseq: int, body: bytes, content_type: str) -> tuple[bytes, Flow]:
        # 13.2.2.4: the ACK for a 2xx is a request of the dialog with the INVITE's number and credentials.
        ack = dialog.build("ACK", cseq=cseq)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in self.request.get_all(name):
                ack.add(name, value)
        if body:
            ack.add("Content-Type", content_type)
            ack.body = body
        return self.agent.layer.send_stateless(ack, dialog.flow), dialog.flow

    def _bye(self, now: float, headers: HeaderItems = ()) -> None:
        assert self.dialog is not None
        bye = self.dialog.build("BYE")
        for name, value in headers:
            bye.add(name, value)
        self.agent.layer.send_request(self.agent.signed(bye), self.dialog.flow, now).owner = self
        self._leave_unanswered(now)

    def _leave_unanswered(self, now: float) -> None:
        """The dialog ends, by either side's BYE: what either has not answered in it waits for no one any more."""
        for pending in (self.invite, self._incoming):
            # 15.1.2: what is still unanswered in the dialog is answered 487.
            if isinstance(pending, ServerTransaction) and not pending.answered:
                self._refuse(pending, 487, now)
        self._incoming = None
        if self._modification is not None:
            # As 9.1 of what was cancelled: figure 5 has no timer in Proceeding, and a peer may never answer it.
            give_up = partial(_give_up, self._modification)
            self.agent.timers.set(now + self.agent.layer.values.timeout, give_up)

    def _response(
        self, transaction: ServerTransaction, status: int, body: bytes, headers: HeaderItems
    ) -> Response:
        response = make_response(
            transaction.request,
            status,
            to_tag=transaction.local_tag,
            body=body,
            content_type=SDP_TYPE if body else None,
        )
        if status > 100:
            response.add("Contact", self.agent.contact(self.contact_user, transaction.flow))
        if status >= 200:
            self.agent.add_capabilities(response, self.reliability)
        for name, value in headers:
            response.add(name, value)
        return self.agent.signed(response)

    def _refuse(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        reason: str | None = None,
        headers: HeaderItems = (),
        body: bytes = b"",
    ) -> None:
        response = make_response(
            transaction.request,
            status,
            reason,
            to_tag=transaction.local_tag,
            headers=headers,
            body=body,
            content_type=SDP_TYPE if body else None,
        )
        self.agent.layer.respond(transaction, self.agent.signed(response), now)

    @staticmethod
    def _stop(timer: Timer | None) -> None:
        if timer is not None:
            timer.cancel()

    def _stop_session(self) -> None:
        for timer in self._session_timers:
            timer.cancel()
        self._session_timers = ()

    def _drop_early(self) -> None:
        for dialog in self.early_dialogs.values():
            self.agent.drop_dialog(dialog)
        self.early_dialogs.clear()

    def _finish(
        self, event: CallFailed | CallCancelled | CallEnded | None, *, keep_dialog: bool = False
    ) -> None:
        # With keep_dialog a BYE is under way: a crossing BYE still finds the dialog and gets its 200.
        self.state = CallState.TERMINATED
        for timer in (self._deadline, self._answer_timer, self._provisional_timer, self._retry_timer):
            self._stop(timer)
        self._stop_session()
        if self._reliable is not None:
            self._stop(self._reliable.timer)
        if self._referral is not None:
            self._referral.timer.cancel()
        self._answer = self._held_answer = None
        # For half a minute more the INVITE's transaction stays, and as a client it needs the call for late answers.
        if isinstance(self.invite, ServerTransaction) and self.invite.answered:
            self.invite.owner = None
            self.invite.forget_request()
        self.request.forget_views()
        self._drop_early()
        if self.dialog is not None and not keep_dialog:
            self.agent.drop_dialog(self.dialog)
        self.agent.drop_call(self._self())
        if event is not None:
            self.agent.emit(event)


def _give_up(transaction: ClientTransaction, _now: float) -> None:
    # One that was answered stays as long as its own timer says, for answers that come again.
    if transaction.state is ClientState.PROCEEDING:
        transaction.abandon()
