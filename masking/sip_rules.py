"""Which SIP headers and statuses cross from one leg of a call to the other, one by one, with the reason.

The two legs are two dialogs that share nothing. A header that crosses is built from its typed value, never
copied; one that is not in the table does not cross.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

__all__ = ["HEADER_RULES", "MEDIA", "SDP_ATTRIBUTES", "SDP_LINES", "STATUS_SHOWN", "Rule", "shown_status"]

RETRY_AFTER_MAX_S = 3600

_REASON = re.compile(r"\s*(SIP|Q\.850)\s*;(?:[^,]*;)?\s*cause\s*=\s*([0-9]{1,3})\s*(?:;.*)?", re.IGNORECASE)
_PROTOCOLS = {"sip": "SIP", "q.850": "Q.850"}


def _reason(value: str) -> str | None:
    """RFC 3326: protocol and cause; the text parameter is free text and stays behind."""
    match = _REASON.fullmatch(value)
    return f"{_PROTOCOLS[match[1].lower()]};cause={int(match[2])}" if match else None


def _retry_after(value: str) -> str | None:
    """Seconds alone, without comment and parameters (RFC 3261, 20.33)."""
    match = re.match(r"\s*([0-9]{1,9})(?![0-9])", value)
    return str(min(int(match[1]), RETRY_AFTER_MAX_S)) if match else None


def _privacy(value: str) -> str | None:
    """RFC 3323 and 3325: whether the access number is shown to the person. What a user or its headers would hide is
    that number; the session is hidden by the relay anyway."""
    asked = {word.strip().lower() for word in value.split(";")}
    return "id" if asked & {"id", "user", "header"} else "none" if asked == {"none"} else None


class Rule(NamedTuple):
    """The decision on one header. `build` makes the value that crosses, None where nothing does."""

    build: Callable[[str], str | None] | None
    to_enterprise: bool
    to_core: bool
    reason: str

    @property
    def crosses(self) -> bool:
        """Whether it crosses in either direction."""
        return self.build is not None


def _stays(reason: str) -> Rule:
    return Rule(None, False, False, reason)


_DIALOG = "each leg has its own dialog and makes this anew"
_IDENTITY = "names a person or a device"
_ROUTE = "shows the carrier's topology"
_CAPABILITY = "each leg says what the gateway can do"
_LOGIN = "holds between one hop and the gateway"
_FREE_TEXT = "free text can name a person"
_LINK = "a reference out of the call"
_BODY = "made anew with the body"

HEADER_RULES: Final[dict[str, Rule]] = {
    "Reason": Rule(_reason, True, True, "why a call ended: the cause's number alone"),
    "Retry-After": Rule(_retry_after, True, True, "when to try again: seconds alone"),
    "Privacy": Rule(_privacy, False, True, "the enterprise may hide its access number, not the person"),
    "Via": _stays(_DIALOG),
    "From": _stays(_DIALOG),
    "To": _stays(_DIALOG),
    "Call-ID": _stays(_DIALOG),
    "CSeq": _stays(_DIALOG),
    "Contact": _stays(
        "each leg has the gateway's own; theirs has a device's address and +sip.instance, that of a 3xx another number"
    ),
    "Max-Forwards": _stays("counted on across the legs, from a number of our own"),
    "Session-ID": _stays("one id on both legs would tie them together"),
    "Timestamp": _stays(_DIALOG),
    "RSeq": _stays(_DIALOG),
    "RAck": _stays(_DIALOG),
    "Session-Expires": _stays("each leg refreshes its own session"),
    "Min-SE": _stays("each leg refreshes its own session"),
    "Route": _stays(_ROUTE),
    "Record-Route": _stays(_ROUTE),
    "Path": _stays(_ROUTE),
    "Service-Route": _stays(_ROUTE),
    "P-Asserted-Identity": _stays(_IDENTITY),
    "P-Preferred-Identity": _stays("the enterprise's claim; the access number is asserted instead"),
    "P-Called-Party-ID": _stays(_IDENTITY),
    "P-Associated-URI": _stays(_IDENTITY),
    "P-Served-User": _stays(_IDENTITY),
    "P-Profile-Key": _stays(_IDENTITY),
    "P-Asserted-Service": _stays("the core's own"),
    "P-Early-Media": _stays("the gateway decides on early media"),
    "P-Access-Network-Info": _stays("names the cell that a person is in"),
    "P-Visited-Network-ID": _stays("tells where a person is"),
    "P-Charging-Vector": _stays("charging is the carrier's"),
    "P-Charging-Function-Addresses": _stays("charging is the carrier's"),
    "Cellular-Network-Info": _stays("names the cell that a person is in"),
    "Geolocation": _stays("tells where a person is"),
    "Geolocation-Routing": _stays("tells where a person is"),
    "Remote-Party-ID": _stays(_IDENTITY),
    "Identity": _stays("a signed token that holds both numbers (RFC 8224)"),
    "Identity-Info": _stays("goes with Identity"),
    "Diversion": _stays("numbers of those who forward"),
    "History-Info": _stays("numbers that the call went through"),
    "Call-Info": _stays("a picture, card or purpose of the caller"),
    "Alert-Info": _stays(_LINK),
    "Error-Info": _stays(_LINK),
    "Additional-Identity": _stays(_IDENTITY),
    "Attestation-Info": _stays("how sure the core is of who calls; goes with Identity"),
    "Origination-Id": _stays("goes with Identity"),
    "Priority-Verstat": _stays("goes with Identity"),
    "P-User-Database": _stays("names the database that has the person"),
    "P-Refused-URI-List": _stays(_IDENTITY),
    "P-DCS-Billing-Info": _stays("charging is the carrier's, and it has both numbers"),
    "P-DCS-LAES": _stays("tells of interception"),
    "P-DCS-OSPS": _stays("an operator's own"),
    "P-DCS-Redirect": _stays("numbers of those who forward"),
    "P-DCS-Trace-Party-ID": _stays(_IDENTITY),
    "P-Media-Authorization": _stays("a token of the access network"),
    "P-Answer-State": _stays("the core's own"),
    "Relayed-Charge": _stays("charging is the carrier's"),
    "Resource-Priority": _stays("no call of this service goes before others"),
    "Restoration-Info": _stays("names a subscriber (IMSI)"),
    "Service-Interact-Info": _stays("the core's own"),
    "Response-Source": _stays("shows the carrier's topology"),
    "Answer-Mode": _stays("nobody makes a telephone answer by itself"),
    "Priv-Answer-Mode": _stays("nobody makes a telephone answer by itself"),
    "Max-Breadth": _stays("the gateway forks no call"),
    "Refer-Sub": _stays("a transfer ends at the gateway"),
    "Referred-By": _stays(_IDENTITY),
    "Refer-To": _stays("a transfer is a new call of the gateway, towards an AID only"),
    "Replaces": _stays("names a dialog of the other leg"),
    "Target-Dialog": _stays("names a dialog of the other leg"),
    "Join": _stays("names a dialog of the other leg"),
    "In-Reply-To": _stays("names a call of the other leg"),
    "Reply-To": _stays(_IDENTITY),
    "Subject": _stays(_FREE_TEXT),
    "Organization": _stays(_FREE_TEXT),
    "Priority": _stays("no subscription call is an emergency"),
    "Warning": _stays("names a host and holds free text"),
    "Server": _stays("names the equipment"),
    "User-Agent": _stays("names the telephone's make"),
    "User-to-User": _stays("opaque data between the two ends"),
    "Feature-Caps": _stays(_CAPABILITY),
    "Accept": _stays(_CAPABILITY),
    "Accept-Encoding": _stays(_CAPABILITY),
    "Accept-Language": _stays("a trait of the person"),
    "Accept-Contact": _stays("routing is each leg's own"),
    "Reject-Contact": _stays("routing is each leg's own"),
    "Request-Disposition": _stays("routing is each leg's own"),
    "Allow": _stays(_CAPABILITY),
    "Allow-Events": _stays(_CAPABILITY),
    "Supported": _stays(_CAPABILITY),
    "Require": _stays(_CAPABILITY),
    "Proxy-Require": _stays(_CAPABILITY),
    "Unsupported": _stays(_CAPABILITY),
    "Recv-Info": _stays(_CAPABILITY),
    "Info-Package": _stays("of INFO only digits cross, and these have no package"),
    "Authorization": _stays(_LOGIN),
    "Proxy-Authorization": _stays(_LOGIN),
    "WWW-Authenticate": _stays(_LOGIN),
    "Proxy-Authenticate": _stays(_LOGIN),
    "Authentication-Info": _stays(_LOGIN),
    "Security-Client": _stays(_LOGIN),
    "Security-Server": _stays(_LOGIN),
    "Security-Verify": _stays(_LOGIN),
    "Date": _stays("shows the other leg's clock"),
    "Expires": _stays("each leg has its own timers"),
    "Min-Expires": _stays("each leg has its own timers"),
    "Event": _stays("no subscription crosses"),
    "Subscription-State": _stays("no subscription crosses"),
    "Content-Type": _stays(_BODY),
    "Content-Length": _stays(_BODY),
    "Content-Disposition": _stays(_BODY),
    "Content-Encoding": _stays(_BODY),
    "Content-Language": _stays("a trait of the person"),
    "Content-ID": _stays(_BODY),
    "MIME-Version": _stays("a multipart body does not cross; ISUP inside it names numbers"),
}

SDP_LINES: Final[dict[str, tuple[str, str]]] = {
    "v": ("build", "always 0"),
    "o": (
        "build",
        "user, session id and address of the other leg would tie the legs together, or name a person",
    ),
    "s": ("build", 'a name that people read; always "-"'),
    "i": ("drop", "free text can name a person"),
    "u": ("drop", "a link out of the call"),
    "e": ("drop", "a person's address"),
    "p": ("drop", "a person's number"),
    "c": ("build", "the relay's address: the other end's tells where it is"),
    "b": ("drop", "each leg has its own network"),
    "t": ("build", "always 0 0: a call has no times"),
    "r": ("drop", "a call has no times"),
    "z": ("drop", "a call has no times, and a person's zone is theirs"),
    "k": ("drop", "a key in clear; obsolete"),
    "m": ("build", "the first audio stream, at the relay's port; every other one in its place with port 0"),
    "a": ("build", "only those below"),
}
"""Lines of a description: build means that the gateway writes its own."""

MEDIA: Final[dict[str, tuple[str, str]]] = {
    "RTP payload": ("cross", "what the two say to each other, and the keys that they press (RFC 4733)"),
    "RTP payload type, marker": ("cross", "how the payload is read"),
    "RTP sequence number, timestamp": (
        "build",
        "theirs, counted from a beginning of the relay's own",
    ),
    "RTP SSRC": ("build", "the relay's own: theirs is in their descriptions and their RTCP"),
    "RTP CSRC list": ("drop", "who speaks in a conference"),
    "RTP header extension": ("drop", "can carry names and levels of the voice (RFC 6464, RFC 7941)"),
    "RTCP SR, RR": ("build", "their counts and times, under the relay's own SSRCs"),
    "RTCP SDES CNAME": ("build", "made for the call: theirs is often user@host"),
    "RTCP SDES NAME, EMAIL, PHONE, LOC, TOOL, NOTE, PRIV": ("drop", "name a person or a device"),
    "RTCP BYE": ("build", "without its reason, which is free text"),
    "RTCP APP, XR, feedback": ("drop", "nobody here reads them"),
}
"""What becomes of audio in the gateway's own relay."""

SDP_ATTRIBUTES: Final[dict[str, tuple[str, str]]] = {
    "rtpmap": ("build", "formats on the list below"),
    "fmtp": ("build", "parameters on the list below, with plain values"),
    "ptime": ("build", "5 to 200 ms"),
    "maxptime": ("build", "5 to 200 ms"),
    "sendrecv": ("build", "the direction: hold and resume"),
    "sendonly": ("build", "the direction: hold and resume"),
    "recvonly": ("build", "the direction: hold and resume"),
    "inactive": ("build", "the direction: hold and resume"),
    "rtcp": ("build", "the relay's own port, where it is not the next one"),
    "cname": ("drop", "a name of the person's host"),
    "ssrc": ("drop", "holds a cname, and RTP says it anew"),
    "ssrc-group": ("drop", "goes with ssrc"),
    "msid": ("drop", "ids of the other leg's equipment"),
    "candidate": ("drop", "addresses at which the person's equipment is"),
    "ice-ufrag": ("drop", "the relay is no ICE agent"),
    "ice-pwd": ("drop", "the relay is no ICE agent"),
    "crypto": ("drop", "keys of the other leg; media is plain RTP on both"),
    "fingerprint": ("drop", "names a certificate of the equipment"),
    "setup": ("drop", "goes with fingerprint"),
    "identity": ("drop", "an assertion of who the person is (RFC 8827)"),
    "group": ("drop", "streams of the other leg"),
    "mid": ("drop", "streams of the other leg"),
    "rtcp-mux": ("drop", "the relay has a port of its own for RTCP"),
    "rtcp-fb": ("drop", "for video"),
    "extmap": ("drop", "header extensions can carry names and levels of the voice"),
    "curr": ("drop", "preconditions are each leg's own (RFC 3312)"),
    "des": ("drop", "preconditions are each leg's own (RFC 3312)"),
    "conf": ("drop", "preconditions are each leg's own (RFC 3312)"),
    "tool": ("drop", "names the equipment"),
    "charset": ("drop", "a trait of the person"),
    "lang": ("drop", "a trait of the person"),
    "sdplang": ("drop", "a trait of the person"),
    "cat": ("drop", "free text"),
    "keywds": ("drop", "free text"),
    "label": ("drop", "streams of the other leg"),
    "content": ("drop", "streams of the other leg"),
}
"""Attributes by name. One that is not here does not cross."""

NOT_AVAILABLE = (480, "Temporarily Unavailable")
NOT_FOUND = (404, "Not Found")
DECLINED = (603, "Decline")
SERVER_ERROR = (500, "Server Internal Error")
UNAVAILABLE = (503, "Service Unavailable")

STATUS_SHOWN: Final[dict[int, tuple[int, str]]] = {
    100: (100, "Trying"),
    180: (180, "Ringing"),
    181: (180, "Ringing"),  # that a call is forwarded is the person's own affair
    182: (182, "Queued"),
    183: (183, "Session Progress"),
    200: (200, "OK"),
    400: (400, "Bad Request"),
    401: SERVER_ERROR,  # the core challenged the gateway, not the enterprise
    402: SERVER_ERROR,
    403: (403, "Forbidden"),
    404: NOT_FOUND,
    405: (405, "Method Not Allowed"),
    406: (406, "Not Acceptable"),
    407: SERVER_ERROR,
    408: (408, "Request Timeout"),
    410: NOT_FOUND,  # a number that was given up looks like one that never was
    413: (413, "Request Entity Too Large"),
    415: (415, "Unsupported Media Type"),
    416: NOT_FOUND,
    481: (481, "Call/Transaction Does Not Exist"),
    484: NOT_FOUND,
    485: NOT_FOUND,
    486: (486, "Busy Here"),
    487: (487, "Request Terminated"),
    488: (488, "Not Acceptable Here"),
    491: (491, "Request Pending"),
    500: SERVER_ERROR,
    501: (501, "Not Implemented"),
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: (504, "Server Time-out"),
    580: (580, "Precondition Failure"),
    600: (600, "Busy Everywhere"),
    603: DECLINED,
    604: NOT_FOUND,
    606: (606, "Not Acceptable"),
    607: DECLINED,  # that the person marks callers as unwanted is theirs to know
    608: DECLINED,
}

_OTHERS: Final = {
    1: (183, "Session Progress"),
    2: (200, "OK"),
    3: NOT_AVAILABLE,  # where else a person can be reached is not told
    4: NOT_AVAILABLE,
    5: SERVER_ERROR,
    6: DECLINED,
}


def shown_status(status: int) -> tuple[int, str]:
    """What the enterprise is shown for a status of the core, with the standard's phrase, never the peer's.

    Raises ValueError for a number that is no status.
    """
    if not 100 <= status <= 699:
        raise ValueError("not a SIP status")
    return STATUS_SHOWN.get(status) or _OTHERS[status // 100]
