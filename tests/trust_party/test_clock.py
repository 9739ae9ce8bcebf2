"""Wall time as the parties exchange it: whole milliseconds."""

import time

from trust_party.clock import DAY_MS, HOUR_MS, SECOND_MS, now_ms


def test_now_is_in_milliseconds_since_the_epoch() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= now_ms() <= time.time_ns() // 1_000_000


def test_the_units_fit_together() -> None:
    assert (HOUR_MS, DAY_MS) == (3600 * SECOND_MS, 24 * HOUR_MS)
