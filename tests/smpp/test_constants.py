"""Values are those of the specification (5.0, clause 4; 3.4, clause 5)."""

import pytest

from smpp.constants import (
    MAX_SEQUENCE_NUMBER,
    RESPONSE_BIT,
    TLV_LENGTHS,
    CommandId,
    CommandStatus,
    DataCoding,
    MessageState,
    Tag,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIND_TRANSCEIVER", 0x00000009),
        ("SUBMIT_SM", 0x00000004),
        ("DELIVER_SM", 0x00000005),
        ("ENQUIRE_LINK", 0x00000015),
        ("GENERIC_NACK", 0x80000000),
    ],
)
def test_commands(name: str, value: int) -> None:
    assert CommandId[name] == value


def test_a_response_is_its_request_with_the_high_bit() -> None:
    responses = [each for each in CommandId if each.name.endswith("_RESP")]
    assert len(responses) > 10
    for response in responses:
        assert response == CommandId[response.name.removesuffix("_RESP")] | RESPONSE_BIT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ESME_ROK", 0x00),
        ("ESME_RINVDSTADR", 0x0B),
        ("ESME_RBINDFAIL", 0x0D),
        ("ESME_RMSGQFUL", 0x14),
        ("ESME_RTHROTTLED", 0x58),
        ("ESME_RX_T_APPN", 0x64),
        ("ESME_RX_P_APPN", 0x65),
    ],
)
def test_statuses(name: str, value: int) -> None:
    assert CommandStatus[name] == value


def test_states_codings_and_tags() -> None:
    assert (MessageState.ENROUTE, MessageState.DELIVERED, MessageState.REJECTED) == (1, 2, 8)
    assert (DataCoding.DEFAULT, DataCoding.OCTET, DataCoding.UCS2) == (0, 4, 8)
    assert (Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_PAYLOAD, Tag.MESSAGE_STATE) == (0x001E, 0x0424, 0x0427)
    assert MAX_SEQUENCE_NUMBER == 0x7FFFFFFF


def test_every_tlv_has_bounds_that_can_be_met() -> None:
    assert set(TLV_LENGTHS) <= set(Tag)
    assert all(0 <= least <= most <= 0xFFFF for least, most in TLV_LENGTHS.values())
