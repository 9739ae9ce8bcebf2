"""The page for integrators says what the tables say."""

from pathlib import Path

from masking.smpp_options import OPTIONS
from masking.smpp_page import page
from smpp.constants import Tag

PAGE = Path(__file__).parents[2] / "docs" / "sms-fields.md"


def test_the_page_is_made_of_the_tables() -> None:
    """When it is not: python -m masking.smpp_page > docs/sms-fields.md"""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_tag_and_every_option_is_on_the_page() -> None:
    text = page()
    assert [tag for tag in Tag if f"| {tag:04X} `{tag.name.lower()}` |" not in text] == []
    assert [name for name in OPTIONS if f"| `{name}` |" not in text] == []


def test_a_row_has_the_decision_and_the_reason_of_both_ways() -> None:
    assert (
        "| 0381 `callback_num` | **drop**: another number to call than the access number "
        "| **drop**: a number, and likely the person's |"
    ) in page()
    assert "| C0 to EF, message waiting | **refuse**: sets the sign for waiting voice mail |" in page()
