"""A contact that no rule is against, with what a test changes."""

from typing import Any

from gateway.policy.contact import Contact
from gateway.store.subscriber_cache import Resolved
from tests.gateway.carrier import EDI_ID, ENTERPRISE, MSISDN, NOW_MS, grant


def person(**fields: Any) -> Resolved:
    values: dict[str, Any] = {"confirmed_at": NOW_MS - 1000, "until_ms": NOW_MS + 1000} | fields
    return Resolved(EDI_ID, ENTERPRISE, b"i" * 16, MSISDN, **values)


def contact(**fields: Any) -> Contact:
    """`hours`, `frequency`: of the grant; `blocked_at`, `now`, `at`, `is_barred`; the rest are the person's."""
    terms = {name: fields.pop(name) for name in ("hours", "frequency") if name in fields}
    blocked_at, now = fields.pop("blocked_at", None), fields.pop("now", NOW_MS)
    at, is_barred = fields.pop("at", now), fields.pop("is_barred", False)
    return Contact(person(**fields), grant(**terms), blocked_at, now, at, is_barred)
