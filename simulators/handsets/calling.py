"""The fleet's calls: every handset behind one SIP address, all of them through the core."""

import contextlib
from collections.abc import Callable

from simulators.handsets.fleet import Fleet, Handset
from simulators.handsets.registering import Registering
from simulators.handsets.settings import SipSettings
from simulators.lines import CallRecord, Line, NoSuchCall
from simulators.telephone import Telephone
from sip.events import Event
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri


class HandsetCalls:
    """Dials for handsets; calls to them ring by the telephone itself."""

    def __init__(self, telephone: Telephone, settings: SipSettings, fleet: Fleet) -> None:
        self.telephone = telephone
        self.registering: Registering | None = None
        self._settings = settings
        self._fleet = fleet
        telephone.on_call_back = self._call_back
        self._core = Flow("UDP", settings.core_host, settings.core_port)

    @classmethod
    async def open(
        cls,
        settings: SipSettings,
        fleet: Fleet,
        tap: Callable[[bytes], None] | None = None,
        *,
        seed: int | None = None,
    ) -> "HandsetCalls":
        """Bind the fleet's SIP address, and begin to register where that is asked."""
        calls: HandsetCalls

        def on_other(event: Event) -> bool:
            return calls.registering is not None and calls.registering.handle(event)

        telephone = await Telephone.open(
            settings.host,
            settings.port,
            fleet.line_of,
            tap_sip=tap,
            on_other=on_other,
            user_agent="handset",
            seed=seed,
        )
        calls = cls(telephone, settings, fleet)
        if settings.registration is not None:
            calls.registering = Registering(telephone, settings, settings.registration, fleet)
            calls.registering.start()
        return calls

    async def close(self) -> None:
        """Unregister, hang up, close the sockets."""
        if self.registering is not None:
            await self.registering.stop()
        await self.telephone.close()

    async def _call_back(self, line: Line, record: CallRecord) -> None:
        handset, number = self._fleet.find(line.user), _number(record)
        if handset is None or number is None:
            return
        with contextlib.suppress(NoSuchCall):  # it talks to somebody else meanwhile
            await self.dial(handset, number)

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


def _number(record: CallRecord) -> str | None:
    """Whom to call back: who the call showed; None where that is nobody's number."""
    digits = record.peer.removeprefix("+")
    return record.peer if digits.isascii() and digits.isdigit() else None
