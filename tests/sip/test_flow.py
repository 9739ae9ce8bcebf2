"""One hop: transport, address, port."""

import pytest

from sip.flow import Flow


@pytest.mark.parametrize(("transport", "reliable"), [("UDP", False), ("TCP", True), ("TLS", True)])
def test_only_udp_needs_retransmission(transport: str, reliable: bool) -> None:
    assert Flow(transport, "192.0.2.1", 5060).reliable is reliable


def test_flows_of_one_hop_are_equal_and_can_key_a_table() -> None:
    assert Flow("UDP", "192.0.2.1", 5060) == Flow("UDP", "192.0.2.1", 5060)
    assert len({Flow("UDP", "192.0.2.1", 5060), Flow("UDP", "192.0.2.1", 5060)}) == 1
    assert Flow("UDP", "192.0.2.1", 5060) != Flow("TCP", "192.0.2.1", 5060)
