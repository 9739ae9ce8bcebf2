"""A carrier is told numbers by its own network alone, in one form."""

import pytest
from pydantic import ValidationError

from interparty.carrier_messages import Assertion


@pytest.mark.parametrize("msisdn", ["8613800000001", "12025550123"])
def test_a_number_is_e164_digits(msisdn):
    assert Assertion(edi_id="c" * 32, msisdn=msisdn, at=1).msisdn == msisdn


@pytest.mark.parametrize("msisdn", ["+8613800000001", "013800000001", "8613800000001234"])
def test_other_forms_of_a_number_are_refused(msisdn):
    with pytest.raises(ValidationError):
        Assertion(edi_id="c" * 32, msisdn=msisdn, at=1)
