"""The relay process with its client, over loopback sockets."""

import asyncio
import os
import signal
import socket

import pytest

from sip.media.control import MediaError, MediaUnavailable, RemoteMedia
from sip.media.endpoint import RtpEndpoint
from sip.media.relay_client import RelayClient
from sip.media.relay_control import ControlFramer, ControlFrameTooLong, RelayConfig, frame


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
    client = await RelayClient.start(RelayConfig(port_min=21200, port_max=21219), on_exit=exits.append)
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


def test_frames_are_cut_from_any_chunks() -> None:
    framer = ControlFramer()
    stream = frame({"id": 1}) + frame({"id": 2})
    objects = [value for octet in stream for value in framer.feed(bytes([octet]))]
    assert objects == [{"id": 1}, {"id": 2}]
    with pytest.raises(ControlFrameTooLong):
        framer.feed(b"\xff\xff\xff\xff")


@pytest.mark.parametrize(
    "wrong", [{"port_min": 80}, {"port_max": 70000}, {"port_min": 30000}, {"sessions_max": 0}]
)
def test_a_configuration_without_ports_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        RelayConfig(**wrong)  # type: ignore[arg-type]
