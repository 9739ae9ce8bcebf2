"""What the SIP side offers to those who have not proved who they are."""

import pytest

from gateway.accounts.directory import Directory
from gateway.voice.admission import Admission, Rejection
from sip.headers import parse_auth
from sip.message import Request
from sip.parser import parse

INVITE = b"""INVITE sip:888154642432547598@aid.demo SIP/2.0\r
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r
From: <sip:1069880001@192.0.2.1>;tag=1\r
To: <sip:888154642432547598@aid.demo>\r
Call-ID: 1@192.0.2.1\r
CSeq: 1 INVITE\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""


@pytest.mark.parametrize("algorithms", [("SHA-256", "MD5"), ("MD5", "SHA-256"), ("SHA-256",)])
def test_the_challenges_stand_in_the_configured_order(algorithms: tuple[str, ...]) -> None:
    request = parse(INVITE)
    assert isinstance(request, Request)
    answer = Admission(Directory(), "ascs", "aid.demo", algorithms).authenticate(request, 0.0)
    assert isinstance(answer, Rejection)
    assert answer.status == 401
    assert {name for name, _ in answer.headers} == {"WWW-Authenticate"}
    offered = [parse_auth(str(value)).params["algorithm"] for _, value in answer.headers]
    assert offered == list(algorithms)
