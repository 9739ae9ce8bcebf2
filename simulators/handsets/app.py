"""Start and stop of the fleet."""

import asyncio
import logging

from gm import selftest
from interparty.client import Peer
from interparty.party_link import connect
from simulators.handsets.api import HandsetApi
from simulators.handsets.calling import HandsetCalls
from simulators.handsets.fleet import Fleet
from simulators.handsets.radio import Radio
from simulators.handsets.sealing import PhoneApp
from simulators.handsets.settings import FleetSettings
from simulators.handsets.subscribers import Subscriber, generate, read_csv
from simulators.http_api import HttpApi, serve

_log = logging.getLogger(__name__)


def subscribers_of(settings: FleetSettings) -> list[Subscriber]:
    """The fleet's subscribers. Raises SubscriberFileError, OSError."""
    if settings.subscribers is not None:
        return read_csv(settings.subscribers)
    assert settings.count is not None
    return generate(settings.count)


class RunningFleet:
    """A fleet that is bound, listens and serves its API."""

    def __init__(
        self, fleet: Fleet, radio: Radio, calls: HandsetCalls, api: HttpApi, network: Peer | None
    ) -> None:
        self.fleet = fleet
        self.radio = radio
        self.calls = calls
        self.api = api
        self._network = network

    @classmethod
    async def start(cls, settings: FleetSettings) -> "RunningFleet":
        """Returns when SIP and API listen; the bind to the SMSC follows by itself."""
        _log.info("cryptography: %s", selftest.run())
        fleet = Fleet(subscribers_of(settings), settings.answer_after)
        radio = Radio(settings.radio, fleet)
        calls = await HandsetCalls.open(settings.sip, fleet)
        app = PhoneApp(settings.app) if settings.app is not None else None
        network = connect(settings.network) if settings.network is not None else None
        routes = HandsetApi(fleet, radio, calls, app, network).routes()
        api = await serve(routes, settings.api_host, settings.api_port)
        radio.start()
        _log.info("%d handsets are on; API on port %d", len(fleet), api.port)
        return cls(fleet, radio, calls, api, network)

    async def stop(self) -> None:
        """Hang up, unbind, close."""
        await self.api.stop()
        await self.calls.telephone.close()
        await self.radio.stop()
        if self._network is not None:
            await self._network.close()


async def run(settings: FleetSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    running = await RunningFleet.start(settings)
    try:
        await stop.wait()
    finally:
        await running.stop()
