"""Listeners of one side, and the waits that follow from T1. What is heard on them is in test_transports.py."""

from __future__ import annotations

import pytest

from gateway.settings import SipSideSettings
from gateway.voice.listening import Certificates, timer_values


def test_each_host_has_each_transport_and_udp_comes_first() -> None:
    side = SipSideSettings(
        host="127.0.0.1", further_hosts=("::1",), port=5060, advertise="sip.carrier.example"
    )
    listeners = Certificates().listeners(side)
    assert [(each.transport, each.host, each.advertise) for each in listeners] == [
        ("UDP", "127.0.0.1", ("sip.carrier.example", 0)),
        ("UDP", "::1", None),
        ("TCP", "127.0.0.1", ("sip.carrier.example", 0)),
        ("TCP", "::1", None),
    ]
    without = Certificates().listeners(side.model_copy(update={"tcp": False}))
    assert {each.transport for each in without} == {"UDP"}


def test_without_an_authority_no_connection_of_ours_has_tls() -> None:
    assert Certificates().client([], None) is None


def test_a_longer_t1_makes_no_other_wait_shorter() -> None:
    short, default, long = (timer_values(t1_ms) for t1_ms in (50, 500, 4_000))
    assert (default.t1, default.t2, default.t4, default.d) == (0.5, 4.0, 5.0, 32.0)
    assert (short.timeout, short.t2) == (pytest.approx(3.2), 4.0)
    assert (long.t2, long.d) == (4.0, 256.0)
