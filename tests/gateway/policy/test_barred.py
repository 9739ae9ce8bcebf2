"""The operator's list goes before everything."""

from gateway.policy.barred import BARRED, not_barred
from gateway.policy.refusal import Case, Cause
from tests.gateway.policy.contacts import contact


def test_who_is_on_the_list_is_not_contacted() -> None:
    assert not_barred(contact(is_barred=True)) is BARRED
    assert not_barred(contact()) is None
    # To an enterprise it is a refusal like any other.
    assert (BARRED.case, BARRED.cause) == (Case.AID_REFUSED, Cause.BARRED)
