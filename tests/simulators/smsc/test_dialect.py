"""Message ids as SMSCs of the field write them."""

import pytest

from simulators.smsc.dialect import IdFormName, read_id, write_id


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("decimal", b"48879"),
        ("decimal-10", b"0000048879"),
        ("hex", b"beef"),
        ("hex-upper", b"BEEF"),
        ("hex-8", b"0000beef"),
    ],
)
def test_an_id_is_written_in_its_form_and_read_again(form: IdFormName, written: bytes) -> None:
    assert write_id(48879, form) == written
    assert read_id(written, form) == 48879


def test_what_is_no_id_names_no_message() -> None:
    assert read_id(b"xyz", "hex") is None
    assert read_id(b"", "decimal") is None
