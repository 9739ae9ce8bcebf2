"""Values: what is one and what is none."""

import pytest
from pydantic import TypeAdapter, ValidationError

from interparty import values


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (values.Hours, "08:00-21:00"),
        (values.Hours, "00:00-24:00"),
        (values.Frequency, "20/day"),
        (values.Ref, "a.b_c:1-2"),
        (values.PartyId, "CMCC"),
        (values.QueryCount, "0"),
    ],
)
def test_a_value(kind: object, text: str) -> None:
    TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (values.Aid, "1" * 17),
        (values.Aid, "1" * 17 + "\u0661"),
        (values.Aid, "1" * 18 + "\n"),
        (values.EdiId, "A" * 32),
        (values.SignatureText, "=" * 86),
        (values.Msisdn, "+8613800000001"),
        (values.Hours, "8:00-21:00"),
        (values.Hours, "24:00-25:00"),
        (values.Frequency, "0/day"),
        (values.PartyId, ".a"),
        (values.QueryCount, "-1"),
        (values.QueryCount, str(values.COUNT_MAX + 1)),
    ],
)
def test_no_value(kind: object, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)
