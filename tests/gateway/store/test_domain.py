"""What the parts share: one store, one vault, ids that grow and a clock."""

import time

from gateway.store.domain import Domain, wall_ms


def test_the_clock_is_in_milliseconds_since_the_epoch() -> None:
    before = time.time()
    assert before * 1000 - 1 <= wall_ms() <= time.time() * 1000 + 1


async def test_a_domain_has_the_wall_clock_and_ids_of_its_own_unless_told(domain: Domain) -> None:
    made = Domain(domain.store, domain.vault)
    assert made.now_ms is wall_ms
    assert made.ids is not domain.ids
    assert made.ids.next() < made.ids.next()
