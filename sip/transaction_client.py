"""Client transactions: RFC 3261 figures 5 and 6, with RFC 6026 figure 1."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sip.flow import Flow
from sip.message import Request, Response
from sip.timers import Timer

if TYPE_CHECKING:
    from sip.transaction import TransactionLayer

TransactionKey = tuple[str, ...]


class ClientState(Enum):
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class ClientTransaction:
    """One request on its way. ``context`` is the caller's to use; ``owner`` the user agent's."""

    __slots__ = ("context", "data", "deadline", "flow", "key", "layer", "owner", "request", "state", "timer")

    def __init__(self, layer: TransactionLayer, request: Request, flow: Flow, key: TransactionKey) -> None:
        self.layer = layer
        self.request = request
        self.flow = flow
        self.key = key
        self.data = request.to_bytes()
        self.state = ClientState.TRYING
        self.context: object = None
        self.owner: object = None
        self.deadline = 0.0
        """When it has waited long enough for a final answer: timers B and F."""
        self.timer: Timer | None = None
        """The one that it has: to send again, to give up, and at last to go."""

    def start(self, now: float) -> None:
        raise NotImplementedError

    def receive(self, response: Response, now: float) -> None:
        raise NotImplementedError

    def abandon(self) -> None:
        """Forget the request: its answer, if one comes, is nobody's."""
        self.terminate()

    def terminate(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.state is not ClientState.TERMINATED:
            self.state = ClientState.TERMINATED
            self.layer.forget_client(self)

    def wait(self, seconds: float, now: float) -> None:
        """Stay for late messages, then go. On a reliable transport nothing comes late. It is not sent again."""
        self.data = b""
        if seconds <= 0:
            self.terminate()
        else:
            self.timer = self.layer.timers.move(self.timer, now + seconds, self._over)

    def _over(self, now: float) -> None:
        self.terminate()
        # A call and its INVITE know each other: who is over lets go, so that nothing waits for a collection.
        self.owner = self.context = None

    def fail(self, cause: str) -> None:
        """No answer (``timeout``) or no way (``transport``): tell the user, once."""
        if self.state in (ClientState.CALLING, ClientState.TRYING, ClientState.PROCEEDING):
            self.terminate()
            self.layer.client_failed(self, cause)

    def _await_answer(self, interval: float, ceiling: float | None, now: float) -> None:
        """Send again after the interval and then after its double, up to the ceiling; nothing is repeated on a reliable
        transport. It has failed at the deadline."""

        def fire(at: float) -> None:
            if at >= self.deadline:
                self.fail("timeout")
                return
            self.layer.send(self.data, self.flow)
            doubled = interval * 2
            self._await_answer(doubled if ceiling is None else min(doubled, ceiling), ceiling, at)

        due = self.deadline if self.flow.reliable else min(now + interval, self.deadline)
        self.timer = self.layer.timers.move(self.timer, due, fire)


class InviteClient(ClientTransaction):
    """Figure 5 as RFC 6026 amends it: Calling, Proceeding, Completed, Accepted, Terminated."""

    __slots__ = ("ack",)

    def start(self, now: float) -> None:
        values = self.layer.values
        self.state = ClientState.CALLING
        self.ack: tuple[bytes, Flow] | None = None
        self.layer.send(self.data, self.flow)
        self.deadline = now + values.timeout  # timer B
        self._await_answer(values.t1, None, now)  # timer A

    def receive(self, response: Response, now: float) -> None:
        status = response.status
        if self.state in (ClientState.CALLING, ClientState.PROCEEDING):
            if status < 200:
                self.state = ClientState.PROCEEDING
                if self.timer is not None:
                    # Figure 5: timers A and B matter in Calling alone. How long ringing may last is the user's to say.
                    self.timer.cancel()
            elif status < 300:
                # RFC 6026 7.2: stay, so that 2xx of other branches reach the user.
                self.state = ClientState.ACCEPTED
                self.wait(self.layer.values.timeout, now)  # timer M
            else:
                self.state = ClientState.COMPLETED
                self._send_ack(response)
                self.wait(0 if self.flow.reliable else self.layer.values.d, now)  # timer D
            self.layer.client_response(self, response)
        elif self.state is ClientState.ACCEPTED:
            if 200 <= status < 300:
                self.layer.client_response(self, response)
        elif self.state is ClientState.COMPLETED and status >= 300 and self.ack is not None:
            # 17.1.1.2: a retransmitted final response is acknowledged again, not passed up again.
            self.layer.send(*self.ack)

    def _send_ack(self, response: Response) -> None:
        # 17.1.1.3: same Request-URI, top Via, Call-ID, From, CSeq number and Route; To from the response.
        ack = Request("ACK", self.request.uri, [("Via", self.request.top_via), ("Max-Forwards", "70")])
        for name, value in self.request.items():
            if name in ("From", "Call-ID", "Route"):
                ack.add(name, value)
        ack.add("To", response.get("To") or self.request.to)
        ack.add("CSeq", f"{self.request.cseq.number} ACK")
        self.ack = (ack.to_bytes(), self.flow)
        self.layer.send(*self.ack)


class NonInviteClient(ClientTransaction):
    """Figure 6: Trying, Proceeding, Completed, Terminated."""

    __slots__ = ()

    def start(self, now: float) -> None:
        values = self.layer.values
        self.layer.send(self.data, self.flow)
        self.deadline = now + values.timeout  # timer F
        self._await_answer(values.t1, values.t2, now)  # timer E

    def receive(self, response: Response, now: float) -> None:
        if self.state not in (ClientState.TRYING, ClientState.PROCEEDING):
            return
        values = self.layer.values
        if response.status < 200:
            self.state = ClientState.PROCEEDING
            self._await_answer(values.t2, values.t2, now)  # 17.1.2.2: timer E is T2 in Proceeding
        else:
            self.state = ClientState.COMPLETED
            self.wait(0 if self.flow.reliable else values.t4, now)  # timer K
        self.layer.client_response(self, response)
