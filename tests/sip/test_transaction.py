"""The transaction layer: matching, addresses, CANCEL, caps (RFC 3261 8.2, 9.2, 17.1.3, 17.2.3, 18.2)."""

from __future__ import annotations

import pytest

from sip.flow import Flow
from sip.message import Request, make_response
from sip.transaction import AckArrived, CancelArrived, RequestArrived, TransactionLayer
from sip.transaction_server import ServerTransaction
from sip.uri import SipUri
from tests.sip.wire import PEER, invite_text, lines, only, request_text, response_of, sent


def layer_of(**options: int) -> TransactionLayer:
    return TransactionLayer((Flow("UDP", "192.0.2.2", 5060),), **options)  # type: ignore[arg-type]


def arrive(layer: TransactionLayer, data: bytes, flow: Flow = PEER) -> ServerTransaction:
    layer.receive_datagram(data, flow, 0.0)
    event = only(layer.events())
    assert isinstance(event, RequestArrived)
    return event.transaction


@pytest.mark.parametrize(
    ("via_params", "source", "target"),
    [
        ("", Flow("UDP", "192.0.2.1", 5060), Flow("UDP", "192.0.2.1", 5060)),
        ("", Flow("UDP", "198.51.100.9", 40000), Flow("UDP", "198.51.100.9", 5060)),
        (";rport", Flow("UDP", "198.51.100.9", 40000), Flow("UDP", "198.51.100.9", 40000)),
        ("", Flow("TCP", "198.51.100.9", 40000), Flow("TCP", "198.51.100.9", 40000)),
    ],
    ids=["as sent-by", "received", "rport", "connection"],
)
def test_where_responses_go(via_params: str, source: Flow, target: Flow) -> None:
    """18.2.2, RFC 3581 4."""
    layer = layer_of()
    transaction = arrive(layer, request_text(via_params=via_params), source)
    transaction.respond(make_response(transaction.request, 200), 0.0)
    ((data, flow),) = layer.datagrams()
    assert flow == target
    assert (b";received=198.51.100.9" in data) == (source.host != "192.0.2.1")


def test_a_branch_is_matched_with_sent_by_and_method() -> None:
    """17.2.3."""
    layer = layer_of()
    arrive(layer, request_text(call_id="1"))
    other_sender = request_text(call_id="2").replace(b"192.0.2.1:5060", b"192.0.2.1:5070")
    arrive(layer, other_sender)
    arrive(layer, request_text("INFO", call_id="3"))
    assert len(layer) == 3


def test_a_peer_of_rfc_2543_is_matched_by_its_fields() -> None:
    """17.2.3: no magic cookie; the ACK of a refusal finds its INVITE though its To tag is new."""
    layer = layer_of()
    transaction = arrive(layer, invite_text(branch=None))
    transaction.respond(make_response(transaction.request, 486, to_tag="mine"), 0.0)
    sent(layer)
    layer.receive_datagram(invite_text(branch=None), PEER, 0.1)
    assert lines(sent(layer)) == [486]
    layer.receive_datagram(request_text("ACK", branch=None, to_tag="mine"), PEER, 0.2)
    assert layer.events() == []
    assert transaction.state.value == "confirmed"


def test_the_ack_of_a_2xx_has_a_branch_of_its_own() -> None:
    layer = layer_of()
    transaction = arrive(layer, invite_text())
    transaction.respond(make_response(transaction.request, 200, to_tag="mine"), 0.0)
    layer.receive_datagram(request_text("ACK", branch="z9hG4bKother", to_tag="mine"), PEER, 0.1)
    assert isinstance(only(layer.events()), AckArrived)
    assert len(layer) == 1


def test_a_request_that_came_by_two_paths_is_answered_482() -> None:
    """8.2.2.2."""
    layer = layer_of()
    arrive(layer, invite_text())
    layer.receive_datagram(invite_text(branch="z9hG4bKother-path"), PEER, 0.0)
    assert layer.events() == []
    assert lines(sent(layer)) == [482]
    assert layer.counters["merged"] == 1


class TestCancel:
    """9.2."""

    def test_it_is_answered_200_and_told_with_its_invite(self) -> None:
        layer = layer_of()
        invite = arrive(layer, invite_text())
        layer.receive_datagram(request_text("CANCEL"), PEER, 0.1)
        event = only(layer.events())
        assert isinstance(event, CancelArrived)
        assert event.transaction is invite
        (response,) = sent(layer)
        assert response.cseq == (1, "CANCEL")
        assert response.to.tag == invite.local_tag

    def test_without_an_invite_it_is_answered_481(self) -> None:
        layer = layer_of()
        layer.receive_datagram(request_text("CANCEL"), PEER, 0.1)
        assert layer.events() == []
        assert lines(sent(layer)) == [481]

    def test_its_repeat_is_not_told_again(self) -> None:
        layer = layer_of()
        arrive(layer, invite_text())
        layer.receive_datagram(request_text("CANCEL"), PEER, 0.1)
        layer.events()
        layer.receive_datagram(request_text("CANCEL"), PEER, 0.2)
        assert layer.events() == []
        assert lines(sent(layer)) == [200, 200]


def test_over_the_cap_a_request_is_answered_503_without_state() -> None:
    layer = layer_of(transactions_max=1)
    arrive(layer, request_text())
    layer.receive_datagram(request_text(branch="z9hG4bKtwo", call_id="2"), PEER, 0.0)
    assert layer.events() == []
    (response,) = sent(layer)
    assert response_of(response.to_bytes()).status == 503
    assert response.get("Retry-After") == "5"
    assert len(layer) == 1


def new_request(method: str, *, to_tag: str = "") -> Request:
    to = "<sip:a@192.0.2.1>" + (f";tag={to_tag}" if to_tag else "")
    headers = [("From", "<sip:b@192.0.2.2>;tag=1"), ("To", to), ("Call-ID", "1"), ("CSeq", f"1 {method}")]
    return Request(method, SipUri("a", "192.0.2.1"), headers)


def test_over_the_cap_nothing_new_starts_but_calls_can_end() -> None:
    layer = layer_of(transactions_max=1)
    arrive(layer, request_text())
    with pytest.raises(OverflowError):
        layer.send_request(new_request("INVITE"), PEER, 0.0)
    layer.send_request(new_request("BYE", to_tag="x"), PEER, 0.0)
    assert lines(sent(layer)) == ["BYE"]


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\0", b"", b"  \r\n"])
def test_keepalives_are_counted_and_dropped(data: bytes) -> None:
    layer = layer_of()
    layer.receive_datagram(data, PEER, 0.0)
    assert (layer.events(), layer.datagrams()) == ([], [])
    assert layer.counters["keepalive"] == 1


def test_a_malformed_request_is_answered_to_its_source_without_state() -> None:
    layer = layer_of()
    source = Flow("UDP", "198.51.100.9", 40000)
    layer.receive_datagram(request_text().replace(b"CSeq: 1 ", b"CSeq: one "), source, 0.0)
    ((data, flow),) = layer.datagrams()
    assert data.startswith(b"SIP/2.0 400 ")
    assert flow == source
    assert (len(layer), layer.counters["malformed"]) == (0, 1)


def test_malformed_responses_and_rubbish_get_no_answer() -> None:
    layer = layer_of()
    for data in (b"SIP/2.0 2x0 OK\r\nVia: x\r\n\r\n", b"rubbish", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 2000):
        layer.receive_datagram(data, PEER, 0.0)
    assert layer.datagrams() == []


def test_a_shell_hears_of_output() -> None:
    layer, calls = layer_of(), list[int]()
    layer.on_output = lambda: calls.append(1)
    layer.send_request(new_request("OPTIONS"), PEER, 0.0)
    assert calls == [1]
