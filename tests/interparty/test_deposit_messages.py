"""What goes in comes in batches of a bounded size, and each result has one outcome."""

import pytest
from pydantic import ValidationError

from interparty.deposit_messages import DepositResult, StatusRequest
from interparty.messages import ITEMS_MAX

AID = "8" * 18


def test_a_batch_is_neither_empty_nor_larger_than_its_bound():
    assert len(StatusRequest(aids=[AID] * ITEMS_MAX).aids) == ITEMS_MAX
    for count in (0, ITEMS_MAX + 1):
        with pytest.raises(ValidationError):
            StatusRequest(aids=[AID] * count)


def test_a_result_leaves_out_what_it_has_not():
    assert DepositResult(error="EDI_REUSED").fields() == {"error": "EDI_REUSED"}
