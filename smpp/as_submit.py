"""What data_sm and submit_multi ask for, said as submit_sm: so that whoever takes messages has one form to look at."""

from __future__ import annotations

from smpp.constants import SHORT_MESSAGE_OCTETS, Tag
from smpp.pdu import DataSm, SmeDest, SubmitMulti, SubmitSm, tlv


def submit_of(body: DataSm) -> SubmitSm:
    """A data_sm as the submit_sm that says the same: its text where it fits (3.4, 4.7.1 and 4.4.1)."""
    payload = tlv(body, Tag.MESSAGE_PAYLOAD) or b""
    fits = len(payload) <= SHORT_MESSAGE_OCTETS
    return SubmitSm(
        service_type=body.service_type,
        source_addr_ton=body.source_addr_ton,
        source_addr_npi=body.source_addr_npi,
        source_addr=body.source_addr,
        dest_addr_ton=body.dest_addr_ton,
        dest_addr_npi=body.dest_addr_npi,
        destination_addr=body.destination_addr,
        esm_class=body.esm_class,
        registered_delivery=body.registered_delivery,
        data_coding=body.data_coding,
        short_message=payload if fits else b"",
        tlvs=[each for each in body.tlvs if not (fits and each[0] == Tag.MESSAGE_PAYLOAD)],
    )


def single_of(body: SubmitMulti, dest: SmeDest) -> SubmitSm:
    """One destination of a submit_multi (3.4, 4.5.1), as a message of its own."""
    return SubmitSm(
        service_type=body.service_type,
        source_addr_ton=body.source_addr_ton,
        source_addr_npi=body.source_addr_npi,
        source_addr=body.source_addr,
        dest_addr_ton=dest.ton,
        dest_addr_npi=dest.npi,
        destination_addr=dest.addr,
        esm_class=body.esm_class,
        protocol_id=body.protocol_id,
        priority_flag=body.priority_flag,
        schedule_delivery_time=body.schedule_delivery_time,
        validity_period=body.validity_period,
        registered_delivery=body.registered_delivery,
        replace_if_present_flag=body.replace_if_present_flag,
        data_coding=body.data_coding,
        sm_default_msg_id=body.sm_default_msg_id,
        short_message=body.short_message,
        tlvs=body.tlvs,
    )
