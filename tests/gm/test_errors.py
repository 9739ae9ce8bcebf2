"""Errors of the package have one base, and a ciphertext that does not open says no more than that."""

import pytest

from gm import errors


@pytest.mark.parametrize(
    "kind", [errors.KeyFormatError, errors.DecryptError, errors.SelfTestError, errors.KeyStoreError]
)
def test_one_base_for_all(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.GmError)


def test_why_a_ciphertext_does_not_open_is_told_to_nobody() -> None:
    assert str(errors.DecryptError()) == "ciphertext does not open"
    with pytest.raises(TypeError):
        errors.DecryptError("wrong padding")  # type: ignore[call-arg]
