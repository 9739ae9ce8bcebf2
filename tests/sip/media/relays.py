"""Relays on ports that no other test run has."""

from typing import Any

from sip.media.relay_control import RelayConfig
from tests.ports import port_range


def relay_config(ports: int, **more: Any) -> RelayConfig:
    """Of a relay with so many ports."""
    first, last = port_range(ports)
    return RelayConfig(port_min=first, port_max=last, **more)
