"""Typed values of the headers that extensions brought: Reason, Privacy, RAck, Session-Expires, and others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from sip.headers import (
    CSEQ_MAX,
    DELTA_SECONDS_MAX,
    TOKEN,
    HeaderError,
    NameAddr,
    build_params,
    find_param,
    parse_name_addr,
    parse_number,
    parse_params,
    quote,
)
from sip.message import Message
from sip.uri import Param

RSEQ_MAX = 2**32 - 1
"""RFC 3262 7.1: 1 to 2**32 - 1."""
SIPFRAG_MAX = 4096
"""Octets of a ``message/sipfrag`` body that is read."""

_SIPFRAG = re.compile(rb"SIP/2\.0[ ]([1-6][0-9]{2})[ ]([^\r\n]*)(?:\r?\n|$)")
_RACK = re.compile(r"([0-9]{1,10})[ \t]+([0-9]{1,10})[ \t]+([^ \t]+)")


@dataclass(slots=True, frozen=True)
class Reason:
    """Why a request was sent (RFC 3326): ``protocol`` is SIP, Q.850, ...; ``cause`` in that protocol's numbers."""

    protocol: str
    cause: int | None = None
    text: str | None = None
    params: tuple[Param, ...] = ()
    """What else stood there, as it came."""

    def __str__(self) -> str:
        cause = f";cause={self.cause}" if self.cause is not None else ""
        text = f";text={quote(self.text)}" if self.text is not None else ""
        return f"{self.protocol}{cause}{text}{build_params(self.params)}"


def parse_reason(text: str) -> Reason:
    """One Reason value (RFC 3326 2).

    :raises HeaderError: broken grammar, or a cause that is no number.
    """
    protocol, params = _token_and_params(text, "Reason")
    cause = find_param(params, "cause")
    rest = tuple(item for item in params if item[0].lower() not in ("cause", "text"))
    number = None if cause is None else parse_number(cause, "Reason", 65_535)
    return Reason(protocol, number, find_param(params, "text"), rest)


def reasons(message: Message) -> list[Reason]:
    """All Reason values that can be read; a broken one says nothing."""
    found: list[Reason] = []
    for value in message.get_all("Reason"):
        try:
            found.append(parse_reason(value))
        except HeaderError:
            continue
    return found


def privacy(message: Message) -> frozenset[str]:
    """What the sender asks to be hidden (RFC 3323 4.2): header, session, user, id, none, critical; lower case.

    Empty when nothing is asked. RFC 3323 separates by semicolons; commas are common and read too.
    """
    asked: set[str] = set()
    for value in message.get_all("Privacy"):
        asked.update(word.strip(" \t").lower() for word in value.replace(",", ";").split(";"))
    asked.discard("")
    return frozenset(asked)


def asserted_identities(message: Message) -> list[NameAddr]:
    """P-Asserted-Identity, at most one SIP and one tel URI (RFC 3325 9.1).

    :raises HeaderError: a value is broken, or there are more than the RFC allows.
    """
    name = "P-Asserted-Identity"
    identities = message.addresses(name)
    kinds = ["tel" if item.uri.scheme == "tel" else "sip" for item in identities]
    if any(item.uri.scheme not in ("sip", "sips", "tel") for item in identities) or len(set(kinds)) != len(
        kinds
    ):
        raise HeaderError(name, "not one SIP and one tel URI at most")
    return identities


class RAck(NamedTuple):
    """Which reliable provisional response a PRACK acknowledges (RFC 3262 7.2)."""

    rseq: int
    cseq: int
    method: str

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"


def parse_rack(text: str) -> RAck:
    """:raises HeaderError: broken grammar or a number out of range."""
    match = _RACK.fullmatch(text)
    if match is None or not TOKEN.fullmatch(match[3]):
        raise HeaderError("RAck", "bad grammar")
    return RAck(parse_number(match[1], "RAck", RSEQ_MAX), parse_number(match[2], "RAck", CSEQ_MAX), match[3])


def response_number(message: Message) -> int | None:
    """RSeq, None where there is none or it cannot be one (RFC 3262 7.1)."""
    value = message.get("RSeq")
    if value is None:
        return None
    try:
        return parse_number(value, "RSeq", RSEQ_MAX) or None
    except HeaderError:
        return None


@dataclass(slots=True, frozen=True)
class SessionExpires:
    """How long a session lives without refresh (RFC 4028 4): seconds, and who refreshes: uac, uas or None."""

    seconds: int
    refresher: str | None = None

    def __str__(self) -> str:
        return f"{self.seconds};refresher={self.refresher}" if self.refresher else str(self.seconds)


def parse_session_expires(text: str) -> SessionExpires:
    """:raises HeaderError: broken grammar, or a refresher that is neither uac nor uas."""
    seconds, params = _token_and_params(text, "Session-Expires")
    refresher = find_param(params, "refresher")
    if refresher is not None and refresher.lower() not in ("uac", "uas"):
        raise HeaderError("Session-Expires", "unknown refresher")
    return SessionExpires(
        parse_number(seconds, "Session-Expires", DELTA_SECONDS_MAX), refresher and refresher.lower()
    )


def session_expires(message: Message) -> SessionExpires | None:
    """Session-Expires of a message; None where it is absent.

    :raises HeaderError: it is broken.
    """
    value = message.get("Session-Expires")
    return None if value is None else parse_session_expires(value)


def minimum_expires(message: Message) -> int:
    """Min-SE in seconds (RFC 4028 5); 0 where it is absent.

    :raises HeaderError: it is broken.
    """
    value = message.get("Min-SE")
    if value is None:
        return 0
    return parse_number(value.partition(";")[0].strip(" \t"), "Min-SE", DELTA_SECONDS_MAX)


@dataclass(slots=True, frozen=True)
class SubscriptionState:
    """The Subscription-State of a NOTIFY (RFC 6665 8.2.3); ``expires`` in seconds."""

    state: str
    reason: str | None = None
    expires: int | None = None


def parse_subscription_state(text: str) -> SubscriptionState:
    """:raises HeaderError: broken grammar."""
    state, params = _token_and_params(text, "Subscription-State")
    expires = find_param(params, "expires")
    seconds = None if expires is None else parse_number(expires, "Subscription-State", DELTA_SECONDS_MAX)
    return SubscriptionState(state.lower(), find_param(params, "reason"), seconds)


def parse_sipfrag(body: bytes) -> tuple[int, str]:
    """Status and reason phrase of a ``message/sipfrag`` body that begins with a status line (RFC 3515 2.4.5).

    :raises HeaderError: it begins with none.
    """
    match = _SIPFRAG.match(body) if len(body) <= SIPFRAG_MAX else None
    if match is None:
        raise HeaderError("message/sipfrag", "no status line")
    return int(match[1]), match[2].decode("utf-8", "replace")


def refer_target(message: Message) -> NameAddr:
    """Refer-To: exactly one address (RFC 3515 2.4.1).

    :raises HeaderError: there is none, there are several, or it is broken.
    """
    values = message.get_all("Refer-To")
    if len(values) != 1:
        raise HeaderError("Refer-To", "not exactly one")
    return parse_name_addr(values[0], "Refer-To")


def referred_by(message: Message) -> NameAddr | None:
    """Referred-By (RFC 3892), None where it is absent or broken: it is a claim, never a proof."""
    value = message.get("Referred-By")
    try:
        return None if value is None else parse_name_addr(value, "Referred-By")
    except HeaderError:
        return None


def _token_and_params(text: str, header: str) -> tuple[str, tuple[Param, ...]]:
    token, semicolon, rest = text.partition(";")
    token = token.strip(" \t")
    if not TOKEN.fullmatch(token):
        raise HeaderError(header, "bad grammar")
    return token, parse_params(semicolon + rest, header) if semicolon else ()
