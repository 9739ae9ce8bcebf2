"""The PDU table: every command of 3.4 and 5.0 has its body, every request its response."""

from __future__ import annotations

from smpp.codec import field_table
from smpp.constants import CommandId, Tag
from smpp.pdu import BODY_OF, RESPONSE_OF, Bind, BindTransmitter, DeliverSm, SubmitSm, Unbind, tlv


def test_every_command_has_a_body() -> None:
    assert set(BODY_OF) == {int(command) for command in CommandId}


def test_every_request_but_two_has_a_response() -> None:
    requests = {int(command) for command in CommandId if command < 0x8000_0000}
    assert requests - set(RESPONSE_OF) == {CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION}


def test_4_4_1_the_fields_of_submit_sm_are_in_wire_order() -> None:
    assert [name for name, _ in field_table(SubmitSm)] == [
        "service_type",
        "source_addr_ton",
        "source_addr_npi",
        "source_addr",
        "dest_addr_ton",
        "dest_addr_npi",
        "destination_addr",
        "esm_class",
        "protocol_id",
        "priority_flag",
        "schedule_delivery_time",
        "validity_period",
        "registered_delivery",
        "replace_if_present_flag",
        "data_coding",
        "sm_default_msg_id",
        "short_message",
        "tlvs",
    ]


def test_bodies_of_one_shape_are_still_different_pdus() -> None:
    assert SubmitSm() != DeliverSm()
    assert [name for name, _ in field_table(Unbind)] == ["tlvs"]


def test_tlv_is_the_first_of_its_tag() -> None:
    body = SubmitSm(tlvs=[(0x1400, b"vendor"), (Tag.SOURCE_PORT, b"\0\1"), (Tag.SOURCE_PORT, b"\0\2")])
    assert tlv(body, Tag.SOURCE_PORT) == b"\0\1"
    assert tlv(body, Tag.DESTINATION_PORT) is None
    assert tlv(Unbind(), Tag.SOURCE_PORT) is None


def test_a_password_is_not_shown() -> None:
    bind: Bind = BindTransmitter(b"ent-a", b"secret08")
    assert "secret08" not in repr(bind)
