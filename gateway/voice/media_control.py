"""Which relay anchors the calls: a process of our own, or rtpengine. Both are started, watched and ended alike."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from gateway.settings import MediaSettings, VoiceSettings
from sip.media.relay_client import RelayClient, RelayConfig
from sip.media.rtpengine import RtpengineClient, RtpengineConfig

MediaClient: TypeAlias = RelayClient | RtpengineClient

_log = logging.getLogger(__name__)


async def start_media(settings: VoiceSettings, logs_folder: Path, on_lost: Callable[[], None]) -> MediaClient:
    """The MediaControl that the settings name, once it serves. `on_lost` is called when it no longer does.

    Raises MediaUnavailable.
    """
    if settings.media.kind == "rtpengine":
        return await RtpengineClient.start(_rtpengine(settings.media, settings.calls_max), on_lost=on_lost)

    def ended(code: int) -> None:
        _log.error("the relay ended with code %d", code)
        on_lost()

    return await RelayClient.start(
        _relay(settings.media, settings.calls_max),
        command=[sys.executable, "-m", "gateway.voice.relay_process", "--logs", str(logs_folder)],
        on_exit=ended,
    )


def _relay(media: MediaSettings, calls_max: int) -> RelayConfig:
    """Side a is the enterprise, side b the core."""
    return RelayConfig(
        host_a=media.host,
        host_b=media.core_host or media.host,
        advertise_a=media.advertise,
        advertise_b=media.core_advertise,
        port_min=media.port_min,
        port_max=media.port_max,
        sessions_max=calls_max,
    )


def _rtpengine(media: MediaSettings, calls_max: int) -> RtpengineConfig:
    asked = media.rtpengine
    return RtpengineConfig(
        host=asked.host,
        port=asked.port,
        interface_a=asked.enterprise_interface,
        interface_b=asked.core_interface,
        family_a=asked.enterprise_family,
        family_b=asked.core_family,
        sessions_max=calls_max,
    )
