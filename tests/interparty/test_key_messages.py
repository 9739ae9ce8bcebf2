"""What may stand in statements about keys."""

import pytest
from pydantic import TypeAdapter, ValidationError

from interparty import key_messages


@pytest.mark.parametrize("text", ["CMCC/sign/1", "ent-a/http/4294967295"])
def test_a_keyid(text: str) -> None:
    TypeAdapter(key_messages.KeyIdText).validate_python(text)


@pytest.mark.parametrize("text", ["CMCC/sign", "CMCC/sign/0", "/sign/1", "CMCC/SIGN/1", "CMCC/sign/1\n"])
def test_no_keyid(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(key_messages.KeyIdText).validate_python(text)


@pytest.mark.parametrize("text", ["", "ab", "AB" * 32, "05" + "ab" * 64, "ab" * 65])
def test_no_value_of_a_key(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(key_messages.KeyValue).validate_python(text)
