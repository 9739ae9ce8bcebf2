"""One running house for all tests that only look at it from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ascs.demo import parties
from ascs.demo.layout import PEOPLE, Layout, person
from tests.e2e.house import House, free_ports


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    layout = Layout(tmp_path_factory.mktemp("house"), free_ports())
    people = [*PEOPLE, *(person(number) for number in range(11, 16))]
    files = await asyncio.to_thread(parties.set_up, layout, people, None, None)
    running = House(layout, files, people)
    try:
        await running.start()
        yield running
    finally:
        await running.stop()
