"""Regular expressions in a configuration are checked when it is read."""

import pytest
from pydantic import TypeAdapter, ValidationError

from simulators.smsc.patterns import Pattern

READ = TypeAdapter(Pattern)


@pytest.mark.parametrize("text", ["", "861380000000[0-9]", "TD|退订"])
def test_an_expression_stays_as_it_was_written(text: str) -> None:
    assert READ.validate_python(text) == text


@pytest.mark.parametrize("text", ["(", "[0-9", "x" * 501])
def test_what_is_none_or_too_long_is_a_fault_of_the_file(text: str) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(text)
