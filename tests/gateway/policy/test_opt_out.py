"""No contact under what was confirmed before an opt-out."""

import pytest

from gateway.policy.opt_out import not_opted_out
from gateway.policy.refusal import Case, Cause, Refusal
from tests.gateway.carrier import NOW_MS
from tests.gateway.policy.contacts import contact


@pytest.mark.parametrize(
    ("blocked_at", "confirmed_at", "refused"),
    [
        (None, NOW_MS, False),
        (NOW_MS, NOW_MS - 1, True),
        (NOW_MS, NOW_MS, True),
        (NOW_MS, NOW_MS + 1, False),
    ],
)
def test_it_covers_every_consent_confirmed_before_it(
    blocked_at: int | None, confirmed_at: int, refused: bool
) -> None:
    refusal = Refusal(Case.AID_REFUSED, Cause.OPTED_OUT) if refused else None
    assert not_opted_out(contact(blocked_at=blocked_at, confirmed_at=confirmed_at)) == refusal
