"""What the SIP side offers to those who have not proved who they are."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.accounts.directory import Directory
from gateway.voice.admission import Admission, Rejection
from sip.events import CallFailed, IncomingCall
from sip.headers import parse_auth
from sip.message import Request
from sip.parser import parse
from tests.gateway.voice.conftest import World

INVITE = b"""INVITE sip:888154642432547598@aid.demo SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r
From: <sip:1069880001@192.0.2.1>;tag=1\r
To: <sip:888154642432547598@aid.demo>\r
Call-ID: 1@192.0.2.1\r
CSeq: 1 INVITE\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""


@pytest.mark.parametrize("algorithms", [("SHA-256", "MD5"), ("MD5", "SHA-256"), ("SHA-256",)])
def test_the_challenges_stand_in_the_configured_order(algorithms: tuple[str, ...]) -> None:
    request = parse(INVITE)
    assert isinstance(request, Request)
    answer = Admission(Directory(), "ascs", "aid.demo", algorithms).authenticate(request, 0.0)
    assert isinstance(answer, Rejection)
    assert answer.status == 401
    assert {name for name, _ in answer.headers} == {"WWW-Authenticate"}
    offered = [parse_auth(str(value)).params["algorithm"] for _, value in answer.headers]
    assert offered == list(algorithms)


class TestTrunksWithoutAPassword:
    """Known by where the call comes from: an address, or a certificate over TLS."""

    def known(self, world: World, **fields: object) -> None:
        current = world.directory.current
        trunks = current.trunks | {"pbx-a": replace(current.trunks["pbx-a"], **fields)}  # type: ignore[arg-type]
        world.directory.current = replace(current, trunks=trunks)

    async def test_a_call_from_the_trunks_address_needs_none(self, world: World) -> None:
        self.known(world, addresses=(ip_network("127.0.0.0/8"),))
        world.call(credentials=None)
        await world.core.next(IncomingCall)

    async def test_from_elsewhere_it_is_asked_for(self, world: World) -> None:
        self.known(world, addresses=(ip_network("192.0.2.0/24"),))
        world.call(credentials=None)
        assert (await world.phone.next(CallFailed)).status == 401
        world.call()
        await world.core.next(IncomingCall)

    async def test_an_address_of_two_trunks_is_nobodys(self, world: World) -> None:
        self.known(world, addresses=(ip_network("127.0.0.1"),))
        current = world.directory.current
        other = replace(current.trunks["pbx-b"], addresses=(ip_network("127.0.0.1"),))
        world.directory.current = replace(current, trunks=current.trunks | {"pbx-b": other})
        world.call(credentials=None)
        assert (await world.phone.next(CallFailed)).status == 401

    async def test_over_its_calls_a_second_the_trunk_may_try_again(self, world: World) -> None:
        self.known(world, rate=0.001, burst=1)
        world.call()
        await world.core.next(IncomingCall)
        world.call()
        failed = await world.phone.next(CallFailed)
        assert failed.status == 503
        assert failed.response.get("Retry-After")
