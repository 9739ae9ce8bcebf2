"""Regular expressions in a configuration."""

import pytest
from pydantic import TypeAdapter, ValidationError

from simulators.smsc.patterns import Pattern

ADAPTER: TypeAdapter[str] = TypeAdapter(Pattern)


def test_an_expression_is_kept_as_written() -> None:
    assert ADAPTER.validate_python("86139.*") == "86139.*"


@pytest.mark.parametrize("wrong", ["(", "[a", "x" * 501])
def test_what_is_no_expression_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(wrong)
