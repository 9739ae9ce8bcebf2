"""The relay or rtpengine, as the settings say; the loss of either is told alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.settings import MediaSettings, RtpengineSettings, VoiceSettings
from gateway.voice.media_control import start_media
from sip.media.relay_client import RelayClient, RelayConfig
from sip.media.rtpengine import RtpengineClient, RtpengineConfig


async def test_the_relay_has_the_enterprise_as_side_a(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[Any] = []
    lost: list[bool] = []

    async def start(config: RelayConfig, *, command: list[str], on_exit: Callable[[int], None]) -> None:
        started.extend((config, command))
        on_exit(-9)

    monkeypatch.setattr(RelayClient, "start", start)
    media = MediaSettings(
        host="192.0.2.1", core_host="2001:db8::1", advertise="198.51.100.1", port_min=30_000
    )
    settings = VoiceSettings(media=media.model_copy(update={"port_max": 30_999}), calls_max=7)
    await start_media(settings, tmp_path, lambda: lost.append(True))
    config, command = started
    assert config == RelayConfig(
        "192.0.2.1", "2001:db8::1", "198.51.100.1", None, port_min=30_000, port_max=30_999, sessions_max=7
    )
    assert command[-2:] == ["--logs", str(tmp_path)]
    assert lost == [True]


async def test_rtpengine_where_the_settings_name_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[Any] = []

    async def start(config: RtpengineConfig, *, on_lost: Callable[[], None]) -> None:
        started.append(config)
        on_lost()

    monkeypatch.setattr(RtpengineClient, "start", start)
    lost: list[bool] = []
    asked = RtpengineSettings(
        host="192.0.2.9", port=2223, enterprise_interface="out", core_interface="in", core_family="IP6"
    )
    settings = VoiceSettings(media=MediaSettings(kind="rtpengine", rtpengine=asked), calls_max=7)
    await start_media(settings, tmp_path, lambda: lost.append(True))
    assert started == [RtpengineConfig("192.0.2.9", 2223, "out", "in", "IP4", "IP6", sessions_max=7)]
    assert lost == [True]


def test_one_interface_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="both or none"):
        RtpengineSettings(core_interface="in")
