"""What of a submit_sm may go towards the SMSC: the tables of `smpp_tables`, and what an access number adds."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from masking.smpp_tables import DATA_CODINGS, PROTOCOL_IDS, TLVS, UDH_ELEMENTS, Action, values_with
from smpp.constants import UDHI, CommandStatus, Tag
from smpp.pdu import SubmitSm
from smpp.segmentation import UdhError, user_data

__all__ = ["DEFAULT_ALLOW", "Refusal", "SubmitAllow", "refusal_of"]

_TLVS_KEPT = frozenset(tag for tag, ways in TLVS.items() if ways.towards.action is Action.KEEP)
_TLVS_REFUSED = frozenset(tag for tag, ways in TLVS.items() if ways.towards.action is Action.REFUSE)


@dataclass(frozen=True, slots=True)
class SubmitAllow:
    """What an access number may send beyond a plain text. The defaults are the carrier's: the tables'."""

    protocol_ids: frozenset[int] = frozenset(values_with(PROTOCOL_IDS, Action.KEEP))
    data_codings: frozenset[int] = frozenset(values_with(DATA_CODINGS, Action.KEEP))
    udh_elements: frozenset[int] = frozenset(values_with(UDH_ELEMENTS, Action.KEEP))
    service_types: frozenset[bytes] = frozenset((b"", b"CMT"))
    """Cellular messaging; USSD, WAP and the rest are other services."""
    esm_classes: frozenset[int] = frozenset((0x00, 0x03))
    """Store and forward, without the UDH indicator: datagram and transaction modes lose receipts; message
    types are for acknowledgements between users; the reply path would let a reply pass the gateway by."""
    default_messages: bool = False
    """sm_default_msg_id names a text at the SMSC that no policy here has read."""
    tlvs_kept: frozenset[int] = frozenset()
    """Tags that this access number may send although the table drops or refuses them."""

    def keeps_tlv(self, tag: int) -> bool:
        """Whether this TLV goes towards the SMSC."""
        return tag in _TLVS_KEPT or tag in self.tlvs_kept


DEFAULT_ALLOW: Final = SubmitAllow()


class Refusal(NamedTuple):
    """The command_status to answer, and the field that caused it."""

    status: int
    field: str


PRIORITY_MAX: Final = 3
"""3.4, 5.2.14: 0 to 3; 5.0 has a fourth for cell broadcast alone (4.7.19)."""
REGISTERED_DELIVERY_RESERVED: Final = 0xE0
"""5.0, 4.7.21: bits 7 to 5."""


_NOT_WITH_HEADER: Final = frozenset(
    (
        Tag.SAR_MSG_REF_NUM,
        Tag.SAR_TOTAL_SEGMENTS,
        Tag.SAR_SEGMENT_SEQNUM,
        Tag.SOURCE_PORT,
        Tag.DESTINATION_PORT,
    )
)
"""5.0, 4.7.12: a user data header says it all by itself; these would say it again, or otherwise."""


def _refusal_of_tlvs(pdu: SubmitSm, allow: SubmitAllow) -> Refusal | None:
    seen: set[int] = set()
    has_header = bool(pdu.esm_class & UDHI)
    for tag, value in pdu.tlvs:
        if tag in _TLVS_REFUSED and tag not in allow.tlvs_kept:
            return Refusal(CommandStatus.ESME_RTLVNOTALLWD, Tag(tag).name.lower())
        if has_header and tag in _NOT_WITH_HEADER:
            return Refusal(CommandStatus.ESME_RTLVNOTALLWD, Tag(tag).name.lower())
        if tag in _TLVS_KEPT:
            # Of two that are kept, nobody knows which the SMSC takes, and the policies here have read one.
            if tag in seen:
                return Refusal(CommandStatus.ESME_RTLVNOTALLWD, Tag(tag).name.lower())
            seen.add(tag)
        if tag == Tag.MESSAGE_PAYLOAD and value and pdu.short_message:
            # 3.4, 4.4.1: the text is in one of the two.
            return Refusal(CommandStatus.ESME_RTLVNOTALLWD, "message_payload")
    return None


def refusal_of(pdu: SubmitSm, allow: SubmitAllow = DEFAULT_ALLOW) -> Refusal | None:
    """Why a submit_sm may not go towards the SMSC, or None when it may."""
    if pdu.protocol_id not in allow.protocol_ids:
        # The specification has no status for protocol_id.
        return Refusal(CommandStatus.ESME_RSUBMITFAIL, "protocol_id")
    if pdu.data_coding not in allow.data_codings:
        return Refusal(CommandStatus.ESME_RINVDCS, "data_coding")
    if pdu.service_type not in allow.service_types:
        return Refusal(CommandStatus.ESME_RINVSERTYP, "service_type")
    if pdu.esm_class & ~UDHI not in allow.esm_classes:
        return Refusal(CommandStatus.ESME_RINVESMCLASS, "esm_class")
    if pdu.sm_default_msg_id and not allow.default_messages:
        return Refusal(CommandStatus.ESME_RINVDFTMSGID, "sm_default_msg_id")
    if pdu.priority_flag > PRIORITY_MAX:
        return Refusal(CommandStatus.ESME_RINVPRTFLG, "priority_flag")
    if pdu.registered_delivery & REGISTERED_DELIVERY_RESERVED:
        return Refusal(CommandStatus.ESME_RINVREGDLVFLG, "registered_delivery")
    if pdu.replace_if_present_flag > 1:
        return Refusal(CommandStatus.ESME_RINVREPFLAG, "replace_if_present_flag")
    if pdu.tlvs:
        refusal = _refusal_of_tlvs(pdu, allow)
        if refusal is not None:
            return refusal
    if pdu.esm_class & UDHI:
        try:
            elements, _ = user_data(pdu)
        except UdhError:
            return Refusal(CommandStatus.ESME_RINVESMCLASS, "user data header")
        if any(identifier not in allow.udh_elements for identifier, _ in elements):
            return Refusal(CommandStatus.ESME_RSUBMITFAIL, "user data header")
    return None
