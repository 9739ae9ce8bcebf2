"""Both parsers of a body, the quick and the exact one, say the same of any octets."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.codec import encode_body
from smpp.compiler import Parser, _compile_walker, compile_builder, compile_parser, field_table
from smpp.errors import EncodeError, FieldError
from smpp.pdu import BODY_OF, Body, SubmitMulti, SubmitSm
from tests.smpp import strategies

BODIES = sorted(BODY_OF.values(), key=lambda body: int(body.COMMAND_ID))
QUICK = {body: compile_parser(body) for body in BODIES}
EXACT = {body: _compile_walker(body, field_table(body)) for body in BODIES}


def outcome(parser: Parser, frame: bytes) -> Any:
    """The body, or the status and reason of what is wrong with it."""
    try:
        return parser(frame, len(frame))
    except FieldError as error:
        return error.status, error.reason
    except (IndexError, struct.error):
        return "too short"


@st.composite
def near_misses(draw: st.DrawFn) -> tuple[type[Body], bytes]:
    """A frame of some PDU in which a few octets were changed, taken out or put in."""
    kind = draw(st.sampled_from(BODIES))
    octets = bytearray(encode_body(draw(strategies.body(kind)), 1))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(16, max(16, len(octets) - 1)))
        octets[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return kind, bytes(octets)


@given(near_misses())
@settings(max_examples=250, derandomize=True)
def test_the_quick_parser_and_the_exact_one_agree(case: tuple[type[Body], bytes]) -> None:
    kind, frame = case
    assert outcome(QUICK[kind], frame) == outcome(EXACT[kind], frame)


def test_the_table_is_the_annotations_in_wire_order() -> None:
    names = [name for name, _ in field_table(SubmitMulti)]
    assert names[:5] == ["service_type", "source_addr_ton", "source_addr_npi", "source_addr", "dests"]
    assert names[-2:] == ["short_message", "tlvs"]


def test_a_builder_names_the_field_that_does_not_fit() -> None:
    with pytest.raises(EncodeError, match="destination_addr"):
        compile_builder(SubmitSm)(SubmitSm(destination_addr=b"1" * 21))
