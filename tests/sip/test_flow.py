"""One hop: transport, address, port."""

import pytest

from sip.flow import TRANSPORTS, Flow, default_port, local_address


@pytest.mark.parametrize(("transport", "reliable"), [("UDP", False), ("TCP", True), ("TLS", True)])
def test_only_udp_needs_retransmission(transport: str, reliable: bool) -> None:
    assert Flow(transport, "192.0.2.1", 5060).reliable is reliable


def test_flows_of_one_hop_are_equal_and_can_key_a_table() -> None:
    assert Flow("UDP", "192.0.2.1", 5060) == Flow("UDP", "192.0.2.1", 5060)
    assert len({Flow("UDP", "192.0.2.1", 5060), Flow("UDP", "192.0.2.1", 5060)}) == 1
    assert Flow("UDP", "192.0.2.1", 5060) != Flow("TCP", "192.0.2.1", 5060)


def test_of_our_own_addresses_the_one_that_the_peer_reaches() -> None:
    udp, tcp, tcp6 = (
        Flow("UDP", "192.0.2.1", 5060),
        Flow("TCP", "192.0.2.1", 5060),
        Flow("TCP", "2001:db8::1", 5060),
    )
    own = (udp, tcp, tcp6)
    assert local_address(own, Flow("TCP", "198.51.100.1", 9)) == tcp
    assert local_address(own, Flow("TCP", "2001:db8::9", 9)) == tcp6
    assert local_address(own, Flow("UDP", "2001:db8::9", 9)) == udp
    assert local_address(own, Flow("TLS", "198.51.100.1", 9)) == udp


def test_the_port_where_none_is_named() -> None:
    assert [default_port(transport) for transport in TRANSPORTS] == [5060, 5060, 5061]
