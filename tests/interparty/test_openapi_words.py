"""The documents' prose: whole, without names that only this code knows, and in step with what it describes."""

import re

import pytest

from interparty import openapi
from interparty.openapi_words import sections
from interparty.trust_routes import OPERATIONS
from trust_client.guesses import GUESSES
from trust_party import restoration, verification
from trust_party.aids import State
from trust_party.guesses import TOO_MANY_UNKNOWN

DOCUMENTS = {"trust-party": openapi.trust_party(), "carrier": openapi.carrier()}


def test_every_section_has_words_and_no_number_is_left_open() -> None:
    found = sections(openapi.vectors(), "`A`", "`B`")
    assert len(found) == 12
    for words in found.values():
        assert words
        assert "$" not in words
    assert "`A`" in found["stream"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_name_of_a_constant_of_this_code_is_told_to_strangers(name: str) -> None:
    assert re.findall(r"\b[A-Z_]+_(?:MAX|MIN|SECONDS|IDS_MAX)\b", openapi.text(DOCUMENTS[name])) == []


def test_every_operation_is_in_the_table_of_what_a_trust_party_needs() -> None:
    words = sections(openapi.vectors(), "", "")["serving"]
    assert [each.id for each in OPERATIONS if f"`{each.id}`" not in words] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_vector_that_is_spoken_of_is_there(name: str) -> None:
    text = openapi.text(DOCUMENTS[name])
    spoken = {
        vector
        for sentence in re.findall(r"Vectors? ((?:`\w+`(?:, | and )?)+)", text)
        for vector in re.findall(r"`(\w+)`", sentence)
    }
    assert spoken
    assert spoken <= set(openapi.vectors())
    if name == "trust-party":
        assert spoken == set(openapi.vectors()) - {"about"}


def test_the_reasons_of_refusals_are_those_that_the_trust_party_gives() -> None:
    words = sections(openapi.vectors(), "", "")["serving"]
    table = words[words.index("| `reason` |") :].split("\n\n")[0]
    given = {value for name, value in vars(verification).items() if name == value}
    given |= {restoration.UNKNOWN_EDI, TOO_MANY_UNKNOWN} | {
        state.name for state in State if state is not State.ACTIVE
    }
    assert set(re.findall(r"`([A-Z_]+)`", table)) == given
    assert given >= GUESSES
