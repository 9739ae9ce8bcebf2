"""The enterprise's desk phone: it registers at the carrier by digest, calls AIDs and answers callbacks."""

from collections.abc import Callable

from simulators.enterprise.settings import SipSettings
from simulators.journal import Journal
from simulators.lines import CallRecord, Line
from simulators.scripts import Behaviour
from simulators.telephone import Telephone
from sip.digest import Credentials
from sip.events import Event
from sip.flow import Flow
from sip.headers import NameAddr
from sip.registration import Registration
from sip.uri import SipUri

CALLS_MAX = 10_000
"""Calls remembered; the oldest is dropped."""
LIVE_MAX = 1000
"""Calls at once."""


class DeskPhone:
    """One registered phone."""

    def __init__(self, settings: SipSettings) -> None:
        self._settings = settings
        calls: Journal[CallRecord] = Journal(CALLS_MAX)
        behaviour = Behaviour(settings.answer_after)
        self.line = Line(settings.username, calls, behaviour, live_max=LIVE_MAX)
        self._flow = Flow("UDP", settings.host, settings.port)
        self._credentials = Credentials(settings.username, settings.password)
        self.telephone: Telephone
        self._registration: Registration

    @classmethod
    async def open(
        cls,
        settings: SipSettings,
        *,
        tap_sip: Callable[[bytes], None] | None = None,
        tap_rtp: Callable[[bytes], None] | None = None,
        tap_rtcp: Callable[[bytes], None] | None = None,
    ) -> "DeskPhone":
        """Bind the phone's SIP address; `register` makes it reachable."""
        phone = cls(settings)
        phone.telephone = await Telephone.open(
            settings.local_host,
            settings.local_port,
            lambda _user: phone.line,
            tap_sip=tap_sip,
            tap_rtp=tap_rtp,
            tap_rtcp=tap_rtcp,
            on_other=phone._on_other,
            user_agent="desk phone",
        )
        phone._registration = Registration(
            phone.telephone.endpoint.agent,
            registrar=SipUri(None, settings.domain),
            aor=NameAddr(SipUri(settings.username, settings.domain)),
            flow=phone._flow,
            credentials=phone._credentials,
            contact_user=settings.username,
            expires=settings.expires,
        )
        return phone

    @property
    def registration(self) -> str:
        """The registration's state, by name."""
        state = self._registration.state
        return str(getattr(state, "name", state)).lower()

    def register(self) -> None:
        """REGISTER, answer the challenge, and refresh until `unregister`."""
        self._registration.start(self.telephone.endpoint.now())

    def unregister(self) -> None:
        """Take the contact back."""
        self._registration.stop(self.telephone.endpoint.now())

    async def call(self, aid: str, from_user: str | None = None) -> CallRecord:
        """Call an AID. `from_user` is an own access number to show; None leaves it to the trunk."""
        domain = self._settings.domain
        return await self.telephone.dial(
            self.line,
            SipUri(aid, domain),
            to=NameAddr(SipUri(aid, domain)),
            from_=NameAddr(SipUri(from_user or self._settings.username, domain)),
            flow=self._flow,
            credentials=self._credentials,
        )

    async def close(self) -> None:
        """Unregister and close."""
        self.unregister()
        await self.telephone.close()

    def _on_other(self, event: Event) -> bool:
        return self._registration.handle(event, self.telephone.endpoint.now())
