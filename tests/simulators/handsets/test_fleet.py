"""Ten thousand handsets are cheap until they are used."""

import time

from simulators.handsets.fleet import Fleet
from simulators.handsets.subscribers import generate


def test_a_large_fleet_starts_quickly_and_finds_every_handset() -> None:
    started = time.monotonic()
    fleet = Fleet(generate(10_000))
    assert time.monotonic() - started < 2
    assert len(fleet) == 10_000
    found = fleet.find("+8613800009999")
    assert found is not None
    assert found.line.user == "+8613800009999"
    assert fleet.line_of("+8613900000000") is None
