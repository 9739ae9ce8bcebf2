"""One enterprise's systems in one process: consent backend, SMPP client, SIP phone and their control API."""

import asyncio
import logging
from collections.abc import Callable

from foundation.capture import Capture
from gm import selftest
from gm.sm2 import PrivateKey
from interparty.client import Peer
from interparty.party_link import connect, sign_key_of
from simulators.enterprise.aids import AidBook
from simulators.enterprise.api import EnterpriseApi
from simulators.enterprise.backend import Backend
from simulators.enterprise.esme import Esme
from simulators.enterprise.phone import DeskPhone
from simulators.enterprise.settings import EnterpriseSettings
from simulators.http_api import HttpApi, serve
from trust_client.enterprise import EnterpriseClient

_log = logging.getLogger(__name__)

Tap = Callable[[bytes], None]


class Taps:
    """Where what each channel receives is recorded; nowhere without a capture file."""

    def __init__(self, capture: Capture | None) -> None:
        self._capture = capture

    def channel(self, name: str) -> Tap | None:
        """The tap of one channel: "smpp", "sip", "rtp", "rtcp", "http" or "app"."""
        capture = self._capture
        return None if capture is None else lambda data: capture.record(name, data)


class Enterprise:
    """One running enterprise."""

    def __init__(
        self,
        api: HttpApi,
        backend: Backend,
        esme: Esme,
        phone: DeskPhone,
        trust: Peer,
        capture: Capture | None,
    ) -> None:
        self.api = api
        self.backend = backend
        self.esme = esme
        self.phone = phone
        self._trust = trust
        self._capture = capture

    @classmethod
    async def start(cls, settings: EnterpriseSettings) -> "Enterprise":
        """Returns when the control API listens; bind and registration follow by themselves."""
        _log.info("cryptography: %s", selftest.run())
        key = sign_key_of(settings.trust)
        if not isinstance(key, PrivateKey):
            raise ValueError("trust.sign_key: an enterprise signs its consents with SM2")
        capture = Capture(settings.capture_file) if settings.capture_file is not None else None
        taps = Taps(capture)
        trust = connect(settings.trust, taps.channel("http"))
        book = AidBook(settings.aids_file)
        esme = Esme(settings.smpp, taps.channel("smpp"))
        phone = await DeskPhone.open(
            settings.sip,
            tap_sip=taps.channel("sip"),
            tap_rtp=taps.channel("rtp"),
            tap_rtcp=taps.channel("rtcp"),
        )
        backend = Backend(settings, EnterpriseClient(trust, key), book)
        routes = EnterpriseApi(settings, backend, book, esme, phone).routes()
        api = await serve(routes, settings.api_host, settings.api_port, taps.channel("app"))
        esme.start()
        phone.register()
        _log.info("enterprise %s is up; control API on port %d", settings.id, api.port)
        return cls(api, backend, esme, phone, trust, capture)

    async def stop(self) -> None:
        """Hang up, unregister, unbind, close."""
        await self.api.stop()
        await self.phone.close()
        await self.esme.unbind()
        await self._trust.close()
        if self._capture is not None:
            self._capture.close()


async def run(settings: EnterpriseSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    enterprise = await Enterprise.start(settings)
    try:
        await stop.wait()
    finally:
        await enterprise.stop()
