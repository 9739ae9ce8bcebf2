"""One side of a call through the gateway, and how the second side is invited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.voice.core_peers import CorePeer
from gateway.voice.egress import Headers
from sip.aio.endpoint import SipEndpoint
from sip.call import Call
from sip.flow import Flow
from sip.headers import NameAddr
from sip.media.control import Side
from sip.uri import Uri

if TYPE_CHECKING:
    from gateway.voice.bridge import Bridge


@dataclass(slots=True, eq=False)
class Leg:
    """One side of a bridge: the call's context in the agent of its side."""

    bridge: Bridge
    side: Side
    endpoint: SipEndpoint
    call: Call


@dataclass(frozen=True, slots=True)
class Invitation:
    """The INVITE of the second leg; everything in it was made for that leg."""

    uri: Uri
    to: NameAddr
    from_: NameAddr
    flow: Flow
    headers: Headers
    peer: CorePeer | None = None
    """The core's peer that it goes to."""
