"""The relay process with its client, over loopback sockets."""

import asyncio
import socket

import pytest

from sip.media import rtp
from sip.media.control import MediaError, RemoteMedia
from sip.media.endpoint import RtpEndpoint
from sip.media.relay_client import RelayClient
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


async def test_a_port_held_by_another_program_is_passed_over() -> None:
    config = relay_config(8)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", config.port_min + 1))
        client = await RelayClient.start(config)
        try:
            ports = await client.create("call")
        finally:
            await client.stop()
    assert config.port_min not in (ports.a.rtp_port, ports.b.rtp_port)


async def test_no_port_left() -> None:
    client = await RelayClient.start(relay_config(6))
    try:
        await client.create("one")
        with pytest.raises(MediaError, match="no port left"):
            await client.create("two")
        await client.delete("one")
        await client.create("two")
    finally:
        await client.stop()


async def test_one_side_over_ipv6_the_other_over_ipv4() -> None:
    client = await RelayClient.start(relay_config(20, host_a="::1"))
    alice, bob = await RtpEndpoint.open("::1"), await RtpEndpoint.open()
    try:
        ports = await client.create("call")
        assert (ports.a.host, ports.b.host) == ("::1", "127.0.0.1")
        await client.update("call", "a", RemoteMedia("0:0:0:0:0:0:0:1", alice.rtp_port))
        await client.update("call", "b", RemoteMedia(bob.host, bob.rtp_port))
        alice.set_remote(ports.a.host, ports.a.rtp_port)
        bob.set_remote(ports.b.host, ports.b.rtp_port)
        alice.start()
        bob.start()
        await until(lambda: bob.stats.rtp_received > 3 and alice.stats.rtp_received > 3)
        assert (await client.stats("call")).a.refused == 0
    finally:
        await alice.close()
        await bob.close()
        await client.stop()


async def test_both_sides_may_be_in_one_network() -> None:
    """A call that was put through to another party of that network."""
    client = await RelayClient.start(relay_config(8, host_a="::1"))
    try:
        for _ in range(3):  # the ports come back to where they were taken
            ports = await client.create("call", networks=("b", "b"))
            assert (ports.a.host, ports.b.host) == ("127.0.0.1", "127.0.0.1")
            assert ports.a.rtp_port != ports.b.rtp_port
            await client.delete("call")
        with pytest.raises(MediaError):
            await client.create("call", networks=("b", "c"))  # type: ignore[arg-type]
    finally:
        await client.stop()


async def test_what_waits_on_one_socket_is_read_in_order(relay: RelayClient) -> None:
    """One datagram a turn; the poll names the socket until it is empty."""
    ports = await relay.create("call")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as alice,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bob,
    ):
        for opened in (alice, bob):
            opened.bind(("127.0.0.1", 0))
            opened.setblocking(False)
        await relay.update("call", "a", RemoteMedia("127.0.0.1", alice.getsockname()[1]))
        await relay.update("call", "b", RemoteMedia("127.0.0.1", bob.getsockname()[1]))
        for number in range(40):
            data = rtp.build(rtp.RtpPacket(0, number, number * 160, 7, bytes([number])))
            alice.sendto(data, ("127.0.0.1", ports.a.rtp_port))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5.0):
            heard = [rtp.parse(await loop.sock_recv(bob, 2000)).payload for _ in range(40)]
    assert heard == [bytes([number]) for number in range(40)]
