"""Dialogs: RFC 3261 clause 12."""

from __future__ import annotations

import pytest

from sip.dialog import Dialog, DialogError
from sip.flow import Flow
from sip.headers import parse_name_addr
from sip.message import Request, Response, make_response
from tests.sip.wire import PEER, invite_text, request_of, request_text

ROUTES = "Record-Route: <sip:10.0.0.2;lr>, <sip:10.0.0.1;lr>\r\n"


def server_dialog(extra: str = ROUTES, **options: bool) -> Dialog:
    return Dialog.as_server(request_of(invite_text(extra=extra, cseq=7)), "mine", PEER, **options)


def answered(request: Request, contact: str = "<sip:bob@192.0.2.9:5070>", routes: bool = True) -> Response:
    response = make_response(request, 200, to_tag="theirs", headers=[("Contact", contact)])
    if not routes:
        response.remove("Record-Route")
    return response


def client_dialog(extra: str = ROUTES, contact: str = "<sip:bob@192.0.2.9:5070>") -> Dialog:
    request = request_of(invite_text(extra=extra, cseq=7))
    return Dialog.as_client(request, answered(request, contact), PEER)


def test_the_servers_side() -> None:
    """12.1.1: routes in order, tags and target from the request."""
    dialog = server_dialog()
    assert dialog.key == ("call-1", "mine", "from-1")
    assert str(dialog.remote_target) == "sip:alice@192.0.2.1:5060"
    assert [str(route) for route in dialog.route_set] == ["<sip:10.0.0.2;lr>", "<sip:10.0.0.1;lr>"]
    assert dialog.remote_cseq == 7


def test_the_clients_side() -> None:
    """12.1.2: routes reversed."""
    dialog = client_dialog()
    assert dialog.key == ("call-1", "from-1", "theirs")
    assert str(dialog.remote_target) == "sip:bob@192.0.2.9:5070"
    assert [str(route) for route in dialog.route_set] == ["<sip:10.0.0.1;lr>", "<sip:10.0.0.2;lr>"]
    assert dialog.confirmed


def test_a_request_follows_loose_routes() -> None:
    """12.2.1.1."""
    dialog = client_dialog()
    bye = dialog.build("BYE")
    assert str(bye.uri) == "sip:bob@192.0.2.9:5070"
    assert bye.get_all("Route") == ["<sip:10.0.0.1;lr>", "<sip:10.0.0.2;lr>"]
    assert (bye.from_.tag, bye.to.tag, bye.call_id, bye.cseq) == ("from-1", "theirs", "call-1", (8, "BYE"))
    assert dialog.build("INFO").cseq.number == 9
    assert dialog.flow == Flow("UDP", "10.0.0.1", 5060)


def test_a_request_follows_a_strict_router() -> None:
    """12.2.1.1."""
    dialog = client_dialog("Record-Route: <sip:10.0.0.2;lr>, <sip:10.0.0.1>\r\n")
    bye = dialog.build("BYE")
    assert str(bye.uri) == "sip:10.0.0.1"
    assert bye.get_all("Route") == ["<sip:10.0.0.2;lr>", "<sip:bob@192.0.2.9:5070>"]


def test_an_ack_has_the_number_of_its_invite() -> None:
    dialog = client_dialog()
    dialog.build("INFO")
    assert dialog.build("ACK", cseq=7).cseq == (7, "ACK")
    assert dialog.local_cseq == 8


def test_requests_go_to_the_target_unless_it_is_a_name_or_pinned() -> None:
    assert client_dialog("").flow == Flow("UDP", "192.0.2.9", 5070)
    assert client_dialog("", "<sip:bob@[2001:db8::9]>").flow == Flow("UDP", "2001:db8::9", 5060)
    assert client_dialog("", "<sip:bob@host.example.com>").flow == PEER
    assert client_dialog("", "<sip:bob@host.example.com;maddr=192.0.2.77>").flow.host == "192.0.2.77"
    assert server_dialog(pinned=True).flow == PEER


def test_requests_out_of_order_are_refused() -> None:
    """12.2.2."""
    dialog = server_dialog("")
    assert not dialog.accept(request_of(request_text("INFO", cseq=7)))
    assert not dialog.accept(request_of(request_text("INFO", cseq=6)))
    assert dialog.accept(request_of(request_text("INFO", cseq=20)))
    assert not dialog.accept(request_of(request_text("BYE", cseq=8)))


def test_a_target_refresh_moves_the_target() -> None:
    dialog = server_dialog("")
    moved = request_of(invite_text(cseq=8).replace(b"<sip:alice@192.0.2.1:5060>", b"<sip:alice@192.0.2.50>"))
    assert dialog.accept(moved)
    assert str(dialog.remote_target) == "sip:alice@192.0.2.50"
    assert dialog.flow.host == "192.0.2.50"
    info = request_of(request_text("INFO", cseq=9, extra="Contact: <sip:x@192.0.2.51>\r\n"))
    assert dialog.accept(info)
    assert dialog.flow.host == "192.0.2.50"


def test_the_2xx_takes_the_route_set_anew() -> None:
    """13.2.2.4."""
    request = request_of(invite_text(extra=ROUTES, cseq=7))
    ringing = make_response(request, 180, to_tag="theirs", headers=[("Contact", "<sip:early@192.0.2.8>")])
    dialog = Dialog.as_client(request, ringing, PEER)
    assert not dialog.confirmed
    dialog.confirm(answered(request, routes=False))
    assert dialog.confirmed
    assert dialog.route_set == []
    assert dialog.flow == Flow("UDP", "192.0.2.9", 5070)


@pytest.mark.parametrize("contact", ["", "Contact: <tel:+861>\r\n", "Contact: <sip:a@b>, <sip:c@d>\r\n"])
def test_no_dialog_without_one_sip_contact(contact: str) -> None:
    """8.1.1.8."""
    with pytest.raises(DialogError):
        Dialog.as_server(request_of(request_text("INVITE", extra=contact)), "mine", PEER)


def test_no_dialog_without_a_tag() -> None:
    request = request_of(invite_text())
    response = make_response(request, 200, headers=[("Contact", "<sip:bob@192.0.2.9>")])
    with pytest.raises(DialogError):
        Dialog.as_client(request, response, PEER)


def test_a_contact_keeps_its_display_name_out_of_the_request_uri() -> None:
    dialog = client_dialog("", str(parse_name_addr('"Bob" <sip:bob@192.0.2.9;ob>;q=1')))
    assert str(dialog.build("BYE").uri) == "sip:bob@192.0.2.9;ob"
