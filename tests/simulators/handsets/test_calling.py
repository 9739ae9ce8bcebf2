"""A handset's calls through the core, as a script drives them."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulators.core.b2bua import Core
from simulators.core.settings import CoreSettings, Peer
from simulators.handsets.app import RunningFleet
from simulators.handsets.client import HandsetClient
from simulators.handsets.settings import FleetSettings, RadioSettings, SipSettings
from simulators.handsets.subscribers import generate
from simulators.http_client import ApiError
from simulators.journal import Journal
from simulators.lines import Line
from simulators.scripts import Behaviour
from simulators.telephone import Telephone
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri
from tests.ports import free_port

NUMBER = generate(1)[0].msisdn


@dataclass
class World:
    handsets: HandsetClient
    gateway: Telephone
    line: Line
    core_port: int

    async def until(self, state: str) -> dict[str, Any]:
        """The handset's newest call, once it is in `state`."""
        after = 0
        for _ in range(10):
            for call in await self.handsets.calls(NUMBER, after=after, wait=5):
                after = call["index"]
                if call["state"] == state:
                    return call
        raise AssertionError(f"no call became {state}")

    async def until_cause(self, cause: str) -> None:
        """Return when a call of the handset has ended so."""
        after = 0
        while not any(
            call["cause"] == cause for call in await self.handsets.calls(NUMBER, after=after, wait=5)
        ):
            after += 1
            assert after < 100, f"no call ended by {cause}"

    async def ring(self) -> None:
        uri = SipUri(f"+{NUMBER}", "127.0.0.1", self.core_port, params=(("user", "phone"),))
        caller = NameAddr(SipUri("10690001", "carrier.example"))
        await self.gateway.dial(
            self.line, uri, to=NameAddr(uri), from_=caller, flow=Flow("UDP", "127.0.0.1", self.core_port)
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    line = Line("10690001", Journal(10), Behaviour(0.0))
    gateway = await Telephone.open("127.0.0.1", 0, lambda _user: line)
    host, port = gateway.endpoint.local
    fleet_port = free_port(socket.SOCK_DGRAM)
    core = await Core.start(
        CoreSettings(
            port=0, gateway=Peer(host=host, port=port), handsets=Peer(port=fleet_port), log_dir=tmp_path
        )
    )
    fleet = await RunningFleet.start(
        FleetSettings(
            count=2,
            api_port=0,
            answer_after=0,
            # Nobody listens there: calls need no SMSC.
            radio=RadioSettings(port=9, password="secret"),
            sip=SipSettings(port=fleet_port, core_port=core.port),
            log_dir=tmp_path,
        )
    )
    async with HandsetClient(f"http://127.0.0.1:{fleet.api.port}") as handsets:
        yield World(handsets, gateway, line, core.port)
    await fleet.stop()
    await core.stop()
    await gateway.close()


async def test_a_call_to_a_handset_is_answered_with_audio_both_ways(world: World) -> None:
    await world.ring()
    shown = await world.until("answered")
    assert (shown["direction"], shown["peer"]) == ("in", "10690001")
    await world.handsets.digits(NUMBER, "5")
    while not any(record.digits == "5" for record in world.line.calls.since()):
        assert await world.line.calls.wait(world.line.calls.last, 5)
    await world.handsets.hangup(NUMBER)
    ended = await world.until("ended")
    assert min(ended["rtp_received"], ended["rtp_sent"]) > 0


async def test_a_handset_calls_an_access_number_under_its_true_number(world: World) -> None:
    placed = await world.handsets.call(NUMBER, "10690001")
    assert (placed["direction"], placed["peer"]) == ("out", "10690001")
    await world.until("answered")
    [incoming] = world.line.calls.since()
    assert incoming.asserted == f"<sip:+{NUMBER}@ims.example;user=phone>"
    with pytest.raises(ApiError, match="busy"):
        await world.handsets.call(NUMBER, "10690001")


async def test_a_handset_that_does_not_answer_is_told_to(world: World) -> None:
    await world.handsets.behave(NUMBER, never=True)
    await world.ring()
    await world.until("ringing")
    await world.handsets.answer(NUMBER)
    await world.until("answered")


async def test_a_handset_refuses_a_call(world: World) -> None:
    await world.handsets.behave(NUMBER, never=True)
    await world.ring()
    await world.until("ringing")
    assert (await world.handsets.reject(NUMBER))["status"] == 603
    assert (await world.until("ended"))["cause"] == "rejected"


async def test_a_number_without_a_handset_is_not_found(world: World) -> None:
    uri = SipUri("+8613999999999", "127.0.0.1", world.core_port)
    flow = Flow("UDP", "127.0.0.1", world.core_port)
    caller = NameAddr(SipUri("10690001", "carrier.example"))
    record = await world.gateway.dial(world.line, uri, to=NameAddr(uri), from_=caller, flow=flow)
    while record.state != "ended":
        assert await world.line.calls.wait(world.line.calls.last, 5)
    assert record.status == 404


async def test_a_handset_that_calls_back_reaches_the_gateway_under_its_own_identity(world: World) -> None:
    await world.handsets.behave(NUMBER, script={"busy": True, "call_back_after": 0.0})
    await world.ring()
    back, after = None, 0
    while back is None:
        calls = await world.line.calls.wait(after, 5)
        assert calls, "nobody called back"
        after = world.line.calls.last
        back = next((call for call in calls if call.direction == "in"), None)
    assert back.asserted == f"<sip:+{NUMBER}@ims.example;user=phone>"
    assert back.to_uri.startswith("sip:10690001@")


async def test_the_fleet_counts_its_calls_and_what_it_takes(world: World) -> None:
    await world.ring()
    await world.until("answered")
    counted = await world.handsets.statistics()
    assert (counted["handsets"], counted["calls"]["up"], counted["calls"]["answered"]) == (2, 1, 1)
    await world.handsets.hangup(NUMBER)
    await world.handsets.behave(NUMBER, script={"busy": True})
    await world.until("ended")
    await world.ring()
    await world.until_cause("busy")
    counted = await world.handsets.statistics()
    assert (counted["calls"]["ended"], counted["calls"]["refused"]) == ({"hangup": 1, "busy": 1}, {"486": 1})
    assert counted["memory_mb"] > 1
