"""One running house for all tests that only look at it from outside."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ascs.demo import parties
from ascs.demo.layout import HOST, PEOPLE, Layout, person
from ascs.demo.parties import OtherCore
from tests.e2e.house import House, free_ports
from tests.e2e.timing import SILENCE_S, T1_MS
from tests.ports import free_port

CORE_HOUSE = {
    "[voice]": f"core_probe_s = 0\nsilence_s = {SILENCE_S}",
    "[voice.enterprise]": f"t1_ms = {T1_MS}",
    "[voice.core_side]": f"t1_ms = {T1_MS}",
    "[[voice.core]]": 'preconditions = "answer"',
}


async def running_house(
    layout: Layout, core: OtherCore | None, voice: str = "", more: str = ""
) -> AsyncIterator[House]:
    """A house while it runs. With `core`, the tests' own; `voice` goes into its gateway's table, `more` at the end."""
    people = [*PEOPLE, *(person(number) for number in range(11, 16))]
    files = await asyncio.to_thread(parties.set_up, layout, people, None, core)
    if core is not None:
        # The tests' own core answers the messages of its scenario, and no OPTIONS beside them. It reserves before it
        # lets a telephone ring. What takes half a minute elsewhere takes a few seconds here.
        text = files.gateway.read_text()
        for table, lines in CORE_HOUSE.items():
            assert f"\n{table}\n" in text
            text = text.replace(f"\n{table}\n", f"\n{table}\n{lines}\n")
        files.gateway.write_text(text.replace("\n[voice]\n", f"\n[voice]\n{voice}\n") + more)
    tls = free_port(socket.SOCK_STREAM)
    with files.gateway.open("a") as file:
        file.write(f'\n[voice.enterprise.tls]\nport = {tls}\ncert = "pki/CMCC.pem"\nkey = "pki/CMCC.key"\n')
    running = House(layout, files, people, core.port if core else layout.ports.core)
    running.sip_tls_port = tls
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async for running in running_house(Layout(tmp_path_factory.mktemp("house"), free_ports()), None):
        yield running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def core_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose gateway has the tests themselves for a core, at `core_port`."""
    core = OtherCore(HOST, free_port(socket.SOCK_DGRAM))
    async for running in running_house(Layout(tmp_path_factory.mktemp("core-house"), free_ports()), core):
        yield running
