"""What the rules of a text see."""

from gateway.policy.text import TEXT_REFUSED_ERROR
from tests.gateway.policy.texts import text


def test_a_text_has_its_access_number_with_it() -> None:
    assert text(signature="A").number.signature == "A"


def test_the_error_of_a_receipt_has_three_digits() -> None:
    assert 0 < TEXT_REFUSED_ERROR < 1000
