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
from tests.e2e.peer_process import free_port


async def _running(layout: Layout, core: OtherCore | None) -> AsyncIterator[House]:
    people = [*PEOPLE, *(person(number) for number in range(11, 16))]
    files = await asyncio.to_thread(parties.set_up, layout, people, None, core)
    if core is not None:
        # The tests' own core answers the messages of its scenario, and no OPTIONS beside them.
        text = files.gateway.read_text()
        assert "\n[voice]\n" in text
        files.gateway.write_text(text.replace("\n[voice]\n", "\n[voice]\ncore_probe_s = 0\n"))
    running = House(layout, files, people, core.port if core else layout.ports.core)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async for running in _running(Layout(tmp_path_factory.mktemp("house"), free_ports()), None):
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def core_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose gateway has the tests themselves for a core, at `core_port`."""
    core = OtherCore(HOST, free_port(socket.SOCK_DGRAM))
    async for running in _running(Layout(tmp_path_factory.mktemp("core-house"), free_ports()), core):
        yield running
