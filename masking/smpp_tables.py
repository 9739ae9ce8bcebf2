"""What of SMPP crosses the gateway, field by field and both ways, with the reason beside each.

`towards` is a submit_sm's way to the SMSC, `back` a deliver_sm's way to the enterprise. Consent to a text is
not consent to be located or reprogrammed: what acts on the telephone instead of showing its owner a text is
refused by default. Backwards only what the gateway makes itself crosses: any other field could name a person.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from smpp.constants import Tag

__all__ = [
    "DATA_CODINGS",
    "FIELDS",
    "PROTOCOL_IDS",
    "RECEIPT_FIELDS",
    "TLVS",
    "UDH_ELEMENTS",
    "UNKNOWN_TLV",
    "Action",
    "Rule",
    "Span",
    "Ways",
    "values_with",
]


class Action(Enum):
    """What happens to a field."""

    KEEP = "keep"
    """It goes on as it came."""
    BUILD = "build"
    """The gateway puts its own value there."""
    DROP = "drop"
    """It falls away, and the message goes on without it."""
    REFUSE = "refuse"
    """The message is refused for it."""


class Rule(NamedTuple):
    """The decision on one field in one direction, and why."""

    action: Action
    reason: str


class Ways(NamedTuple):
    """The decisions on one field."""

    towards: Rule
    back: Rule


class Span(NamedTuple):
    """Neighbouring values of one field that are decided alike."""

    first: int
    last: int
    meaning: str
    ways: Ways


_KEEP, _BUILD, _DROP, _REFUSE = Action.KEEP, Action.BUILD, Action.DROP, Action.REFUSE


def _keep(reason: str) -> Rule:
    return Rule(_KEEP, reason)


def _build(reason: str) -> Rule:
    return Rule(_BUILD, reason)


def _drop(reason: str) -> Rule:
    return Rule(_DROP, reason)


def _refuse(reason: str) -> Rule:
    return Rule(_REFUSE, reason)


def values_with(spans: tuple[Span, ...], action: Action) -> Iterator[int]:
    """The values that go towards the SMSC with that action."""
    for span in spans:
        if span.ways.towards.action is action:
            yield from range(span.first, span.last + 1)


# --- mandatory fields, 3.4, 4.4.1 and 4.6.1 ----------------------------------------------------------------

FIELDS: Final[dict[str, Ways]] = {
    "service_type": Ways(
        _refuse("but empty and CMT: USSD, WAP, VMN and the rest are other services than a text"),
        _build("empty: the original tells the kind of the network"),
    ),
    "source_addr_ton, source_addr_npi": Ways(_build("as the link wants an access number"), _build("0: of an AID")),
    "source_addr": Ways(_build("the access number"), _build("the AID in place of the person's number")),
    "dest_addr_ton, dest_addr_npi": Ways(_build("as the link wants a number"), _build("0: of an access number")),
    "destination_addr": Ways(_build("the person's number in place of the AID"), _build("the access number")),
    "esm_class": Ways(
        _refuse(
            "but 00 and 03, with 40 (a user data header): datagram and transaction modes lose receipts, message "
            "types are acknowledgements between users, by the reply path (80) a reply passes the gateway by"
        ),
        _build("00 a reply, 40 one with a header, 04 a receipt, 20 an intermediate notification"),
    ),
    "protocol_id": Ways(_keep("see below"), _build("0")),
    "priority_flag": Ways(
        _keep("the order among an account's own texts; over 3 is refused"), _build("0: it is the SMSC's")
    ),
    "schedule_delivery_time": Ways(
        _build("empty: the gateway keeps what is to be sent later"),
        _build("empty"),
    ),
    "validity_period": Ways(_build("the gateway keeps the time itself"), _build("empty")),
    "registered_delivery": Ways(
        _build("receipts are asked for as the gateway needs them"),
        _build("0: the enterprise's answer is deliver_sm_resp"),
    ),
    "replace_if_present_flag": Ways(
        _keep("replaces a text of the same access number that still waits"), _build("0")
    ),
    "data_coding": Ways(_keep("see below"), _keep("how to read what the person wrote; 0 in a receipt")),
    "sm_default_msg_id": Ways(
        _refuse("but 0: a text that lies at the SMSC and that no policy here has read"), _build("0")
    ),
    "short_message": Ways(
        _keep("octet for octet"), _keep("a reply's text is the person's own; a receipt's is built, see below")
    ),
}  # fmt: skip
"""What a submit_sm and a deliver_sm always have."""

# --- protocol_id, 3GPP TS 23.040, 9.2.3.9 ------------------------------------------------------------------

_PID_BACK = _build("0: the original tells the kind of the person's device or network")

PROTOCOL_IDS: Final[tuple[Span, ...]] = (
    Span(0x00, 0x00, "a text", Ways(_keep("shows its owner a text"), _PID_BACK)),
    Span(0x01, 0x1F, "another protocol", Ways(_refuse("a message between programs"), _PID_BACK)),
    Span(
        0x20, 0x3F, "telematic interworking", Ways(_refuse("makes a telex, fax, page or mail of it"), _PID_BACK)
    ),
    Span(
        0x40, 0x40, "type 0", Ways(_refuse("reaches the telephone unseen: it tells that it is on"), _PID_BACK)
    ),
    Span(0x41, 0x47, "replace types 1 to 7", Ways(_refuse("changes a text already received"), _PID_BACK)),
    Span(0x48, 0x48, "device triggering", Ways(_refuse("starts a program on a device"), _PID_BACK)),
    Span(0x49, 0x5D, "reserved", Ways(_refuse("what it does is not known"), _PID_BACK)),
    Span(0x5E, 0x5E, "enhanced message (obsolete)", Ways(_refuse("what it does is not known"), _PID_BACK)),
    Span(0x5F, 0x5F, "return call", Ways(_refuse("asks the person to call, as the network does"), _PID_BACK)),
    Span(0x60, 0x7B, "reserved", Ways(_refuse("what it does is not known"), _PID_BACK)),
    Span(0x7C, 0x7C, "ANSI-136 R-DATA", Ways(_refuse("goes to the SIM"), _PID_BACK)),
    Span(0x7D, 0x7D, "ME data download", Ways(_refuse("programs the telephone"), _PID_BACK)),
    Span(0x7E, 0x7E, "ME de-personalization", Ways(_refuse("programs the telephone"), _PID_BACK)),
    Span(0x7F, 0x7F, "(U)SIM data download", Ways(_refuse("programs the SIM"), _PID_BACK)),
    Span(0x80, 0xBF, "reserved", Ways(_refuse("what it does is not known"), _PID_BACK)),
    Span(0xC0, 0xFF, "the message centre's own", Ways(_refuse("what it does is not known"), _PID_BACK)),
)  # fmt: skip

# --- data_coding, 3.4, 5.2.19, and 3GPP TS 23.038, 4 -------------------------------------------------------

_VOICE_MAIL = "sets the sign for waiting voice mail"
_DCS_BACK = _keep("how to read what the person wrote")
_CLASSES = "by class: 0 takes the screen, 1 the telephone, 2 the SIM, 3 other equipment"

DATA_CODINGS: Final[tuple[Span, ...]] = (
    Span(0x00, 0x00, "the SMSC's default alphabet", Ways(_keep("a text"), _DCS_BACK)),
    Span(0x01, 0x01, "ASCII", Ways(_keep("a text"), _DCS_BACK)),
    Span(0x02, 0x02, "octets, unspecified", Ways(_keep("shown, or not, in the inbox alone"), _DCS_BACK)),
    Span(0x03, 0x03, "Latin-1", Ways(_keep("a text"), _DCS_BACK)),
    Span(0x04, 0x04, "octets", Ways(_keep("shown, or not, in the inbox alone"), _DCS_BACK)),
    Span(0x05, 0x07, "JIS, Cyrillic, Hebrew", Ways(_refuse("a text that no policy here reads"), _DCS_BACK)),
    Span(0x08, 0x08, "UCS-2", Ways(_keep("a text"), _DCS_BACK)),
    Span(0x09, 0x09, "pictograms", Ways(_refuse("no text"), _DCS_BACK)),
    Span(0x0A, 0x0A, "ISO-2022-JP", Ways(_refuse("a text that no policy here reads"), _DCS_BACK)),
    Span(0x0B, 0x0C, "reserved", Ways(_refuse("what it does is not known"), _DCS_BACK)),
    Span(0x0D, 0x0E, "extended Kanji JIS, KS C 5601", Ways(_refuse("a text that no policy here reads"), _DCS_BACK)),
    Span(0x0F, 0x0F, "reserved", Ways(_refuse("what it does is not known"), _DCS_BACK)),
    Span(0x10, 0x1F, "a text with a class", Ways(_refuse(_CLASSES), _DCS_BACK)),
    Span(0x20, 0x3F, "compressed", Ways(_refuse("a text that no policy here reads"), _DCS_BACK)),
    Span(0x40, 0x7F, "marked to be deleted", Ways(_refuse("deletes itself once it is read"), _DCS_BACK)),
    Span(0x80, 0xBF, "reserved", Ways(_refuse("what it does is not known"), _DCS_BACK)),
    Span(0xC0, 0xEF, "message waiting", Ways(_refuse(_VOICE_MAIL), _DCS_BACK)),
    Span(0xF0, 0xFF, "a text or octets with a class", Ways(_refuse(_CLASSES), _DCS_BACK)),
)  # fmt: skip

# --- elements of the user data header, 3GPP TS 23.040, 9.2.3.24 ---------------------------------------------

_EMS = Ways(_refuse("pictures, sounds and formats, which no policy here reads"), _drop("no part of the text"))
_UDH_UNKNOWN = Ways(_refuse("what it does is not known"), _drop("may hold a number"))
_PORTS = Ways(_refuse("a message to a program on the telephone"), _drop("tells the telephone's program"))

UDH_ELEMENTS: Final[tuple[Span, ...]] = (
    Span(0x00, 0x00, "concatenation", Ways(_keep("parts of a long text"), _build("as 08, of its three numbers"))),
    Span(0x01, 0x01, "message waiting", Ways(_refuse(_VOICE_MAIL), _drop("no part of the text"))),
    Span(0x02, 0x03, "reserved", _UDH_UNKNOWN),
    Span(0x04, 0x05, "ports", _PORTS),
    Span(0x06, 0x07, "the SMSC's control, UDH source", Ways(_refuse("speaks to the SMSC"), _drop("the network's own"))),
    Span(0x08, 0x08, "concatenation, 16 bits", Ways(_keep("parts of a long text"), _build("of its three numbers"))),
    Span(0x09, 0x09, "WCMP", Ways(_refuse("a message between programs"), _drop("no part of the text"))),
    Span(0x0A, 0x1F, "enhanced messaging", _EMS),
    Span(0x20, 0x20, "e-mail header", Ways(_refuse("a second sender"), _drop("an address of the person's"))),
    Span(0x21, 0x21, "hyperlink", _EMS),
    Span(0x22, 0x22, "reply address", Ways(_refuse("a reply would pass the gateway by"), _drop("a number"))),
    Span(0x23, 0x23, "voice mail information", Ways(_refuse(_VOICE_MAIL), _drop("holds a number"))),
    Span(0x24, 0x25, "national language shifts", Ways(_keep("how to show the text"), _build("of its one octet"))),
    Span(0x26, 0x6F, "reserved", _UDH_UNKNOWN),
    Span(0x70, 0x7F, "(U)SIM toolkit", Ways(_refuse("programs the SIM"), _drop("the SIM's own"))),
    Span(0x80, 0x9F, "between users", _UDH_UNKNOWN),
    Span(0xA0, 0xBF, "reserved", _UDH_UNKNOWN),
    Span(0xC0, 0xDF, "the message centre's own", _UDH_UNKNOWN),
    Span(0xE0, 0xFF, "reserved", _UDH_UNKNOWN),
)  # fmt: skip

# --- TLVs, 3.4, 5.3.2, and 5.0, 4.8.4 -----------------------------------------------------------------------

_SAR = Ways(
    _keep("parts of a long text; refused beside a user data header (5.0, 4.7.12)"),
    _build("as element 08 of the user data header"),
)
_PORT = Ways(_refuse("port addressing: a message to a program"), _drop("tells the telephone's program"))
_ITS = Ways(
    _refuse("opens an interactive session on the telephone"), _drop("belongs to an interactive session")
)
_ROUTING = Ways(_drop("routing is the carrier's"), _drop("tells where the person is"))
_NP = Ways(_drop("number portability is the carrier's"), _drop("tells of the person's number"))
_NOT_SENT = "the SMSC's to say, not an enterprise's"
_BROADCAST = Ways(_drop("belongs to a cell broadcast"), _drop("belongs to a cell broadcast"))
_ANOTHER_NUMBER = "another number to call than the access number"

TLVS: Final[dict[int, Ways]] = {
    Tag.MESSAGE_PAYLOAD: Ways(
        _keep("the text itself, where it is longer than short_message"),
        _build("of a reply's own text, where it is longer than short_message"),
    ),
    Tag.SAR_MSG_REF_NUM: _SAR,
    Tag.SAR_TOTAL_SEGMENTS: _SAR,
    Tag.SAR_SEGMENT_SEQNUM: _SAR,
    Tag.MORE_MESSAGES_TO_SEND: Ways(_keep("keeps the radio channel for the next part"), _drop(_NOT_SENT)),
    Tag.LANGUAGE_INDICATOR: Ways(_keep("says how to show the text"), _drop("tells of the person's telephone")),
    Tag.PRIVACY_INDICATOR: Ways(
        _keep("asks the telephone for more discretion, never for less"), _drop("no part of the text")
    ),
    Tag.USER_MESSAGE_REFERENCE: Ways(
        _keep("the sender's own number of the message"), _drop("the SMSC's number for it")
    ),
    Tag.QOS_TIME_TO_LIVE: Ways(
        _build("as the validity period, which it supersedes (5.0, 4.2.1.1)"), _drop("the network's own")
    ),
    Tag.PAYLOAD_TYPE: Ways(
        _refuse("WDP or WCMP: a message to a program, not to a person"), _drop("no part of the text")
    ),
    Tag.SOURCE_PORT: _PORT,
    Tag.DESTINATION_PORT: _PORT,
    Tag.DEST_ADDR_SUBUNIT: Ways(_refuse("addresses the SIM or an external unit"), _drop("no part of the text")),
    Tag.DEST_TELEMATICS_ID: Ways(
        _refuse("addresses a telematic device, as protocol_id does"), _drop("no part of the text")
    ),
    Tag.USSD_SERVICE_OP: Ways(_refuse("a USSD session is no text"), _drop("belongs to a USSD session")),
    Tag.ITS_REPLY_TYPE: _ITS,
    Tag.ITS_SESSION_INFO: _ITS,
    Tag.SET_DPF: Ways(
        _drop("asks to be told when the person is reachable again"), _drop("tells if the person is reachable")
    ),
    Tag.DPF_RESULT: Ways(_drop(_NOT_SENT), _drop("tells if the person is reachable")),
    Tag.MS_AVAILABILITY_STATUS: Ways(_drop(_NOT_SENT), _drop("tells if the person is reachable")),
    Tag.ALERT_ON_MESSAGE_DELIVERY: Ways(
        _drop("rings a telephone that its owner silenced"), _drop("no part of the text")
    ),
    Tag.MS_MSG_WAIT_FACILITIES: Ways(_drop("sets the voice mail sign"), _drop("no part of the text")),
    Tag.MS_VALIDITY: Ways(_drop("deletes the text from the telephone later"), _drop("no part of the text")),
    Tag.DISPLAY_TIME: Ways(_drop("takes the screen at once"), _drop("no part of the text")),
    Tag.SMS_SIGNAL: Ways(_drop("chooses the telephone's ring"), _drop("no part of the text")),
    Tag.CALLBACK_NUM: Ways(_drop(_ANOTHER_NUMBER), _drop("a number, and likely the person's")),
    Tag.CALLBACK_NUM_PRES_IND: Ways(_drop("goes with callback_num"), _drop("goes with callback_num")),
    Tag.CALLBACK_NUM_ATAG: Ways(_drop("a text to show as the caller"), _drop("may name the person")),
    Tag.NUMBER_OF_MESSAGES: Ways(_drop("sets the voice mail sign"), _drop("no part of the text")),
    Tag.SOURCE_SUBADDRESS: Ways(_drop("a second sender identity"), _drop("a second address of the person")),
    Tag.DEST_SUBADDRESS: Ways(_drop("a second address at the person"), _drop("a second address, of no use here")),
    Tag.SOURCE_ADDR_SUBUNIT: Ways(
        _drop("says nothing that the SMSC needs"), _drop("tells of the person's telephone")
    ),
    Tag.SOURCE_TELEMATICS_ID: Ways(
        _drop("says nothing that the SMSC needs"), _drop("tells of the person's telephone")
    ),
    Tag.SOURCE_NETWORK_TYPE: _ROUTING,
    Tag.SOURCE_BEARER_TYPE: _ROUTING,
    Tag.SOURCE_NETWORK_ID: _ROUTING,
    Tag.SOURCE_NODE_ID: _ROUTING,
    Tag.DEST_NETWORK_TYPE: _ROUTING,
    Tag.DEST_BEARER_TYPE: _ROUTING,
    Tag.DEST_NETWORK_ID: _ROUTING,
    Tag.DEST_NODE_ID: _ROUTING,
    Tag.DEST_ADDR_NP_RESOLUTION: _NP,
    Tag.DEST_ADDR_NP_INFORMATION: _NP,
    Tag.DEST_ADDR_NP_COUNTRY: _NP,
    Tag.BILLING_IDENTIFICATION: Ways(_drop("charging is the carrier's"), _drop("may name the person's account")),
    Tag.USER_RESPONSE_CODE: Ways(
        _drop("belongs to an interactive session"), _drop("belongs to an interactive session")
    ),
    Tag.RECEIPTED_MESSAGE_ID: Ways(_drop(_NOT_SENT), _build("of a receipt: the gateway's own id, never the SMSC's")),
    Tag.MESSAGE_STATE: Ways(_drop(_NOT_SENT), _build("of a receipt: the end as the gateway recorded it")),
    Tag.NETWORK_ERROR_CODE: Ways(
        _drop(_NOT_SENT), _drop("tells the person's network, and if a telephone is off, full or abroad")
    ),
    Tag.ADDITIONAL_STATUS_INFO_TEXT: Ways(_drop(_NOT_SENT), _drop("free text of the SMSC's: may hold anything")),
    Tag.DELIVERY_FAILURE_REASON: Ways(_drop(_NOT_SENT), _drop("belongs to a response; tells of the person")),
    Tag.CONGESTION_STATE: Ways(_drop(_NOT_SENT), _drop("of another session; the gateway says its own in responses")),
    Tag.SC_INTERFACE_VERSION: Ways(_drop("belongs to a bind"), _drop("belongs to a bind")),
    Tag.BROADCAST_CHANNEL_INDICATOR: _BROADCAST,
    Tag.BROADCAST_CONTENT_TYPE: _BROADCAST,
    Tag.BROADCAST_CONTENT_TYPE_INFO: _BROADCAST,
    Tag.BROADCAST_MESSAGE_CLASS: _BROADCAST,
    Tag.BROADCAST_REP_NUM: _BROADCAST,
    Tag.BROADCAST_FREQUENCY_INTERVAL: _BROADCAST,
    Tag.BROADCAST_AREA_IDENTIFIER: _BROADCAST,
    Tag.BROADCAST_ERROR_STATUS: _BROADCAST,
    Tag.BROADCAST_AREA_SUCCESS: _BROADCAST,
    Tag.BROADCAST_END_TIME: _BROADCAST,
    Tag.BROADCAST_SERVICE_GROUP: _BROADCAST,
}  # fmt: skip

UNKNOWN_TLV: Final = Ways(_drop("what it does is not known"), _drop("may hold a number"))
"""A tag that is not in the table, a vendor's (1400 to 3FFF) among them."""

# --- a receipt's text, 3.4, appendix B ----------------------------------------------------------------------

RECEIPT_FIELDS: Final[dict[str, Rule]] = {
    "id": _build("the gateway's own id, never the SMSC's"),
    "sub": _build("001"),
    "dlvrd": _build("001 where delivered, else 000"),
    "submit date": _build("when the gateway took the message, in Asia/Shanghai"),
    "done date": _build("when the gateway learned of its end: the SMSC's own time would tell its place"),
    "stat": _build("the end as the gateway recorded it"),
    "err": _build("000 to 999, the gateway's: the network's own code tells of the person's telephone"),
    "text": _drop("empty: an SMSC may repeat or add anything"),
}
"""Only the way back has it; nothing of the SMSC's receipt is copied."""
