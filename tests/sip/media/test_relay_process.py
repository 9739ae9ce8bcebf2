"""The relay process with its client, over loopback sockets."""

import asyncio
import socket

import pytest

from sip.media.control import MediaError, RemoteMedia
from sip.media.endpoint import RtpEndpoint
from sip.media.relay_client import RelayClient
from sip.media.relay_control import RelayConfig


@pytest.fixture
async def relay():
    client = await RelayClient.start(RelayConfig(port_min=21000, port_max=21039, sessions_max=8))
    yield client
    await client.stop()


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is counted has no event
            await asyncio.sleep(0.005)


async def test_two_phones_talk_and_press_digits_through_it(relay: RelayClient) -> None:
    heard: list[bytes] = []
    rtcp_heard: list[bytes] = []
    alice = await RtpEndpoint.open(cname="alice@enterprise")
    bob = await RtpEndpoint.open(cname="8613800000001@ims", tap_rtp=heard.append, tap_rtcp=rtcp_heard.append)
    ports = await relay.create("call")
    assert ports.a.rtcp_port == ports.a.rtp_port + 1
    await relay.update("call", "a", RemoteMedia(alice.host, alice.rtp_port, clock_rates={0: 8000, 101: 8000}))
    await relay.update("call", "b", RemoteMedia(bob.host, bob.rtp_port))
    alice.set_remote(ports.a.host, ports.a.rtp_port)
    bob.set_remote(ports.b.host, ports.b.rtp_port)
    alice.start()
    bob.start()
    alice.send_digits("1#")
    await until(lambda: bob.digits == "1#" and alice.stats.rtp_received > 3)
    assert alice.tone_heard()
    sent = await alice.close()
    await until(lambda: bob.stats.rtcp_received == 1)
    got = await bob.close()
    stats = await relay.delete("call")
    assert stats.a.packets == sent.rtp_sent == got.rtp_received == len(heard)
    assert stats.a.lost == stats.a.refused == 0
    assert b"alice" not in b"".join(rtcp_heard)
    assert stats.b.latched == f"127.0.0.1:{bob.rtp_port}"


async def test_ports_come_back_and_run_out(relay: RelayClient) -> None:
    for index in range(8):
        await relay.create(f"call {index}")
    with pytest.raises(MediaError, match="too many calls"):
        await relay.create("one more")
    for index in range(8):
        await relay.delete(f"call {index}")
    assert (await relay.ping())["sessions"] == 0
    await relay.create("again")


async def test_a_port_held_by_another_program_is_passed_over(relay: RelayClient) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 21001))
        ports = await relay.create("call")
    assert 21000 not in (ports.a.rtp_port, ports.b.rtp_port)


async def test_no_port_left() -> None:
    client = await RelayClient.start(RelayConfig(port_min=21100, port_max=21105))
    try:
        await client.create("one")
        with pytest.raises(MediaError, match="no port left"):
            await client.create("two")
        await client.delete("one")
        await client.create("two")
    finally:
        await client.stop()
