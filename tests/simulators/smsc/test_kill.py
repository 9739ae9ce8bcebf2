"""SIGKILL: what was acknowledged is there afterwards, and its receipt still comes."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from simulators.http_client import JsonClient
from smpp import receipts
from smpp.aio.client import Client, ConnectFailed
from smpp.aio.connection import Connection
from smpp.events import Event, RequestReceived, ResponseReceived
from smpp.pdu import BindTransceiver, DeliverSm, SubmitSm, SubmitSmResp
from tests.ports import free_port

WINDOW = 50
ACKNOWLEDGED_BEFORE_KILL = 300
START_S = 30.0


class Esme:
    """Keeps the window full; remembers what was acknowledged and what receipts named."""

    def __init__(self, *, sends: bool) -> None:
        self.acknowledged: list[bytes] = []
        self.receipts: list[bytes] = []
        self.enough = asyncio.Event()
        self._sends = sends
        self._client = Client(BindTransceiver(system_id=b"esme", password=b"s"), self._on_events)

    async def connect(self, port: int) -> None:
        async with asyncio.timeout(START_S):
            while True:
                try:
                    await self._client.connect("127.0.0.1", port)
                    break
                except ConnectFailed:
                    await asyncio.sleep(0.05)

    def _fill(self, connection: Connection) -> None:
        while self._sends and connection.unacknowledged < WINDOW:
            connection.request(
                SubmitSm(
                    source_addr=b"10690001",
                    destination_addr=b"8613800000001",
                    registered_delivery=1,
                    short_message=b"hello",
                )
            )

    def _on_events(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, ResponseReceived) and isinstance(event.pdu.body, SubmitSmResp):
                self.acknowledged.append(event.pdu.body.message_id)
            elif isinstance(event, RequestReceived):
                assert isinstance(event.pdu.body, DeliverSm)
                told = receipts.parse(event.pdu.body)
                assert told is not None
                self.receipts.append(told.message_id)
                connection.respond_message(event.pdu.sequence_number)
        if len(self.acknowledged) >= ACKNOWLEDGED_BEFORE_KILL:
            self.enough.set()
        elif connection.is_bound:
            self._fill(connection)

    async def close(self) -> None:
        await self._client.close()


@pytest.mark.e2e
async def test_nothing_that_was_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    port, api_port = free_port(), free_port()
    config = tmp_path / "smsc.toml"
    config.write_text(
        f"port = {port}\napi_port = {api_port}\nlog_dir = 'log'\ndata_dir = 'data'\n"
        "delivery_delay = { kind = 'exponential', ms = 50 }\n"
        "accounts = [{ system_id = 'esme', password = 's' }]\n"
    )
    command = (sys.executable, "-m", "ascs", "sim", "smsc", str(config))

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)

    process = await start()
    try:
        before = Esme(sends=True)
        await before.connect(port)
        await asyncio.wait_for(before.enough.wait(), 20)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await before.close()

        process = await start()
        after = Esme(sends=False)
        await after.connect(port)
        api = JsonClient(f"http://127.0.0.1:{api_port}")
        async with asyncio.timeout(20):
            while (await api.get("/counters"))["open"]:  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.05)
        listed = {told["response_id"] for told in (await api.get("/accepted"))["messages"]}
        await api.close()
        await after.close()
        acknowledged = {each.decode() for each in before.acknowledged}
        assert len(acknowledged) >= ACKNOWLEDGED_BEFORE_KILL
        assert acknowledged <= listed
        assert set(before.acknowledged) <= {*before.receipts, *after.receipts}
        assert after.receipts, "the kill came after the last receipt: it proved nothing"
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
