"""A text in one piece is no longer than ten parts."""

import pytest

from gateway.policy.refusal import Cause
from gateway.policy.text_length import is_short_enough
from smpp.constants import CommandStatus
from smpp.segmentation import split
from tests.gateway.policy.texts import text


@pytest.mark.parametrize(("is_septets", "most"), [(True, 1530), (False, 1340)])
def test_ten_parts_and_no_octet_more(is_septets: bool, most: int) -> None:
    assert is_short_enough(text(octets=most, is_septets=is_septets)) is None
    refusal = is_short_enough(text(octets=most + 1, is_septets=is_septets))
    assert refusal is not None
    assert (refusal.cause, refusal.status) == (Cause.TEXT_TOO_LONG, CommandStatus.ESME_RINVMSGLEN)


@pytest.mark.parametrize(("characters", "most"), [("x", 1530), ("好", 670)])
def test_that_is_what_a_sender_gets_into_ten_parts(characters: str, most: int) -> None:
    assert len(split(characters * most, 1)) == 10
    assert len(split(characters * (most + 1), 1)) == 11
