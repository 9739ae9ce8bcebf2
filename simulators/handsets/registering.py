"""Handsets that register with a PBX, each under its own number (RFC 3261 10.2), a few at a time."""

import asyncio
from collections import Counter
from itertools import islice

from foundation.tasks import end
from simulators.handsets.fleet import Fleet
from simulators.handsets.settings import RegisterSettings, SipSettings
from simulators.telephone import Telephone
from sip.digest import Credentials
from sip.events import Event, RequestFailed, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.registration import Registration
from sip.uri import SipUri

STEP_S = 0.05


class Registering:
    """Keeps every handset registered from `start` to `stop`."""

    def __init__(
        self, telephone: Telephone, sip: SipSettings, settings: RegisterSettings, fleet: Fleet
    ) -> None:
        self._telephone = telephone
        self._settings = settings
        endpoint = telephone.endpoint
        flow = Flow("UDP", sip.core_host, sip.core_port)
        self._registrations = [
            Registration(
                endpoint.agent,
                registrar=SipUri(None, sip.domain),
                aor=NameAddr(SipUri(handset.line.user, sip.domain)),
                flow=flow,
                credentials=Credentials(handset.line.user, settings.password),
                contact_user=handset.line.user,
                expires=settings.expires_s,
            )
            for handset in fleet
        ]
        self._ramp: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        """Set with every answer; whoever waits for a state clears it."""

    def start(self) -> None:
        """Begin; `per_second` of them at a time."""
        self._ramp = asyncio.get_running_loop().create_task(self._start_all())

    async def _start_all(self) -> None:
        waiting = iter(self._registrations)
        step = max(1, round(self._settings.per_second * STEP_S))
        while some := list(islice(waiting, step)):
            for registration in some:
                registration.start(self._telephone.endpoint.now())
            await asyncio.sleep(step / self._settings.per_second)

    def handle(self, event: Event) -> bool:
        """Look at an event of the telephone's agent; True when it was a registration's."""
        if not isinstance(event, ResponseReceived | RequestFailed):
            return False
        registration = event.transaction.context
        if not isinstance(registration, Registration):
            return False
        self.changed.set()
        return registration.handle(event, self._telephone.endpoint.now())

    @property
    def states(self) -> dict[str, int]:
        """How many are in which state."""
        return dict(Counter(registration.state.value for registration in self._registrations))

    async def stop(self) -> None:
        """Unregister; no answer is awaited."""
        await end(self._ramp)
        for registration in self._registrations:
            registration.stop(self._telephone.endpoint.now())
