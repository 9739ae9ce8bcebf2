"""One side of a call through the gateway, and how the second side is invited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.voice.core_peers import CorePeer
from gateway.voice.egress import Headers
from gateway.voice.peer_policy import PeerPolicy
from sip.aio.endpoint import SipEndpoint
from sip.call import Call
from sip.call_base import OPEN
from sip.events import Event
from sip.flow import Flow
from sip.headers import NameAddr
from sip.media.control import Side
from sip.uri import Uri


class Owner(Protocol):
    """What a leg belongs to."""

    def handle(self, leg: Leg, event: Event) -> None:
        """What happened on the leg."""


class _Nobody:
    def handle(self, leg: Leg, event: Event) -> None:
        """What comes after the end concerns nobody."""


_NOBODY = _Nobody()


@dataclass(slots=True, eq=False)
class Leg:
    """One side of a call: its context in the agent of its side."""

    bridge: Owner
    side: Side
    """The network that it is in."""
    endpoint: SipEndpoint
    call: Call
    preconditions: bool = False
    """Answers to its offers say that they are met (RFC 3312)."""

    joined_as: Side | None = None
    """Its side of the media, where both legs are in one network."""

    def release(self, owner: Owner) -> None:
        """Its owner is done with it, unless it has another by now."""
        if self.bridge is owner:
            self.bridge = _NOBODY
            if self.call.over and self.call.context is self:
                self.call.context = None

    @property
    def media_side(self) -> Side:
        """Its side of the media."""
        return self.joined_as or self.side

    @property
    def is_open(self) -> bool:
        """Its INVITE has no final answer yet."""
        return self.call.state in OPEN

    @property
    def has_answer(self) -> bool:
        """A caller was given a description reliably: offer and answer have passed, or wait for its PRACK alone."""
        dialog = self.call.dialog
        return self.call.described_early or (dialog is not None and dialog.negotiated)


class Invitation(NamedTuple):
    """The INVITE of the second leg; everything in it was made for that leg."""

    uri: Uri
    to: NameAddr
    from_: NameAddr
    flow: Flow
    headers: Headers
    policy: PeerPolicy
    """The extensions that are spoken with whom it goes to."""
    peer: CorePeer | None = None
    """The core's peer that it goes to."""
