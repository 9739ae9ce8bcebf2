"""The core's peers: which are alive, in what order a call tries them, and who is believed. No I/O.

A peer is down after PROBES_MISSED OPTIONS without an answer, each of which was sent several times: one lost packet
takes no peer away. Any answer to OPTIONS is a sign of life, but 503. A 503 to a call keeps calls away for Retry-After.
When none is alive all are tried: a probe may be wrong, and a call can but fail.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from gateway.settings import CoreSettings
from gateway.voice.probes import Probed
from sip.aio.resolver import Target
from sip.flow import Flow
from sip.uri import bare_host, host_reference

AVOID_S: Final = 5.0
"""How long a 503 without Retry-After keeps calls away."""
AVOID_MAX_S: Final = 300.0


class CorePeer(Probed):
    """One peer and what is known of it. Its name is the configuration's and, where that is not all, the address."""

    __slots__ = ("avoid_until", "priority", "settings", "weight")

    def __init__(
        self, settings: CoreSettings, flow: Flow, priority: tuple[int, int] = (1, 0), weight: float = 1.0
    ) -> None:
        """`priority`: the configuration's, then DNS's; `weight`: more than 0."""
        host, address = settings.host, host_reference(flow.host)
        at = f"{address}:{flow.port}"
        super().__init__(at if bare_host(host) == flow.host else f"{host} {at}", flow)
        self.settings = settings
        self.priority = priority
        self.weight = weight
        self.avoid_until = float("-inf")

    def overloaded(self, now: float, retry_after_s: int | None) -> None:
        """It answered a call 503."""
        seconds = AVOID_S if retry_after_s is None else min(retry_after_s, AVOID_MAX_S)
        self.avoid_until = max(self.avoid_until, now + seconds)


def peers_of(settings: CoreSettings, targets: Sequence[Target]) -> list[CorePeer]:
    """The peers that one entry of the configuration stands for; SRV weights share out the entry's own."""
    usable = [target for target in targets if target.flow.transport != "TLS" or settings.tls_ca is not None]
    total: dict[int, int] = {}
    for target in usable:
        total[target.priority] = total.get(target.priority, 0) + max(1, target.weight)
    return [
        CorePeer(
            settings,
            target.flow,
            (settings.priority, target.priority),
            settings.weight * max(1, target.weight) / total[target.priority],
        )
        for target in usable
    ]


class CorePeers:
    """All of them, in the order of the configuration."""

    def __init__(self, peers: Sequence[CorePeer], draw: random.Random | None = None) -> None:
        self.peers = tuple(peers)
        self._draw = draw or random.Random()

    def replace(self, peers: Sequence[CorePeer]) -> list[CorePeer]:
        """These from now on, since names lead elsewhere; of one that stays, what is known of it stays. Returns those
        that are new."""
        known = {(peer.settings, peer.flow): peer for peer in self.peers}
        kept: list[CorePeer] = []
        new: list[CorePeer] = []
        for peer in peers:
            old = known.get((peer.settings, peer.flow))
            if old is None:
                new.append(peer)
            else:
                old.priority, old.weight = peer.priority, peer.weight
            kept.append(old or peer)
        self.peers = tuple(kept)
        return new

    def order(self, now: float) -> list[CorePeer]:
        """Whom a call tries, one after the other: those that are well before those that are not, the lower priority
        number first, and among equals by chance as their weights have it (as RFC 2782 does)."""
        ranked = [
            (
                not peer.is_up,
                now < peer.avoid_until,
                peer.priority,
                -(self._draw.random() ** (1.0 / peer.weight)),
                place,
            )
            for place, peer in enumerate(self.peers)
        ]
        return [self.peers[rank[-1]] for rank in sorted(ranked)]

    def of(self, flow: Flow) -> CorePeer | None:
        """The peer that a message came from. On a connection its port is one of many."""
        for peer in self.peers:
            if flow.host == peer.flow.host and (flow.reliable or flow.port == peer.flow.port):
                return peer
        return None

    @property
    def states(self) -> dict[str, str]:
        """ "up" or "down" by name."""
        return {peer.name: "up" if peer.is_up else "down" for peer in self.peers}
