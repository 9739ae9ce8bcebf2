"""The client side of registration (RFC 3261 clause 10.2): register, refresh, unregister."""

from __future__ import annotations

import secrets
from enum import Enum

from sip.agent import UserAgent
from sip.digest import Credentials
from sip.events import Event, RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr, parse_delta_seconds
from sip.message import Response
from sip.timers import Timer
from sip.transaction_client import ClientTransaction
from sip.uri import SipUri

RETRY_AFTER = 5.0
"""Seconds until the next try after a failure that may pass; doubled each time."""
RETRY_AFTER_MAX = 120.0
EXPIRES_MAX = 86_400
"""The longest lifetime taken over from a registrar's Min-Expires or Contact, in seconds."""


class RegistrationState(Enum):
    IDLE = "idle"
    REGISTERING = "registering"
    REGISTERED = "registered"
    REFUSED = "refused"
    """401 after our answer, 403 or 404: not tried again."""
    WAITING = "waiting"
    """Failed for a reason that may pass; tried again by itself."""
    STOPPED = "stopped"


class Registration:
    """Keeps one contact of one address of record registered. Feed it the agent's events."""

    def __init__(
        self,
        agent: UserAgent,
        *,
        registrar: SipUri,
        aor: NameAddr,
        flow: Flow,
        credentials: Credentials | None = None,
        contact_user: str = "",
        expires: int = 600,
    ) -> None:
        self.agent = agent
        self.registrar = registrar
        self.aor = aor
        self.flow = flow
        self.credentials = credentials
        self.contact = agent.contact(contact_user, flow)
        self.expires = expires
        self.state = RegistrationState.IDLE
        self.status: int | None = None
        """The last final status, None before the first and after no answer."""
        self._call_id = secrets.token_hex(16)
        self._cseq = 0
        self._tag = secrets.token_hex(8)
        self._pending: ClientTransaction | None = None
        self._timer: Timer | None = None
        self._retry = RETRY_AFTER

    def start(self, now: float) -> None:
        """Register; refreshed by itself until :meth:`stop`."""
        self._send(self.expires, now)
        self.state = RegistrationState.REGISTERING

    def stop(self, now: float) -> None:
        """Unregister. The answer is not waited for."""
        if self._timer is not None:
            self._timer.cancel()
        if self.state is RegistrationState.REGISTERED:
            self._send(0, now)
        self.state = RegistrationState.STOPPED

    def _send(self, expires: int, now: float) -> None:
        # 10.2: the same Call-ID and a growing CSeq for all of one agent's registrations.
        self._cseq += 1
        self._pending = self.agent.send_request(
            "REGISTER",
            self.registrar,
            to=NameAddr(self.aor.uri, self.aor.display),
            from_=NameAddr(self.aor.uri, self.aor.display).with_tag(self._tag),
            flow=self.flow,
            now=now,
            headers=[("Contact", self.contact), ("Expires", expires)],
            credentials=self.credentials,
            context=self,
            call_id=self._call_id,
            cseq=self._cseq,
        )

    def handle(self, event: Event, now: float) -> bool:
        """Look at an event of the agent; True when it was this registration's."""
        if not isinstance(event, ResponseReceived | RequestFailed) or event.transaction.context is not self:
            return False
        self._cseq = max(self._cseq, event.transaction.request.cseq.number)
        if self.state is RegistrationState.STOPPED:
            return True
        if isinstance(event, RequestFailed):
            self.status = None
            self._try_later(now)
        else:
            self.status = event.response.status
            self._answered(event.response, now)
        return True

    def _answered(self, response: Response, now: float) -> None:
        status = response.status
        if status < 300:
            self.state = RegistrationState.REGISTERED
            self._retry = RETRY_AFTER
            granted = self._granted(response)
            # 10.2.4: refreshed well before it ends.
            self._at(now + max(granted * 0.8, 1.0), now)
        elif status == 423 and (brief := parse_delta_seconds(response.get("Min-Expires") or "", 0)):
            if brief <= self.expires or brief > EXPIRES_MAX:
                self.state = RegistrationState.REFUSED
                return
            self.expires = brief  # 10.2.8
            self.start(now)
        elif status in (401, 403, 404, 407):
            self.state = RegistrationState.REFUSED
        else:
            self._try_later(now)

    def _granted(self, response: Response) -> int:
        for contact in response.contacts:
            if contact.uri == self.contact.uri and (value := contact.param("expires")):
                return min(parse_delta_seconds(value, self.expires), EXPIRES_MAX)
        return min(response.expires or self.expires, EXPIRES_MAX)

    def _try_later(self, now: float) -> None:
        self.state = RegistrationState.WAITING
        self._at(now + self._retry, now)
        self._retry = min(self._retry * 2, RETRY_AFTER_MAX)

    def _at(self, when: float, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.agent.timers.set(when, self._refresh)

    def _refresh(self, now: float) -> None:
        self._send(self.expires, now)
