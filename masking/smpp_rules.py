"""What of a submit_sm may go towards the SMSC, decided field by field with the reason beside each.

Consent to a text is not consent to be located or reprogrammed: what acts on the telephone instead of
showing its owner a text is refused by default. An access number may be given more.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple

from smpp.constants import CommandStatus, DataCoding, EsmClass, Tag
from smpp.pdu import SubmitSm
from smpp.segmentation import UdhError, user_data

__all__ = ["DEFAULT_ALLOW", "TLV_RULES", "Action", "Refusal", "SubmitAllow", "TlvRule", "refusal_of"]


class Action(Enum):
    """What happens to a field."""

    KEEP = "keep"
    DROP = "drop"
    REFUSE = "refuse"


class TlvRule(NamedTuple):
    """The decision on one TLV, and why."""

    action: Action
    reason: str


_KEEP, _DROP, _REFUSE = Action.KEEP, Action.DROP, Action.REFUSE

TLV_RULES: Final[dict[int, TlvRule]] = {
    Tag.MESSAGE_PAYLOAD: TlvRule(_KEEP, "the text itself, where it is longer than short_message"),
    Tag.SAR_MSG_REF_NUM: TlvRule(_KEEP, "parts of a long message"),
    Tag.SAR_TOTAL_SEGMENTS: TlvRule(_KEEP, "parts of a long message"),
    Tag.SAR_SEGMENT_SEQNUM: TlvRule(_KEEP, "parts of a long message"),
    Tag.MORE_MESSAGES_TO_SEND: TlvRule(_KEEP, "keeps the radio channel for the next part"),
    Tag.LANGUAGE_INDICATOR: TlvRule(_KEEP, "says how to show the text"),
    Tag.PRIVACY_INDICATOR: TlvRule(_KEEP, "asks the telephone for more discretion, never for less"),
    Tag.USER_MESSAGE_REFERENCE: TlvRule(_KEEP, "the sender's own number of the message"),
    Tag.QOS_TIME_TO_LIVE: TlvRule(_KEEP, "shortens the time that a text is kept"),
    Tag.PAYLOAD_TYPE: TlvRule(_REFUSE, "WDP or WCMP: a message to a program, not to a person"),
    Tag.SOURCE_PORT: TlvRule(_REFUSE, "port addressing: a message to a program"),
    Tag.DESTINATION_PORT: TlvRule(_REFUSE, "port addressing: a message to a program"),
    Tag.DEST_ADDR_SUBUNIT: TlvRule(_REFUSE, "addresses the SIM or an external unit"),
    Tag.DEST_TELEMATICS_ID: TlvRule(_REFUSE, "addresses a telematic device, as protocol_id does"),
    Tag.USSD_SERVICE_OP: TlvRule(_REFUSE, "a USSD session is no text"),
    Tag.ITS_REPLY_TYPE: TlvRule(_REFUSE, "opens an interactive session on the telephone"),
    Tag.ITS_SESSION_INFO: TlvRule(_REFUSE, "opens an interactive session on the telephone"),
    Tag.SET_DPF: TlvRule(_DROP, "asks to be told when the person is reachable again"),
    Tag.ALERT_ON_MESSAGE_DELIVERY: TlvRule(_DROP, "rings a telephone that its owner silenced"),
    Tag.MS_MSG_WAIT_FACILITIES: TlvRule(_DROP, "sets the voice mail sign"),
    Tag.MS_VALIDITY: TlvRule(_DROP, "deletes the text from the telephone later"),
    Tag.DISPLAY_TIME: TlvRule(_DROP, "takes the screen at once"),
    Tag.SMS_SIGNAL: TlvRule(_DROP, "chooses the telephone's ring"),
    Tag.CALLBACK_NUM: TlvRule(_DROP, "another number to call than the access number"),
    Tag.CALLBACK_NUM_PRES_IND: TlvRule(_DROP, "goes with callback_num"),
    Tag.CALLBACK_NUM_ATAG: TlvRule(_DROP, "a text to show as the caller"),
    Tag.NUMBER_OF_MESSAGES: TlvRule(_DROP, "sets the voice mail sign"),
    Tag.SOURCE_SUBADDRESS: TlvRule(_DROP, "a second sender identity"),
    Tag.DEST_SUBADDRESS: TlvRule(_DROP, "a second address at the person"),
    Tag.SOURCE_ADDR_SUBUNIT: TlvRule(_DROP, "says nothing that the SMSC needs"),
    Tag.SOURCE_NETWORK_TYPE: TlvRule(_DROP, "routing is the carrier's"),
    Tag.SOURCE_BEARER_TYPE: TlvRule(_DROP, "routing is the carrier's"),
    Tag.SOURCE_TELEMATICS_ID: TlvRule(_DROP, "says nothing that the SMSC needs"),
    Tag.SOURCE_NETWORK_ID: TlvRule(_DROP, "routing is the carrier's"),
    Tag.SOURCE_NODE_ID: TlvRule(_DROP, "routing is the carrier's"),
    Tag.DEST_NETWORK_TYPE: TlvRule(_DROP, "routing is the carrier's"),
    Tag.DEST_BEARER_TYPE: TlvRule(_DROP, "routing is the carrier's"),
    Tag.DEST_NETWORK_ID: TlvRule(_DROP, "routing is the carrier's"),
    Tag.DEST_NODE_ID: TlvRule(_DROP, "routing is the carrier's"),
    Tag.DEST_ADDR_NP_RESOLUTION: TlvRule(_DROP, "number portability is the carrier's"),
    Tag.DEST_ADDR_NP_INFORMATION: TlvRule(_DROP, "number portability is the carrier's"),
    Tag.DEST_ADDR_NP_COUNTRY: TlvRule(_DROP, "number portability is the carrier's"),
    Tag.BILLING_IDENTIFICATION: TlvRule(_DROP, "charging is the carrier's"),
    Tag.USER_RESPONSE_CODE: TlvRule(_DROP, "belongs to an interactive session"),
}
"""A tag that is not here, a vendor's among them, is dropped: what it does is not known."""

UNKNOWN_TLV = TlvRule(_DROP, "what it does is not known")

CONCATENATION: Final = frozenset((0x00, 0x08))
NATIONAL_SHIFT: Final = frozenset((0x24, 0x25))


@dataclass(frozen=True, slots=True)
class SubmitAllow:
    """What an access number may send beyond a plain text. The defaults are the carrier's."""

    protocol_ids: frozenset[int] = frozenset((0x00,))
    """23.040, 9.2.3.9: 40 is type 0 ("silent"), 41 to 47 replace a text, 7C to 7F program the telephone
    or its SIM, 20 to 3F address another device."""
    data_codings: frozenset[int] = frozenset(
        (
            DataCoding.DEFAULT,
            DataCoding.ASCII,
            DataCoding.OCTET_UNSPECIFIED,
            DataCoding.LATIN_1,
            DataCoding.OCTET,
            DataCoding.UCS2,
        )
    )
    """Shown in the inbox. C0 to FF set message waiting, class 0 takes the screen, class 2 goes to the SIM."""
    udh_elements: frozenset[int] = CONCATENATION | NATIONAL_SHIFT
    """04 and 05 address ports, 70 to 7F the SIM toolkit, 01 sets message waiting, 0A to 14 format a text."""
    service_types: frozenset[bytes] = frozenset((b"", b"CMT"))
    """Cellular messaging; USSD, WAP and the rest are other services."""
    esm_classes: frozenset[int] = frozenset((0x00, 0x03))
    """Store and forward, without the UDH indicator: datagram and transaction modes lose receipts; message
    types are for acknowledgements between users; the reply path would let a reply pass the gateway by."""
    default_messages: bool = False
    """sm_default_msg_id names a text at the SMSC that no policy here has read."""
    tlvs_kept: frozenset[int] = frozenset()
    """Tags that this access number may send although the table drops or refuses them."""

    def with_(self, **changes: frozenset[int] | frozenset[bytes] | bool) -> "SubmitAllow":
        """A copy for one access number with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def keeps_tlv(self, tag: int) -> bool:
        """Whether this TLV goes towards the SMSC."""
        return tag in self.tlvs_kept or TLV_RULES.get(tag, UNKNOWN_TLV).action is Action.KEEP


DEFAULT_ALLOW: Final = SubmitAllow()


class Refusal(NamedTuple):
    """The command_status to answer, and the field that caused it."""

    status: int
    field: str


def refusal_of(pdu: SubmitSm, allow: SubmitAllow = DEFAULT_ALLOW) -> Refusal | None:
    """Why a submit_sm may not go towards the SMSC, or None when it may."""
    if pdu.protocol_id not in allow.protocol_ids:
        # The specification has no status for protocol_id.
        return Refusal(CommandStatus.ESME_RSUBMITFAIL, "protocol_id")
    if pdu.data_coding not in allow.data_codings:
        return Refusal(CommandStatus.ESME_RINVDCS, "data_coding")
    if pdu.service_type not in allow.service_types:
        return Refusal(CommandStatus.ESME_RINVSERTYP, "service_type")
    if pdu.esm_class & ~EsmClass.UDHI not in allow.esm_classes:
        return Refusal(CommandStatus.ESME_RINVESMCLASS, "esm_class")
    if pdu.sm_default_msg_id and not allow.default_messages:
        return Refusal(CommandStatus.ESME_RINVDFTMSGID, "sm_default_msg_id")
    for tag, _ in pdu.tlvs:
        rule = TLV_RULES.get(tag)
        if rule is not None and rule.action is Action.REFUSE and tag not in allow.tlvs_kept:
            return Refusal(CommandStatus.ESME_RTLVNOTALLWD, Tag(tag).name.lower())
    if pdu.esm_class & EsmClass.UDHI:
        try:
            elements, _ = user_data(pdu)
        except UdhError:
            return Refusal(CommandStatus.ESME_RINVESMCLASS, "user data header")
        if any(identifier not in allow.udh_elements for identifier, _ in elements):
            return Refusal(CommandStatus.ESME_RSUBMITFAIL, "user data header")
    return None
