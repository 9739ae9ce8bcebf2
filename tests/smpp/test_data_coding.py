"""What a data_coding says of alphabet, class and waiting messages (3.4, 5.2.19; 3GPP TS 23.038, 4)."""

import pytest

from smpp.data_coding import BINARY, GSM, UCS2, Meaning, Waiting, charset_of, meaning_of


@pytest.mark.parametrize(
    ("data_coding", "meaning"),
    [
        (0x00, Meaning(GSM)),
        (0x03, Meaning("latin-1")),
        (0x04, Meaning(BINARY)),
        (0x08, Meaning(UCS2)),
        (0x0F, Meaning(GSM)),  # reserved: the default alphabet
        (0x10, Meaning(GSM, message_class=0)),  # shown at once
        (0x18, Meaning(UCS2, message_class=0)),
        (0x20, Meaning(BINARY)),  # compressed
        (0x90, Meaning(GSM)),  # reserved
        (0xC8, Meaning(GSM, waiting=Waiting.VOICEMAIL, active=True, discard=True)),
        (0xD1, Meaning(GSM, waiting=Waiting.FAX)),
        (0xEA, Meaning(UCS2, waiting=Waiting.EMAIL, active=True)),
        (0xF1, Meaning(GSM, message_class=1)),
        (0xF6, Meaning(BINARY, message_class=2)),
    ],
)
def test_a_value_means_what_the_tables_say(data_coding: int, meaning: Meaning) -> None:
    assert meaning_of(data_coding) == meaning


def test_every_octet_names_an_alphabet_that_python_or_this_product_knows() -> None:
    for data_coding in range(256):
        charset = charset_of(data_coding)
        assert charset in (GSM, BINARY) or "a".encode(charset)
