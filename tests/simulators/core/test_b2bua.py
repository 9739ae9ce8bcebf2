"""The core between a gateway and a fleet: routing, asserted identity, and both legs end together."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulators.core.b2bua import Core
from simulators.core.settings import CoreSettings, Peer
from simulators.journal import Journal
from simulators.lines import CallRecord, Line
from simulators.scripts import Behaviour
from simulators.telephone import Telephone
from sip.flow import Flow
from sip.headers import NameAddr
from sip.uri import SipUri


@dataclass
class End:
    telephone: Telephone
    line: Line
    seen: bytearray

    @property
    def peer(self) -> Peer:
        host, port = self.telephone.endpoint.local
        return Peer(host=host, port=port)

    async def until(self, state: str) -> CallRecord:
        after = 0
        while True:
            for record in await self.line.calls.wait(after, 5):
                if record.state == state:
                    return record
            assert self.line.calls.last > after, f"no call became {state}"
            after = self.line.calls.last


@dataclass
class Network:
    core: Core
    gateway: End
    fleet: End
    stranger: End

    async def dial(self, end: End, number: str, claimed: str, headers: list[tuple[str, str]]) -> CallRecord:
        params = (("user", "phone"),)
        return await end.telephone.dial(
            end.line,
            SipUri(number, "127.0.0.1", self.core.port, params=params),
            to=NameAddr(SipUri(number, "carrier.example", params=params)),
            from_=NameAddr(SipUri(claimed, "carrier.example")),
            flow=Flow("UDP", "127.0.0.1", self.core.port),
            headers=headers,
        )


async def end(user: str) -> End:
    line = Line(user, Journal(10), Behaviour(0.0))
    seen = bytearray()
    telephone = await Telephone.open("127.0.0.1", 0, lambda _user: line, tap_sip=seen.extend)
    return End(telephone, line, seen)


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    gateway, fleet, stranger = await end("10690001"), await end("+8613800000001"), await end("x")
    core = await Core.start(CoreSettings(port=0, gateway=gateway.peer, handsets=fleet.peer, log_dir=tmp_path))
    yield Network(core, gateway, fleet, stranger)
    for one in (gateway, fleet, stranger):
        await one.telephone.close()
    await core.stop()


async def test_a_call_of_the_gateway_reaches_the_handset_with_its_asserted_identity(network: Network) -> None:
    asserted = ("P-Asserted-Identity", "<sip:10690001@carrier.example>")
    await network.dial(network.gateway, "+8613800000001", "10690001", [asserted])
    record = await network.fleet.until("answered")
    assert (record.peer, record.asserted) == ("10690001", "<sip:10690001@carrier.example>")
    assert b"INVITE sip:+8613800000001@127.0.0.1" in network.fleet.seen
    await network.gateway.until("answered")
    network.gateway.telephone.hangup(network.gateway.line)
    assert (await network.fleet.until("ended")).cause == "bye"
    assert network.core.legs == 0


async def test_a_call_of_a_handset_is_asserted_by_the_core_whatever_the_phone_says(network: Network) -> None:
    lies = [("P-Asserted-Identity", "<sip:+8613900000009@ims.example>"), ("P-Preferred-Identity", "<tel:+1>")]
    await network.dial(network.fleet, "10690001", "+8613900000009", lies)
    record = await network.gateway.until("answered")
    assert record.asserted == "<sip:+8613800000001@ims.example;user=phone>"
    assert b"P-Preferred-Identity" not in network.gateway.seen
    await network.fleet.until("answered")
    network.gateway.telephone.hangup(network.gateway.line)
    assert (await network.fleet.until("ended")).cause == "bye"


async def test_audio_does_not_pass_the_core(network: Network) -> None:
    await network.dial(network.gateway, "+8613800000001", "10690001", [])
    await network.gateway.until("answered")
    media = network.gateway.line.live[0].media
    assert media is not None
    assert f"m=audio {media.rtp_port} ".encode() in network.fleet.seen


async def test_a_refusal_reaches_the_caller_with_its_status(network: Network) -> None:
    network.fleet.line.behaviour.busy = True
    await network.dial(network.gateway, "+8613800000001", "10690001", [])
    assert (await network.gateway.until("ended")).status == 486
    assert network.core.legs == 0


async def test_a_caller_that_gives_up_stops_the_ringing(network: Network) -> None:
    network.fleet.line.behaviour.answer_after = None
    await network.dial(network.gateway, "+8613800000001", "10690001", [])
    await network.gateway.until("ringing")
    network.gateway.telephone.hangup(network.gateway.line)
    assert (await network.fleet.until("ended")).cause == "cancelled"


async def test_the_gateway_reaches_only_subscribers(network: Network) -> None:
    await network.dial(network.gateway, "95588", "10690001", [])
    assert (await network.gateway.until("ended")).status == 404


async def test_a_stranger_is_refused(network: Network) -> None:
    await network.dial(network.stranger, "+8613800000001", "10690001", [])
    assert (await network.stranger.until("ended")).status == 403
