"""Start and stop of the fleet."""

import asyncio
import logging

from gm import selftest
from interparty.client import Peer
from interparty.party_link import connect
from simulators.handsets.api import HandsetApi
from simulators.handsets.calling import HandsetCalls
from simulators.handsets.casting import Casting
from simulators.handsets.fleet import Fleet
from simulators.handsets.radio import Radio
from simulators.handsets.sealing import PhoneApp
from simulators.handsets.settings import FleetSettings
from simulators.handsets.subscribers import Subscriber, generate, read_csv
from simulators.http_api import HttpApi, serve
from simulators.scripts import Behaviour
from simulators.usage import report

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
        self, fleet: Fleet, radio: Radio | None, calls: HandsetCalls, api: HttpApi, network: Peer | None
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
        casting = Casting(settings.scripts, Behaviour(settings.answer_after), settings.seed)
        fleet = Fleet(subscribers_of(settings), casting.behaviour_of)
        radio = Radio(settings.radio, fleet) if settings.radio is not None else None
        calls = await HandsetCalls.open(settings.sip, fleet, seed=settings.seed)
        app = PhoneApp(settings.app) if settings.app is not None else None
        network = connect(settings.network) if settings.network is not None else None
        routes = HandsetApi(fleet, radio, calls, app, network).routes()
        api = await serve(routes, settings.api_host, settings.api_port)
        if radio is not None:
            radio.start()
        _log.info("%d handsets are on; API on port %d", len(fleet), api.port)
        return cls(fleet, radio, calls, api, network)

    async def stop(self) -> None:
        """Hang up, unbind, close."""
        await self.api.stop()
        await self.calls.close()
        if self.radio is not None:
            await self.radio.stop()
        if self._network is not None:
            await self._network.close()

    def describe(self) -> str:
        """What the fleet is doing, in a line."""
        registering = self.calls.registering
        registered = "" if registering is None else f" ({registering.states.get('registered', 0)} registered)"
        return f"{len(self.fleet)} handsets{registered}: {self.calls.telephone.counts}"


async def run(settings: FleetSettings, stop: asyncio.Event, every_s: float | None = None) -> None:
    """Serve until `stop` is set, and print what happens every `every_s` seconds."""
    running = await RunningFleet.start(settings)
    telling = None if every_s is None else asyncio.create_task(report(every_s, running.describe, print))
    try:
        await stop.wait()
    finally:
        if telling is not None:
            telling.cancel()
        await running.stop()
