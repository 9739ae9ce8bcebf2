"""What crosses from one leg of a call to the other: only what masking builds; the egress guard looks last."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.records import metrics
from masking.egress_guard import Alarm, EgressGuard, Secrets
from masking.sip_leg import core_headers, enterprise_headers, enterprise_status
from sip.headers import NameAddr
from sip.media.control import Side
from sip.message import Request, Response
from sip.uri import SipUri

LEG = "sip"
ENTERPRISE_SIDE: Side = "a"
CORE_SIDE: Side = "b"

ANONYMOUS = NameAddr(SipUri("anonymous", "anonymous.invalid"), "Anonymous")
"""RFC 3323 4.1: what stands in a From that has to be there."""

_UNREACHABLE = frozenset((401, 407, 408))

Headers = list[tuple[str, object]]


def _on_alarm(alarm: Alarm) -> None:
    metrics.EGRESS_ALARMS.labels(alarm.leg, alarm.field).inc()


GUARD = EgressGuard(_on_alarm)


def crossing_headers(side: Side, message: Request | Response | None, msisdn: str | None) -> Headers:
    """The headers that a message on the other leg gives to one towards `side`. `msisdn`: of the call's subscriber."""
    if message is None:
        return []
    if side == CORE_SIDE:
        return list(core_headers(message))
    return guarded_headers(enterprise_headers(message), msisdn)


def guarded_headers(headers: Iterable[tuple[str, object]], msisdn: str | None) -> Headers:
    """Headers for the enterprise without those in which the number hides."""
    items = list(headers)
    if msisdn is None or not items:
        return items
    dropped = GUARD.check(LEG, {name: str(value) for name, value in items}, Secrets(msisdn))
    return [item for item in items if item[0] not in dropped]


def guarded_body(side: Side, body: bytes, msisdn: str | None) -> bytes:
    """A description for one side; nothing in its place where the number hides in it."""
    if side == CORE_SIDE or msisdn is None or not body:
        return body
    return b"" if GUARD.check(LEG, {"body": body}, Secrets(msisdn)) else body


def guarded_address(name: str, address: NameAddr, msisdn: str) -> NameAddr:
    """From or To of an INVITE to the enterprise."""
    return ANONYMOUS if GUARD.check(LEG, {name: str(address)}, Secrets(msisdn)) else address


def crossing_status(side: Side, status: int) -> int:
    """A final status of one leg as the other shows it.

    Towards the core: an enterprise that is silent, challenges or redirects is not reachable; the gateway
    neither has its passwords nor follows it anywhere. Its 503 would say that the gateway is overloaded, and the core
    would keep all calls away from it (RFC 3261 16.7).
    """
    if side == ENTERPRISE_SIDE:
        return enterprise_status(status)[0]
    if status == 503:
        return 500
    return 480 if status < 400 or status in _UNREACHABLE else status
