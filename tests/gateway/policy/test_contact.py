"""What the rules of a consent see."""

from tests.gateway.carrier import NOW_MS
from tests.gateway.policy.contacts import contact


def test_a_contact_takes_place_now_unless_it_is_scheduled() -> None:
    assert (contact().now, contact().at) == (NOW_MS, NOW_MS)
    assert contact(at=NOW_MS + 5).at == NOW_MS + 5
