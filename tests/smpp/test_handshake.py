"""Binding: one open bind at a time, its answer, and what is learnt by it."""

from __future__ import annotations

import pytest

from smpp.codec import decode
from smpp.config import SessionConfig
from smpp.constants import VERSION_3_4, VERSION_5_0, CommandStatus, Tag
from smpp.errors import LocalProtocolError
from smpp.handshake import Handshake
from smpp.pdu import BindReceiverResp, BindTransceiver, BindTransceiverResp, Pdu
from smpp.versions import Dialect


def asked(version: int = VERSION_5_0) -> tuple[Handshake, Dialect]:
    dialect = Dialect()
    handshake = Handshake(SessionConfig(), dialect)
    bind = BindTransceiver(b"ent-a", b"secret08", interface_version=version)
    handshake.ask(Pdu(bind, 4), bind)
    return handshake, dialect


def test_accepting_answers_in_kind_and_settles_the_version() -> None:
    handshake, dialect = asked(VERSION_3_4)
    request, frame = handshake.accept(b"centre", [(0x1400, b"x")])
    assert request.sequence_number == 4
    assert decode(frame) == Pdu(
        BindTransceiverResp(b"centre", [(Tag.SC_INTERFACE_VERSION, b"\x50"), (0x1400, b"x")]), 4
    )
    assert dialect.version == VERSION_3_4


def test_an_esme_of_3_3_is_answered_without_tlvs() -> None:
    handshake, _ = asked(0x33)
    assert decode(handshake.accept(b"centre", [(0x1400, b"x")])[1]).body == BindTransceiverResp(b"centre")


def test_refusing_counts_and_forgets_who_asked() -> None:
    handshake, _ = asked()
    answer = decode(handshake.refuse(CommandStatus.ESME_RINVPASWD))
    assert answer == Pdu(BindTransceiverResp(), 4, CommandStatus.ESME_RINVPASWD)
    assert (handshake.bind, handshake.refused) == (None, 1)


def test_an_answer_needs_a_question() -> None:
    handshake, _ = asked()
    handshake.refuse(CommandStatus.ESME_RBINDFAIL)
    with pytest.raises(LocalProtocolError):
        handshake.refuse(CommandStatus.ESME_RBINDFAIL)
    with pytest.raises(LocalProtocolError):
        handshake.accept(b"centre", [])


@pytest.mark.parametrize(
    ("tlvs", "spoken"), [([(int(Tag.SC_INTERFACE_VERSION), b"\x50")], VERSION_5_0), ([], VERSION_3_4)]
)
def test_the_esme_learns_the_version_from_the_answer(tlvs: list[tuple[int, bytes]], spoken: int) -> None:
    dialect = Dialect()
    handshake = Handshake(SessionConfig(), dialect)
    handshake.bind = BindTransceiver(b"ent-a", interface_version=VERSION_5_0)
    handshake.answered(BindReceiverResp(b"centre", tlvs))
    assert dialect.version == spoken
