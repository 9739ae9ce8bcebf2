"""sipp in the place of two peers of the core: a call that the first does not take goes to the second."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ascs.demo.layout import HOST, Layout
from ascs.demo.parties import OtherCore
from tests.e2e.conftest import running_house
from tests.e2e.house import ENT_A, House, free_ports
from tests.e2e.scenario import SDP, Callee, Caller
from tests.e2e.test_sipp import authenticated, passed, sipp
from tests.ports import free_port, listening

pytestmark = [pytest.mark.e2e, pytest.mark.peer("sipp"), pytest.mark.asyncio(loop_scope="module")]

SPARE = free_port(socket.SOCK_DGRAM)
PEERS = f"""
[[voice.core]]
host = "{HOST}"
port = {SPARE}
priority = 2
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two_peers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose gateway has the tests themselves for two peers of the core: one, and a spare."""
    first = OtherCore(HOST, free_port(socket.SOCK_DGRAM))
    layout = Layout(tmp_path_factory.mktemp("two-peers"), free_ports())
    async for running in running_house(layout, first, "core_answer_s = 0.5", PEERS):
        yield running


async def call_over_the_spare(house: House, folder: Path) -> None:
    """An enterprise's call, rung, answered and ended at the spare peer."""
    aid = await house.active_aid(ENT_A, house.people[1])
    scenarios = {
        "enterprise": Caller()
        .call()
        .gets(100, optional=True)
        .gets(180)
        .gets(200)
        .ack()
        .request("BYE")
        .gets(200),
        "spare": Callee().says("180 Ringing").says("200 OK", SDP).asked("ACK").asked("BYE").answers("200 OK"),
    }
    for side, scenario in scenarios.items():
        (folder / side).mkdir()
        scenario.write(folder / side / "scenario.xml")
    own = str(free_port(socket.SOCK_DGRAM))
    async with sipp(folder / "spare", "-sf", "scenario.xml", "-p", str(SPARE)) as spare:
        await listening(SPARE)
        arguments = ["-sf", "scenario.xml", *authenticated(house, ENT_A, aid), "-p", own]
        async with sipp(folder / "enterprise", *arguments) as phone:
            seen = await passed(folder / "enterprise", phone)
        at_spare = await passed(folder / "spare", spare)
    assert house.people[1].msisdn[2:] in at_spare
    assert house.people[1].msisdn[2:] not in seen


def refuse_what_came(peer: socket.socket) -> None:
    """Else the INVITE would be repeated for 32 s (RFC 3261, 17.1.1.2), to whoever has the port next."""
    peer.setblocking(False)
    copied = ("Via:", "From:", "To:", "Call-ID:", "CSeq:")
    while True:
        try:
            octets, sender = peer.recvfrom(65_535)
        except BlockingIOError:
            return
        lines = [line for line in octets.decode().split("\r\n") if line.startswith(copied)]
        tagged = [f"{line};tag=late" if line.startswith("To:") else line for line in lines]
        answer = ["SIP/2.0 503 Service Unavailable", *tagged, "Content-Length: 0", "", ""]
        peer.sendto("\r\n".join(answer).encode(), sender)


async def test_a_peer_that_says_nothing_is_passed_over(two_peers: House, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((HOST, two_peers.core_port))
        await call_over_the_spare(two_peers, tmp_path)
        refuse_what_came(silent)


async def test_a_peer_that_answers_503_is_passed_over(two_peers: House, tmp_path: Path) -> None:
    """RFC 3261 21.5.4: the next is tried."""
    (tmp_path / "first").mkdir()
    Callee().says("503 Service Unavailable", "", "Retry-After: 1").asked("ACK").write(
        tmp_path / "first" / "scenario.xml"
    )
    arguments = ["-sf", "scenario.xml", "-p", str(two_peers.core_port)]
    async with sipp(tmp_path / "first", *arguments) as first:
        await listening(two_peers.core_port)
        await call_over_the_spare(two_peers, tmp_path)
        await passed(tmp_path / "first", first)
