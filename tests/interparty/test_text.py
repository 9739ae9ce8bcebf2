"""base64url without padding: one value has one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interparty.text import b64url_decode, b64url_encode


@given(st.binary(max_size=300))
def test_any_bytes_round_trip(data):
    text = b64url_encode(data)
    assert "=" not in text
    assert b64url_decode(text) == data


@given(st.text(max_size=20))
def test_any_text_decodes_canonically_or_not_at_all(text):
    try:
        data = b64url_decode(text)
    except ValueError:
        return
    assert b64url_encode(data) == text


@pytest.mark.parametrize("text", ["A", "AA==", "A+/A", "AB", "AAA\n", "AA AA"])
def test_other_forms_are_refused(text):
    with pytest.raises(ValueError):
        b64url_decode(text)
