"""What the gateway puts on the enterprise's leg is searched for the number; what it hides in is dropped."""

import pytest

from gateway.voice import egress
from sip.headers import parse_name_addr
from sip.message import Response
from tests.gateway.voice.conftest import MSISDN


@pytest.mark.parametrize("hidden", [MSISDN, "13800000001", "+86-138-0000-0001", "MTM4MDAwMDAwMDE="])
def test_a_header_in_which_the_number_hides_is_dropped_with_an_alarm(hidden: str) -> None:
    before = egress.GUARD.alarms
    kept = egress.guarded_headers([("Retry-After", "5"), ("X", f"a {hidden} b")], MSISDN)
    assert kept == [("Retry-After", "5")]
    assert egress.GUARD.alarms == before + 1


def test_a_body_in_which_the_number_hides_is_left_out_on_that_leg_alone() -> None:
    body = f"s={MSISDN}".encode()
    assert egress.guarded_body("a", body, MSISDN) == b""
    assert egress.guarded_body("b", body, MSISDN) == body


def test_an_address_that_must_be_there_becomes_anonymous() -> None:
    address = parse_name_addr(f"<sip:{MSISDN}@aid.invalid>")
    assert egress.guarded_address("From", address, MSISDN) == egress.ANONYMOUS


def test_only_listed_headers_cross() -> None:
    response = Response(
        486, None, [("Reason", 'SIP;cause=486;text="no"'), ("Warning", "399 core x"), ("X", "y")]
    )
    names = {name for name, _ in egress.crossing_headers("a", response, MSISDN)}
    assert names == {"Reason"}
    assert egress.crossing_headers("a", None, MSISDN) == []


@pytest.mark.parametrize(
    ("side", "status", "shown"),
    [("a", 301, 480), ("a", 410, 404), ("b", 302, 480), ("b", 401, 480), ("b", 408, 480), ("b", 603, 603)],
)
def test_a_final_status_is_shown_as_the_other_leg_may_know_it(side, status: int, shown: int) -> None:
    assert egress.crossing_status(side, status) == shown
