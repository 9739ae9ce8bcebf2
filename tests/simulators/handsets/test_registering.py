"""Handsets that register with a PBX, which the test plays: it challenges each and keeps its contact."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from simulators.handsets.calling import HandsetCalls
from simulators.handsets.fleet import Fleet
from simulators.handsets.registering import Registering
from simulators.handsets.settings import RegisterSettings, SipSettings
from simulators.handsets.subscribers import generate
from sip.aio.endpoint import Listener, SipEndpoint
from sip.digest import Authenticator, ha1
from sip.events import Event, RequestReceived
from sip.registrar import Registrar
from sip.uri import SipUri

COUNT = 20
REALM = "pbx"


@dataclass
class Pbx:
    """A registrar with digest."""

    registrar: Registrar = field(default_factory=Registrar)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    password: str = "secret"

    async def open(self) -> None:
        self.endpoint = await SipEndpoint.open([Listener("UDP", "127.0.0.1", 0)], self.on_event)
        self.digest = Authenticator(REALM, b"x" * 32, lambda user, how: ha1(user, REALM, self.password, how))

    def on_event(self, event: Event) -> None:
        if not isinstance(event, RequestReceived):
            return
        agent, now, request = self.endpoint.agent, self.endpoint.now(), event.request
        proved = self.digest.verify(request.get_all("Authorization"), "REGISTER", str(request.uri), now)
        if proved.outcome in ("missing", "stale"):
            headers = [("WWW-Authenticate", value) for value in self.digest.challenges(now)]
            agent.respond(event.transaction, 401, now=now, headers=headers)
            return
        uri = request.to.uri
        assert isinstance(uri, SipUri)
        if not proved.ok or proved.username != uri.user:
            agent.respond(event.transaction, 403, now=now)
        else:
            result = self.registrar.register(uri.user or "", request, event.flow, now)
            agent.respond(event.transaction, result.status, now=now, headers=result.headers)
        self.changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.registrar) != count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def pbx() -> AsyncIterator[Pbx]:
    pbx = Pbx()
    await pbx.open()
    yield pbx
    pbx.endpoint.close()


async def registered(pbx: Pbx, password: str = "secret") -> HandsetCalls:
    settings = SipSettings(
        port=0,
        core_port=pbx.endpoint.local[1],
        registration=RegisterSettings(password=password, per_second=2000),
    )
    return await HandsetCalls.open(settings, Fleet(generate(COUNT)))


async def until(registering: Registering, states: dict[str, int]) -> None:
    async with asyncio.timeout(10):
        while registering.states != states:
            registering.changed.clear()
            await registering.changed.wait()


async def test_every_handset_registers_under_its_number_and_unregisters_at_the_end(pbx: Pbx) -> None:
    calls = await registered(pbx)
    assert calls.registering is not None
    await pbx.until(COUNT)
    [binding] = pbx.registrar.contacts("+8613800000007", pbx.endpoint.now())
    assert (binding.uri.user, binding.flow.port) == ("+8613800000007", calls.telephone.endpoint.local[1])
    await until(calls.registering, {"registered": COUNT})
    await calls.registering.stop()
    await pbx.until(0)
    await calls.close()


async def test_a_wrong_password_is_not_tried_for_ever(pbx: Pbx) -> None:
    calls = await registered(pbx, "wrong")
    assert calls.registering is not None
    await until(calls.registering, {"refused": COUNT})
    assert len(pbx.registrar) == 0
    await calls.close()
