"""The keyed digest of a message's content: what both ends make, and nobody without the key."""

import json
from pathlib import Path

import pytest

from gm.sm3 import HmacSm3
from interparty.content_digest import ACCOUNT_KEY_OCTETS, content_digest

VECTORS = json.loads((Path(__file__).parent / "data" / "content_digest.json").read_text())
KEY = bytes.fromhex(VECTORS["account_key"])


@pytest.mark.parametrize(
    "case", VECTORS["cases"], ids=lambda case: f"{case['data_coding']} {len(case['text'])}"
)
def test_it_is_what_other_code_makes(case: dict[str, object]) -> None:
    text = bytes.fromhex(str(case["text"]))
    made = content_digest(KEY, str(case["message_id"]), int(str(case["data_coding"])), text)
    assert made.hex() == case["digest"]


def test_the_same_code_has_another_digest_in_another_message_or_for_another_account() -> None:
    digests = {
        content_digest(KEY, "0000000000000001", 0, b"123456"),
        content_digest(KEY, "0000000000000002", 0, b"123456"),
        content_digest(KEY, "0000000000000001", 8, b"123456"),
        content_digest(bytes(ACCOUNT_KEY_OCTETS), "0000000000000001", 0, b"123456"),
    }
    assert len(digests) == 4


def test_a_key_may_be_given_ready_for_use() -> None:
    assert content_digest(HmacSm3(KEY), "0" * 16, 0, b"x") == content_digest(KEY, "0" * 16, 0, b"x")
