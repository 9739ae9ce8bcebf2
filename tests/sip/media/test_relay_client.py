"""The client of the relay's process: every wait has an end, whatever becomes of the process."""

import asyncio
import os
import signal

import pytest

from sip.media.control import MediaError, MediaUnavailable
from sip.media.relay_client import RelayClient
from sip.media.relay_control import RelayConfig
from tests.sip.media.relays import relay_config


@pytest.fixture
async def relay():
    client = await RelayClient.start(relay_config(40, sessions_max=8))
    yield client
    await client.stop()


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is counted has no event
            await asyncio.sleep(0.005)


async def test_refusals_are_errors_and_the_relay_goes_on(relay: RelayClient) -> None:
    with pytest.raises(MediaError, match="unknown call"):
        await relay.stats("nobody")
    await relay.create("call", gate_b=False)
    with pytest.raises(MediaError, match="malformed"):
        await relay.gate("call", "c", True)  # type: ignore[arg-type]
    await relay.gate("call", "b", True)
    assert await relay.silent(0.0) == [("call", "a"), ("call", "b")]
    assert (await relay.stats("call")).of("a").packets == 0


async def test_a_relay_that_dies_is_told_and_every_wait_ends() -> None:
    exits: list[int] = []
    client = await RelayClient.start(relay_config(20), on_exit=exits.append)
    os.kill(client.pid, signal.SIGSTOP)
    pending = asyncio.create_task(client.ping())
    await asyncio.sleep(0)
    os.kill(client.pid, signal.SIGKILL)
    with pytest.raises(MediaUnavailable):
        await pending
    await until(lambda: exits == [-signal.SIGKILL])
    assert not client.running
    with pytest.raises(MediaUnavailable):
        await client.ping()
    await client.stop()


async def test_the_process_ends_with_its_channel(relay: RelayClient) -> None:
    pid = relay.pid
    await relay.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_program_that_is_no_relay_is_unavailable() -> None:
    with pytest.raises(MediaUnavailable):
        await RelayClient.start(RelayConfig(), command=["/bin/false"])
    with pytest.raises(MediaUnavailable):
        await RelayClient.start(RelayConfig(), command=["/nonexistent"])
