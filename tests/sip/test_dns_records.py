"""SRV and NAPTR records as they stand in packets (RFC 1035, 2782, 3403)."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.dns_records import NAPTR, SRV, Answer, DnsError, Naptr, Srv, parse_answer, query

SERVICE = "_sip._udp.core.example"
NAMED = b"\x04_sip\x04_udp\x04core\x07example\0"
POINTER = b"\xc0\x0c"


def record(kind: int, data: bytes, ttl: int = 60, name: bytes = POINTER) -> bytes:
    return name + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def srv(priority: int, weight: int, port: int, target: bytes) -> bytes:
    return struct.pack(">HHH", priority, weight, port) + target


def response(*records: bytes, flags: int = 0x8180, kind: int = SRV, identifier: int = 7) -> bytes:
    header = struct.pack(">6H", identifier, flags, 1, len(records), 0, 0)
    return header + NAMED + struct.pack(">HH", kind, 1) + b"".join(records)


def test_a_query_asks_one_thing_and_wants_recursion() -> None:
    assert query(7, SERVICE + ".", SRV) == b"\0\x07\1\0\0\1\0\0\0\0\0\0" + NAMED + b"\0\x21\0\1"


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, "中.example", ".".join(["x" * 60] * 5)])
def test_what_is_no_name_is_not_asked_for(name: str) -> None:
    with pytest.raises(DnsError):
        query(7, name, SRV)


def test_servers_are_read_with_compressed_names_and_the_shortest_life() -> None:
    packet = response(
        record(SRV, srv(1, 2, 5060, b"\x01a\xc0\x16"), 60), record(SRV, srv(3, 4, 5080, b"\x01b\0"), 30)
    )
    found = (Srv(1, 2, 5060, "a.core.example"), Srv(3, 4, 5080, "b"))
    assert parse_answer(packet, 7, SERVICE, SRV) == Answer(found, 30, False)


def test_records_of_the_alias_that_leads_there_are_read() -> None:
    packet = response(record(5, b"\x01c\0", 10), record(SRV, srv(0, 0, 5060, b"\x01a\0"), 60, b"\x01c\0"))
    assert parse_answer(packet, 7, SERVICE, SRV) == Answer((Srv(0, 0, 5060, "a"),), 10, False)


def test_a_pointer_of_a_domain_is_read() -> None:
    data = struct.pack(">HH", 10, 50) + b"\x01s\x07SIP+D2U\x00" + POINTER
    packet = response(record(NAPTR, data), kind=NAPTR)
    assert parse_answer(packet, 7, SERVICE, NAPTR).records == (Naptr(10, 50, "s", "SIP+D2U", "", SERVICE),)


def test_a_name_that_is_not_there_has_no_records() -> None:
    assert parse_answer(response(flags=0x8183), 7, SERVICE, SRV) == Answer((), None, False)


def test_what_is_cut_short_says_so() -> None:
    assert parse_answer(response(flags=0x8380), 7, SERVICE, SRV).truncated


@pytest.mark.parametrize(
    "packet",
    [
        response(identifier=8),
        response(flags=0x0180),
        response(flags=0x8182),
        response(kind=NAPTR),
        response(record(SRV, srv(1, 2, 3, b"\xc0\xff"))),
        response(record(SRV, srv(1, 2, 3, b"\xc0\x37"))),
        response(record(SRV, srv(1, 2, 3, b"\x40a\0"))),
        response(record(SRV, srv(1, 2, 3, b"\x09a"))),
        response(record(SRV, b"\0")),
        response(record(SRV, srv(1, 2, 3, b"\x01a\0")))[:-2],
        b"",
    ],
    ids=[
        "another's", "a query", "the server failed", "another question", "a pointer past the end",
        "a pointer to itself", "a label of no kind", "a label cut short", "numbers cut short", "a packet cut short",
        "nothing",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused(packet: bytes) -> None:
    with pytest.raises(DnsError):
        parse_answer(packet, 7, SERVICE, SRV)


@given(st.binary(max_size=80))
def test_whatever_comes_it_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DnsError):
        parse_answer(response(record(SRV, data)) + data, 7, SERVICE, SRV)


@given(st.binary(max_size=80))
def test_whatever_comes_as_naptr_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(DnsError):
        parse_answer(response(record(NAPTR, data), kind=NAPTR), 7, SERVICE, NAPTR)
