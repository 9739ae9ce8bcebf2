"""Server transactions: RFC 3261 figures 7 and 8, with RFC 6026 figure 3."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sip.flow import Flow
from sip.message import Request, Response, make_response
from sip.timers import Timer
from sip.tokens import token
from sip.transaction_client import TransactionKey

if TYPE_CHECKING:
    from sip.transaction import TransactionLayer


class ServerState(Enum):
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class ServerTransaction:
    """One request to answer. ``flow`` is where responses go (18.2.2, RFC 3581).

    ``local_tag`` is the To tag of all our responses to it (8.2.6.2). ``owner`` and ``context`` are as at the
    client.
    """

    __slots__ = (
        "context",
        "flow",
        "key",
        "last",
        "layer",
        "local_tag",
        "merge_key",
        "owner",
        "request",
        "state",
        "timer",
    )

    def __init__(self, layer: TransactionLayer, request: Request, flow: Flow, key: TransactionKey) -> None:
        self.layer = layer
        self.request = request
        self.flow = flow
        self.key = key
        self.merge_key: TransactionKey | None = None
        self.state = ServerState.TRYING
        self.local_tag = request.to.tag or token(8)
        self.last: bytes | None = None
        self.context: object = None
        self.owner: object = None
        self.timer: Timer | None = None
        """The one that it has: to send again, to give up, and at last to go."""

    @property
    def answered(self) -> bool:
        """A final response was sent."""
        return self.state not in (ServerState.TRYING, ServerState.PROCEEDING)

    def start(self, now: float) -> None:
        raise NotImplementedError

    def forget_request(self) -> None:
        """Once it is answered for good: what comes again is matched by its key, and gets the same answer."""
        self.request = Request(self.request.method, self.request.uri)

    def retransmitted(self) -> None:
        raise NotImplementedError

    def respond(self, response: Response, now: float) -> None:
        raise NotImplementedError

    def send_last(self) -> None:
        if self.last is not None:
            self.layer.send(self.last, self.flow)

    def terminate(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.state is not ServerState.TERMINATED:
            self.state = ServerState.TERMINATED
            self.layer.forget_server(self)
        # A call and its INVITE know each other: who is over lets go, so that nothing waits for a collection.
        self.owner = None

    def wait(self, seconds: float, now: float) -> None:
        if seconds <= 0:
            self.terminate()
        else:
            self.timer = self.layer.timers.move(self.timer, now + seconds, self._over)

    def _over(self, now: float) -> None:
        self.terminate()


class InviteServer(ServerTransaction):
    """Figure 7 as RFC 6026 amends it: Proceeding, Completed, Confirmed, Accepted, Terminated."""

    __slots__ = ()

    def start(self, now: float) -> None:
        self.state = ServerState.PROCEEDING
        # 17.2.1: 100 unless the user answers within 200 ms.
        self.timer = self.layer.timers.set(now + self.layer.values.trying, self._trying)

    def _trying(self, now: float) -> None:
        if self.state is ServerState.PROCEEDING and self.last is None:
            self.last = make_response(self.request, 100).to_bytes()
            self.send_last()

    def retransmitted(self) -> None:
        if self.state is ServerState.PROCEEDING and self.last is None:
            self._trying(0.0)
        elif self.state in (ServerState.PROCEEDING, ServerState.COMPLETED):
            self.send_last()
        # RFC 6026 7.1: in Accepted the retransmission is absorbed; the user repeats its 2xx itself.

    def respond(self, response: Response, now: float) -> None:
        """Send what the user answers. A 2xx may come again in Accepted; all else is ignored once final."""
        status = response.status
        values = self.layer.values
        if self.state is ServerState.ACCEPTED:
            if 200 <= status < 300:
                self.layer.send(response.to_bytes(), self.flow)
            return
        if self.state is not ServerState.PROCEEDING:
            return
        self.last = response.to_bytes()
        self.send_last()
        if status < 200:
            return
        if status < 300:
            self.last = None  # the user repeats it
            self.state = ServerState.ACCEPTED
            self.wait(values.timeout, now)  # timer L
            return
        self.state = ServerState.COMPLETED
        self._await_ack(values.t1, now, now + values.timeout)

    def _await_ack(self, interval: float, now: float, until: float) -> None:
        """Timers G, which repeats the refusal over UDP, and H, at `until`."""

        def fire(at: float) -> None:
            if at >= until:
                # Figure 7: no ACK ever came.
                self.terminate()
                self.layer.server_unacknowledged(self)
                return
            self.send_last()
            self._await_ack(min(interval * 2, self.layer.values.t2), at, until)

        due = until if self.flow.reliable else min(now + interval, until)
        self.timer = self.layer.timers.move(self.timer, due, fire)

    def acknowledge(self, ack: Request, now: float) -> bool:
        """An ACK of this transaction. True when it is for the user (RFC 6026: ACK in Accepted)."""
        if self.state is ServerState.COMPLETED:
            self.state = ServerState.CONFIRMED
            self.wait(0 if self.flow.reliable else self.layer.values.t4, now)  # timer I
        return self.state is ServerState.ACCEPTED


class NonInviteServer(ServerTransaction):
    """Figure 8: Trying, Proceeding, Completed, Terminated."""

    __slots__ = ()

    def start(self, now: float) -> None:
        self.state = ServerState.TRYING
        # A user that never answers leaves nothing behind: by then the client has given up (timer F).
        self.wait(self.layer.values.timeout, now)

    def retransmitted(self) -> None:
        # In Trying nothing was sent yet, and nothing is sent now.
        self.send_last()

    def respond(self, response: Response, now: float) -> None:
        """Send what the user answers; ignored once a final response went."""
        if self.state not in (ServerState.TRYING, ServerState.PROCEEDING):
            return
        self.last = response.to_bytes()
        self.send_last()
        if response.status < 200:
            self.state = ServerState.PROCEEDING
        else:
            self.state = ServerState.COMPLETED
            self.wait(0 if self.flow.reliable else self.layer.values.timeout, now)  # timer J
