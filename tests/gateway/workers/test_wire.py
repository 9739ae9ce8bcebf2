"""What goes over the channel comes out as it went in, and what cannot be read harms nothing."""

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access_number import AccessNumberRow
from gateway.sms.check import Checked, Unfit
from gateway.workers import wire
from gateway.workers.wire import Asked
from smpp.constants import CommandStatus
from smpp.pdu import Outbind
from smpp.segmentation import PartInfo
from smpp.session import SessionConfig

NUMBER = AccessNumberRow(
    "106988", "ent-a", "sms-a", "pbx-a", sms_content=("flash",), extension_digits=4, signature="甲"
)
AID = "888123456789012345"
OCTET = st.integers(0, 255)
TIME = st.integers(0, 2**62)


@st.composite
def checked(draw: st.DrawFn) -> Checked:
    text = draw(st.binary(max_size=140))
    source = "106988" + draw(st.text("0123456789", max_size=14))
    total = draw(OCTET)
    part = PartInfo(draw(st.integers(0, 65_535)), total, draw(OCTET)) if total else None
    frame = draw(st.binary(max_size=80)) + text + draw(st.binary(max_size=10))
    return Checked(
        NUMBER, source, AID, frame, part, draw(OCTET), draw(OCTET), draw(st.booleans()), draw(OCTET), text,
        draw(TIME), draw(TIME), draw(st.sampled_from((b"", b"261130131500000+"))),
    )  # fmt: skip


UNFIT = st.builds(Unfit, st.integers(1, 0xFFFF_FFFF), st.booleans())
REQUESTS = st.lists(st.tuples(st.integers(1, 0x7FFF_FFFF), st.one_of(checked(), UNFIT)), max_size=10)


@settings(max_examples=50)
@given(REQUESTS)
def test_submits(requests: list[tuple[int, Checked | Unfit]]) -> None:
    packed = wire.pack_submits(1.5, requests)
    assert wire.unpack_submits(packed, {"106988": NUMBER}.get) == (1.5, requests)


@settings(max_examples=20)
@given(REQUESTS, REQUESTS)
def test_submits_packed_one_after_the_other_are_all_of_them(
    one: list[tuple[int, Checked | Unfit]], other: list[tuple[int, Checked | Unfit]]
) -> None:
    packed = wire.pack_submits(1.5, one) + wire.pack_submits(2.5, other)
    assert wire.unpack_submits(packed, {"106988": NUMBER}.get) == (1.5, one + other)


def test_what_came_from_a_number_that_is_no_more_is_unfit_and_its_neighbours_are_not() -> None:
    gone = NUMBER
    kept = AccessNumberRow("1070", "ent-a", "sms-a", None)
    one = Checked(gone, "106988", AID, b"one", None, 0, 0, False, 0, b"one", 1, 2, b"")
    packed = wire.pack_submits(0.0, [(1, one), (2, one._replace(access_number=kept, source="1070"))])
    _, [(_, first), (_, second)] = wire.unpack_submits(packed, {"1070": kept}.get)
    assert first == Unfit(CommandStatus.ESME_RINVSRCADR)
    assert isinstance(second, Checked)


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 0xFFFF_FFFF)), max_size=20))
def test_frames(given: list[tuple[bytes, int]]) -> None:
    frames = [((4 + len(each)).to_bytes(4, "big") + each, token) for each, token in given]
    packed = wire.pack_frames([token for _, token in frames], [frame for frame, _ in frames])
    assert wire.unpack_frames(packed) == frames


@given(
    st.binary(max_size=40), st.sampled_from((None, "TLSv1.3")), st.one_of(st.none(), st.binary(min_size=1))
)
def test_a_bind_and_over_what_it_came(frame: bytes, version: str | None, certificate: bytes | None) -> None:
    asked = Asked(frame, version, certificate)
    assert Asked.unpack(asked.pack()) == asked


def test_a_call_and_a_sessions_configuration() -> None:
    config = SessionConfig(5, 0, 60, 2.5, 20, 30, in_bulk=True)
    assert wire.unpack_config(wire.pack_config(config)) == config
    outbind = Outbind(b"ASCS", b"\xffsecret")
    assert wire.unpack_call(wire.pack_call("esme", 2775, outbind, config)) == ("esme", 2775, outbind, config)


def test_of_access_numbers_goes_what_the_checks_go_by_and_nothing_else() -> None:
    calls = AccessNumberRow("1071", "ent-a", None, "pbx-a")
    packed = wire.pack_numbers({"106988": NUMBER, "1071": calls})
    assert [set(each) for each in json.loads(packed)] == [
        {"number", "sms_account", "sms_content", "extension_digits", "signature"}
    ]
    [row] = wire.unpack_numbers(packed).values()
    assert (row.number, row.sms_account, row.allow) == ("106988", "sms-a", NUMBER.allow)
    assert (row.extension_digits, row.signature) == (4, "甲")
    assert (row.enterprise_id, row.voice_trunk) == ("", None)


@given(st.binary(max_size=300))
def test_what_cannot_be_read_is_an_error_of_a_known_kind(junk: bytes) -> None:
    for unpack in (lambda: wire.unpack_submits(junk, {}.get), lambda: Asked.unpack(junk)):
        try:
            unpack()
        except (struct.error, IndexError, ValueError):
            continue


def test_message_ids_have_sixteen_octets() -> None:
    assert wire.RESPONSE.unpack(wire.RESPONSE.pack(7, b"0" * 16)) == (7, b"0" * 16)
    with pytest.raises(struct.error):
        wire.RESPONSE.pack(1 << 32, b"")
