"""The simulated phone's audio, two of them face to face."""

import asyncio

import pytest

from sip.media.endpoint import RtpEndpoint


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is counted has no event
            await asyncio.sleep(0.005)


async def pair(**options) -> tuple[RtpEndpoint, RtpEndpoint]:
    one, two = await RtpEndpoint.open(), await RtpEndpoint.open(**options)
    one.set_remote(two.host, two.rtp_port, two.rtcp_port)
    two.set_remote(one.host, one.rtp_port)
    return one, two


async def test_tone_digits_and_goodbye_arrive() -> None:
    pressed: list[str] = []
    one, two = await pair(on_digit=pressed.append)
    one.start()
    assert one.send_digits("42") > 0.2
    await until(lambda: two.digits == "42" and two.tone_heard())
    sent = await one.close()
    await until(lambda: two.stats.rtcp_received == 1)
    got = await two.close()
    assert pressed == ["4", "2"]
    assert got.rtp_received == sent.rtp_sent
    assert got.octets_received == sent.octets_sent
    assert got.lost == 0


async def test_taps_get_rtp_and_rtcp_apart() -> None:
    rtp_bytes: list[bytes] = []
    rtcp_bytes: list[bytes] = []
    one, two = await pair(tap_rtp=rtp_bytes.append, tap_rtcp=rtcp_bytes.append)
    one.start()
    await until(lambda: rtp_bytes)
    await one.close()
    await until(lambda: rtcp_bytes)
    assert rtcp_bytes[0][1] == 200
    await two.close()


async def test_pause_stops_sending_and_close_twice_is_harmless() -> None:
    one, two = await pair()
    one.start()
    await until(lambda: two.stats.rtp_received > 0)
    one.pause()
    sent = one.stats.rtp_sent
    await asyncio.sleep(0.05)
    assert one.stats.rtp_sent == sent
    assert await one.close() == await one.close()
    await two.close()


async def test_digits_are_bounded_and_checked() -> None:
    one, two = await pair()
    with pytest.raises(ValueError):
        one.send_digits("x")
    with pytest.raises(ValueError):
        one.send_digits("1" * 1000)
    await one.close()
    await two.close()
