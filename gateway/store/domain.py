"""What every part of the gateway works on: the store, what is sealed in it, ids and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from foundation.store import Store
from gateway.store.ids import IdSource
from gateway.store.recent import RecentMessages
from gateway.store.subscriber_cache import SubscriberCache
from gateway.store.vault import Vault


def wall_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Domain:
    """The carrier domain's state, shared by all parts of one gateway process."""

    store: Store
    vault: Vault
    ids: IdSource = field(default_factory=IdSource)
    now_ms: Callable[[], int] = wall_ms
    subscribers: SubscriberCache = field(default_factory=SubscriberCache)
    recent: RecentMessages = field(default_factory=RecentMessages)

    def __post_init__(self) -> None:
        self.store.on_undone(self.subscribers.clear)
        self.store.on_undone(self.recent.clear)
