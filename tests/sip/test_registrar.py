"""Bindings: RFC 3261 10.3."""

from __future__ import annotations

import pytest

from sip.message import Request
from sip.registrar import Registrar
from tests.sip.wire import PEER, request_of, request_text

AOR = "sip:ent-a@ascs.example"


def register(contact: str, *, cseq: int = 1, call_id: str = "reg-1", expires: int | None = None) -> Request:
    extra = f"Contact: {contact}\r\n" if contact else ""
    if expires is not None:
        extra += f"Expires: {expires}\r\n"
    return request_of(request_text("REGISTER", cseq=cseq, call_id=call_id, extra=extra))


def apply(registrar: Registrar, request: Request, now: float = 0.0) -> tuple[int, dict[str, list[str]]]:
    result = registrar.register(AOR, request, PEER, now)
    headers: dict[str, list[str]] = {}
    for name, value in result.headers:
        headers.setdefault(name, []).append(str(value))
    return result.status, headers


def uris(registrar: Registrar, now: float = 0.0) -> list[str]:
    return [str(binding.uri) for binding in registrar.contacts(AOR, now)]


def test_a_contact_is_bound_and_listed_with_its_life() -> None:
    registrar = Registrar()
    status, headers = apply(registrar, register("<sip:a@192.0.2.1:5070>;expires=120"))
    assert (status, headers) == (200, {"Contact": ["<sip:a@192.0.2.1:5070>;expires=120"]})
    assert uris(registrar) == ["sip:a@192.0.2.1:5070"]
    assert registrar.contacts(AOR, 0.0)[0].flow == PEER


@pytest.mark.parametrize(
    ("contact", "expires", "granted"),
    [
        ("<sip:a@h>", None, 600),
        ("<sip:a@h>", 120, 120),
        ("<sip:a@h>;expires=100", 120, 100),
        ("<sip:a@h>;expires=90000", None, 3600),
        ("<sip:a@h>;expires=" + "9" * 40, None, 3600),
        ("<sip:a@h>;expires=soon", None, 3600),
    ],
)
def test_lifetimes(contact: str, expires: int | None, granted: int) -> None:
    """10.3 step 7; 20.10: malformed counts as an hour."""
    _, headers = apply(Registrar(), register(contact, expires=expires))
    assert headers["Contact"] == [f"<sip:a@h>;expires={granted}"]


def test_too_brief_is_423() -> None:
    assert apply(Registrar(), register("<sip:a@h>", expires=10)) == (423, {"Min-Expires": ["60"]})


def test_a_query_changes_nothing() -> None:
    """10.2.3."""
    registrar = Registrar()
    apply(registrar, register("<sip:a@h>"))
    status, headers = apply(registrar, register("", cseq=2))
    assert (status, len(headers["Contact"])) == (200, 1)


def test_bindings_end() -> None:
    registrar = Registrar()
    apply(registrar, register("<sip:a@h>", expires=60))
    assert registrar.next_timer() == 60.0
    assert uris(registrar, 59.9) == ["sip:a@h"]
    assert uris(registrar, 60.0) == []
    registrar.expire(60.0)
    assert len(registrar) == 0
    assert list(registrar.addresses()) == []


def test_a_refresh_keeps_one_binding() -> None:
    registrar = Registrar()
    apply(registrar, register("<sip:a@h>", expires=60))
    apply(registrar, register("<sip:a@H>", cseq=2, expires=60), 50.0)
    assert len(registrar) == 1
    assert uris(registrar, 100.0) == ["sip:a@H"]


def test_contacts_come_by_preference() -> None:
    registrar = Registrar()
    apply(registrar, register("<sip:low@h>;q=0.1, <sip:high@h>;q=0.9, <sip:full@h>"))
    assert uris(registrar) == ["sip:full@h", "sip:high@h", "sip:low@h"]


def test_one_contact_or_all_are_removed() -> None:
    """10.2.2."""
    registrar = Registrar()
    apply(registrar, register("<sip:a@h>, <sip:b@h>, <sip:c@h>"))
    assert apply(registrar, register("<sip:a@h>;expires=0", cseq=2))[0] == 200
    assert sorted(uris(registrar)) == ["sip:b@h", "sip:c@h"]
    assert apply(registrar, register("*", cseq=3, expires=0)) == (200, {})
    assert len(registrar) == 0


@pytest.mark.parametrize("expires", [None, 60])
def test_the_star_needs_expires_zero(expires: int | None) -> None:
    """10.3 step 6."""
    assert apply(Registrar(), register("*", expires=expires))[0] == 400


def test_an_old_request_changes_nothing() -> None:
    """10.3 step 7: the same Call-ID, no higher CSeq."""
    registrar = Registrar()
    apply(registrar, register("<sip:a@h>", cseq=5))
    assert apply(registrar, register("<sip:a@h>;expires=0", cseq=5))[0] == 500
    assert apply(registrar, register("*", cseq=4, expires=0))[0] == 500
    assert len(registrar) == 1
    assert apply(registrar, register("<sip:a@h>;expires=0", cseq=1, call_id="other"))[0] == 200


@pytest.mark.parametrize("contact", ["<tel:+861>", "<sip:a@h>;q=2", "<sip:a@h>;q=x"])
def test_bad_contacts_are_400(contact: str) -> None:
    registrar = Registrar()
    assert apply(registrar, register(f"<sip:good@h>, {contact}"))[0] == 400
    assert len(registrar) == 0  # all or none


def test_headers_in_a_contact_uri_are_dropped() -> None:
    """RFC 4475 3.1.2.13: they would be put into every request sent there."""
    registrar = Registrar()
    apply(registrar, register("<sip:a@h?Route=%3Csip:evil%3E>"))
    assert uris(registrar) == ["sip:a@h"]


def test_caps() -> None:
    registrar = Registrar(contacts_max=2, bindings_max=3)
    assert apply(registrar, register("<sip:a@h>, <sip:b@h>, <sip:c@h>")) == (503, {"Retry-After": ["60"]})
    assert len(registrar) == 0
    assert apply(registrar, register("<sip:a@h>, <sip:b@h>"))[0] == 200
    assert registrar.register("sip:other", register("<sip:a@h>, <sip:b@h>"), PEER, 0.0).status == 503
    assert registrar.register("sip:other", register("<sip:a@h>"), PEER, 0.0).status == 200
