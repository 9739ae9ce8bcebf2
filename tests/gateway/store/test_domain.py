"""What the parts share: one store, one vault, ids that grow and a clock."""

import sqlite3
import time

import pytest

from gateway.store.domain import Domain, wall_ms
from gateway.store.subscriber_cache import Resolved
from tests.gateway.carrier import EDI_ID, ENTERPRISE, MSISDN, NOW_MS, message_row


def test_the_clock_is_in_milliseconds_since_the_epoch() -> None:
    before = time.time()
    assert before * 1000 - 1 <= wall_ms() <= time.time() * 1000 + 1


async def test_what_is_remembered_of_what_was_rolled_back_is_forgotten(domain: Domain) -> None:
    def op(conn: sqlite3.Connection) -> None:
        domain.recent.put("a/7", "a/7", message_row(1))
        domain.subscribers.put(Resolved(EDI_ID, ENTERPRISE, b"i" * 16, MSISDN, NOW_MS, NOW_MS + 1))
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await domain.store.write(op)
    assert domain.recent.get("a/7") is None
    assert domain.subscribers.get(EDI_ID, NOW_MS) is None


async def test_a_domain_has_the_wall_clock_and_ids_of_its_own_unless_told(domain: Domain) -> None:
    made = Domain(domain.store, domain.vault)
    assert made.now_ms is wall_ms
    assert made.ids is not domain.ids
    assert made.recent is not domain.recent
    assert made.subscribers is not domain.subscribers
    assert made.ids.next() < made.ids.next()
