"""Any PDU that the field tables allow, made from the same tables."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from smpp.codec import field_table
from smpp.constants import TLV_LENGTHS
from smpp.fields import COctetString, CountedOctets, DestinationList, Integer, Kind, TlvStream, UnsuccessList
from smpp.pdu import BODY_OF, Body, ListDest, Pdu, SmeDest, UnsuccessSme

octet = st.integers(0, 255)


def c_octets(most: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.integers(1, 255), max_size=most - 1).map(bytes)


@st.composite
def one_tlv(draw: st.DrawFn) -> tuple[int, bytes]:
    tag = draw(st.sampled_from(sorted(TLV_LENGTHS)) | st.integers(0, 0xFFFF))
    least, most = TLV_LENGTHS.get(tag, (0, 300))
    return int(tag), draw(st.binary(min_size=least, max_size=min(most, 300)))


def value(kind: Kind) -> st.SearchStrategy[Any]:
    match kind:
        case Integer():
            return octet
        case COctetString(most, _):
            return c_octets(most)
        case CountedOctets():
            return st.binary(max_size=255)
        case DestinationList():
            dest = st.builds(SmeDest, octet, octet, c_octets(21)) | st.builds(ListDest, c_octets(21))
            return st.lists(dest, min_size=1, max_size=5)
        case UnsuccessList():
            return st.lists(
                st.builds(UnsuccessSme, octet, octet, c_octets(21), st.integers(0, 2**32 - 1)), max_size=5
            )
        case TlvStream():
            return st.lists(one_tlv(), max_size=4)


def body(kind: type[Body]) -> st.SearchStrategy[Body]:
    return st.builds(kind, **{name: value(field) for name, field in field_table(kind)})


def pdu() -> st.SearchStrategy[Pdu]:
    bodies = st.sampled_from(sorted(BODY_OF)).flatmap(lambda command_id: body(BODY_OF[command_id]))
    number = st.integers(0, 2**32 - 1)
    return st.builds(Pdu, bodies, number, number)
