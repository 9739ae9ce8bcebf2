"""Those who may take a call, one after the other: the core's peers, or an enterprise's contacts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from gateway.voice.core_peers import CorePeer
from gateway.voice.leg import Invitation
from gateway.voice.peer_policy import PeerPolicy
from sip.aio.endpoint import SipEndpoint
from sip.call import Call
from sip.message import Response


class Attempts:
    """Calls the first, and the next where one says nothing to the INVITE for `wait_s`, cannot be reached, or answers
    503. Once one has rung, its answer stands. `on_call` is told of each call that is made."""

    def __init__(
        self,
        endpoint: SipEndpoint,
        invitations: Sequence[Invitation],
        offer: bytes,
        *,
        wait_s: float,
        reliability: Callable[[PeerPolicy], str],
        on_call: Callable[[Call], None],
    ) -> None:
        self._endpoint = endpoint
        self._invitations = deque(invitations)
        self._offer = offer
        self._wait_s = wait_s
        self._reliability = reliability
        self._on_call = on_call
        self._call: Call | None = None
        self._peer: CorePeer | None = None
        self._rang = False
        self._silent: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Call the next. Raises OverflowError: the agent has no room for one more."""
        invitation = self._invitations.popleft()
        call = self._call = self._endpoint.agent.invite(
            invitation.uri,
            to=invitation.to,
            from_=invitation.from_,
            flow=invitation.flow,
            now=self._endpoint.now(),
            body=self._offer,
            headers=invitation.headers,
            reliability=self._reliability(invitation.policy),
        )
        self._peer = invitation.peer
        if self._invitations:
            loop = asyncio.get_running_loop()
            self._silent = loop.call_later(self._wait_s, self._give_up_silent, call)
        self._on_call(call)

    def rang(self) -> None:
        """It rings, or said anything else that is no refusal: it is not given up for another."""
        self._rang = True
        self.stop()

    def stop(self) -> None:
        """Nobody else is called any more for silence."""
        if self._silent is not None:
            self._silent.cancel()
            self._silent = None

    def instead_of(self, call: Call, status: int, response: Response | None) -> bool:
        """Whether another is called in the place of one that is overloaded or not there. Raises OverflowError."""
        if call is not self._call or not (response is None or status == 503):
            return False
        if self._peer is not None and response is not None:
            self._peer.overloaded(self._endpoint.now(), _retry_after(response))
        return self._next(call)

    def _give_up_silent(self, call: Call) -> None:
        self._silent = None
        # One that said 100 is there, and looks for the person.
        if call is self._call and not call.over and not call.was_heard:
            self._next(call)

    def _next(self, call: Call) -> bool:
        self.stop()
        if self._rang or not self._invitations:
            return False
        # Should it answer after all: CANCEL, or ACK and BYE, and nobody here hears of it.
        call.context = None
        call.hangup(self._endpoint.now())
        self.start()
        return True


def _retry_after(response: Response) -> int | None:
    """Seconds (20.33), None where there are none."""
    number = (response.get("Retry-After") or "").split(";")[0].split("(")[0].strip()
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None
