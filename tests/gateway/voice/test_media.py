"""One call's descriptions: made anew for each side, with a version that grows only when they change."""

import pytest

from gateway.voice.media import CallMedia, may_cross
from sip.sdp import SdpError, parse_sdp
from tests.gateway.voice.conftest import FakeRelay, offer


@pytest.fixture
async def media() -> CallMedia:
    return await CallMedia.open(FakeRelay(), "1", early_from_core=False)


async def test_the_same_description_again_keeps_its_version(media: CallMedia) -> None:
    first = await media.relay("a", offer(), "127.0.0.1")
    assert await media.relay("a", offer(), "127.0.0.1") == first
    assert parse_sdp(first).origin.version == 1
    held = await media.relay("a", offer(direction="sendonly"), "127.0.0.1")
    assert parse_sdp(held).origin.version == 2
    assert media.held


async def test_each_side_has_a_session_of_its_own(media: CallMedia) -> None:
    to_core = parse_sdp(await media.relay("a", offer(), "127.0.0.1"))
    to_enterprise = parse_sdp(await media.relay("b", offer(), "127.0.0.1"))
    assert to_core.origin.session_id != to_enterprise.origin.session_id
    assert to_core.audio is not None
    assert to_enterprise.audio is not None
    assert (to_enterprise.audio.port, to_core.audio.port) == (20000, 20002)


async def test_a_refused_description_is_forgotten(media: CallMedia) -> None:
    first = await media.relay("a", offer(40000), "127.0.0.1")
    await media.relay("a", offer(40002, "inactive"), "127.0.0.1")
    await media.revert("a")
    assert media.shown("b") == first
    assert media._control.remotes["a"][-1].rtp_port == 40000


async def test_what_came_from_each_side_is_told_at_the_end(media: CallMedia) -> None:
    heard = await media.close()
    assert (heard.a.octets, heard.b.octets) == (8_000, 8_000)


def test_only_audio_that_is_relayed_may_cross() -> None:
    assert may_cross(offer())
    assert not may_cross(offer().replace(b"RTP/AVP", b"RTP/SAVP"))
    with pytest.raises(SdpError):
        may_cross(b"nonsense")
