"""The fleet's calls: every handset behind one SIP address, all of them through the core."""

from collections.abc import Callable

from simulators.handsets.fleet import Fleet, Handset
from simulators.handsets.settings import SipSettings
from simulators.telephone import CallRecord, Telephone
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri


class HandsetCalls:
    """Dials for handsets; calls to them ring by the telephone itself."""

    def __init__(self, telephone: Telephone, settings: SipSettings) -> None:
        self.telephone = telephone
        self._settings = settings
        self._core = Flow("UDP", settings.core_host, settings.core_port)

    @classmethod
    async def open(
        cls, settings: SipSettings, fleet: Fleet, tap: Callable[[bytes], None] | None = None
    ) -> "HandsetCalls":
        """Bind the fleet's SIP address."""
        telephone = await Telephone.open(
            settings.host, settings.port, fleet.line_of, tap_sip=tap, user_agent="handset"
        )
        return cls(telephone, settings)

    async def dial(self, handset: Handset, to: str, from_: str = "") -> CallRecord:
        """Call `to`. `from_` is what the phone claims to be, its own number unless told: the core asserts
        the true one. Raises NoSuchCall when the handset is in a call."""
        settings = self._settings
        phone = (("user", "phone"),)
        claimed = from_ or f"+{handset.subscriber.msisdn}"
        return await self.telephone.dial(
            handset.line,
            SipUri(to, settings.core_host, settings.core_port),
            to=NameAddr(SipUri(to, settings.domain)),
            from_=NameAddr(SipUri(claimed, settings.domain, params=phone)),
            flow=self._core,
        )
