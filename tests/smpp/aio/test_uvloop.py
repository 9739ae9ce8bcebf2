"""The shells on uvloop, whose transports are of other classes."""

from __future__ import annotations

import pytest

from smpp.aio.client import Client
from smpp.pdu import SubmitSm
from tests.smpp.aio.centre import BIND, Centre

uvloop = pytest.importorskip("uvloop")


def test_bind_submit_close() -> None:
    async def scenario() -> None:
        async with Centre() as centre:
            client = Client(BIND)
            await client.connect("127.0.0.1", centre.port)
            assert (await client.call(SubmitSm())).command_status == 0
            await client.close()

    uvloop.run(scenario())
