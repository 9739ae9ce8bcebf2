"""RFC 4475 and RFC 5118, message by message: the verdict and what a user agent answers.

``accept`` rows reach the user agent, and its first answer (None: nothing is sent, the user decides) is checked.
``reject`` rows do not parse. Where the RFCs leave a choice, the row says which one is taken.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sip.agent import AgentConfig, UserAgent
from sip.agent_config import DEFAULT_ALLOW
from sip.events import IncomingCall, RequestReceived
from sip.flow import Flow
from sip.message import Request, Response
from sip.parser import SipParseError, parse
from sip.sdp import parse_sdp
from tests.sip.wire import lines, sent

DATA = Path(__file__).parent / "data"
CALL, REQUEST, NOTHING = "call", "request", "nothing"

# file, clause, what the agent makes of it: CALL or REQUEST for its user, NOTHING for a stray message, or the
# status that it answers by itself.
ACCEPTED: list[tuple[str, str, str | int]] = [
    ("wsinv", "4475 3.1.1.1: it has a To tag, and no such dialog is here", 481),
    ("intmeth", "4475 3.1.1.2", 501),
    ("esc01", "4475 3.1.1.3", CALL),
    ("escnull", "4475 3.1.1.4", REQUEST),
    ("esc02", "4475 3.1.1.5: an escape in a token is no escape, the method is unknown", 501),
    ("lwsdisp", "4475 3.1.1.6", REQUEST),
    ("longreq", "4475 3.1.1.7", CALL),
    ("dblreq", "4475 3.1.1.8: octets behind the body of a datagram are dropped", REQUEST),
    ("semiuri", "4475 3.1.1.9", REQUEST),
    ("transports", "4475 3.1.1.10", REQUEST),
    ("mpart01", "4475 3.1.1.11: MESSAGE is not in this agent's Allow", 405),
    ("unreason", "4475 3.1.1.12: nobody's response", NOTHING),
    ("noreason", "4475 3.1.1.13: nobody's response", NOTHING),
    ("baddate", "4475 3.1.2.12: Date means nothing to us, so it refuses nothing", CALL),
    ("regescrt", "4475 3.3.14, the valid half: headers in a Contact in brackets", REQUEST),
    ("unkscm", "4475 3.3.2", 416),
    ("novelsc", "4475 3.3.3", 416),
    ("unksm2", "4475 3.3.4: the registrar refuses the Contact", REQUEST),
    ("bext01", "4475 3.3.5", 420),
    ("invut", "4475 3.3.6", 415),
    ("regaut01", "4475 3.3.7: the registrar passes over the scheme", REQUEST),
    ("zeromf", "4475 3.3.11: we are the target", REQUEST),
    ("cparam01", "4475 3.3.12", REQUEST),
    ("cparam02", "4475 3.3.13", REQUEST),
    ("sdp01", "4475 3.3.15", 406),
    ("bcast", "4475 3.3.10: more than one Via, not for us", NOTHING),
    ("inv2543", "4475 3.4.1: parsed; without a Contact no call of RFC 3261 can be made", 400),
    ("ipv6-good", "5118 4.1", REQUEST),
    ("port-ambiguous", "5118 4.3: the last group is part of the address", REQUEST),
    ("port-unambiguous", "5118 4.4", REQUEST),
    ("via-received-param-with-delim", "5118 4.5: accepted; no such dialog here", 481),
    ("via-received-param-no-delim", "5118 4.5", REQUEST),
    ("ipv6-in-sdp", "5118 4.6", CALL),
    ("mult-ip-in-header", "5118 4.7: accepted; no such dialog here", 481),
    ("mult-ip-in-sdp", "5118 4.8", CALL),
    ("ipv4-mapped-ipv6", "5118 4.9", CALL),
    ("ipv6-bug-abnf-3-colons", "5118 4.10: read as two colons", REQUEST),
    ("ipv6-correct-abnf-2-colons", "5118 4.10", REQUEST),
]

# file, clause, the status answered; None: a response that is dropped.
REJECTED: list[tuple[str, str, int | None]] = [
    ("badinv01", "4475 3.1.2.1", 400),
    ("clerr", "4475 3.1.2.2", 400),
    ("ncl", "4475 3.1.2.3", 400),
    ("scalar02", "4475 3.1.2.4", 400),
    ("scalarlg", "4475 3.1.2.5", None),
    ("quotbal", "4475 3.1.2.6", 400),
    ("ltgtruri", "4475 3.1.2.7", 400),
    ("lwsruri", "4475 3.1.2.8", 400),
    ("lwsstart", "4475 3.1.2.9: 400 taken, a best guess allowed", 400),
    ("trws", "4475 3.1.2.10: 400 taken, leniency allowed", 400),
    ("escruri", "4475 3.1.2.11", 400),
    ("regbadct", "4475 3.1.2.13", 400),
    ("badaspec", "4475 3.1.2.14: 400 taken, leniency allowed", 400),
    ("baddn", "4475 3.1.2.15: 400 taken, leniency allowed", 400),
    ("badvers", "4475 3.1.2.16", 505),
    ("mismatch01", "4475 3.1.2.17", 400),
    ("mismatch02", "4475 3.1.2.18: 400 taken, 501 allowed", 400),
    ("bigcode", "4475 3.1.2.19", None),
    ("badbranch", "4475 3.2.1: 400 taken, the RFC 2543 way allowed", 400),
    ("insuf", "4475 3.3.1", 400),
    ("multi01", "4475 3.3.8", 400),
    ("mcl01", "4475 3.3.9", 400),
    ("ipv6-bad", "5118 4.2", 400),
]

FILES = {path.stem: path for path in DATA.glob("sip-torture*/*.dat")}
SOURCE = Flow("UDP", "198.51.100.7", 5060)
OPTIONS = (
    b"OPTIONS sip:192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKstill-there\r\n"
    b"From: <sip:p@198.51.100.7>;tag=1\r\nTo: <sip:192.0.2.2>\r\nCall-ID: still-there\r\nCSeq: 1 OPTIONS\r\n\r\n"
)


def agent() -> UserAgent:
    return UserAgent(AgentConfig((Flow("UDP", "192.0.2.2", 5060),)))


def test_every_file_has_a_verdict() -> None:
    names = [row[0] for row in (*ACCEPTED, *REJECTED)]
    assert len(names) == len(set(names))
    assert set(names) == set(FILES)


@pytest.mark.parametrize(("name", "clause", "outcome"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(name: str, clause: str, outcome: str | int) -> None:
    message = parse(FILES[name].read_bytes())
    again = parse(message.to_bytes())
    assert list(again.items()) == list(message.items())
    assert again.body == message.body
    ua = agent()
    ua.receive_datagram(FILES[name].read_bytes(), SOURCE, 0.0)
    events = ua.events()
    if isinstance(outcome, int):
        assert lines(sent(ua)) == [outcome]
        assert not events
    else:
        assert sent(ua) == []
        kinds = {CALL: [IncomingCall], REQUEST: [RequestReceived], NOTHING: []}
        assert [type(event) for event in events] == kinds[outcome]


@pytest.mark.parametrize(("name", "clause", "status"), REJECTED, ids=[row[0] for row in REJECTED])
def test_rejected(name: str, clause: str, status: int | None) -> None:
    with pytest.raises(SipParseError):
        parse(FILES[name].read_bytes())
    ua = agent()
    ua.receive_datagram(FILES[name].read_bytes(), SOURCE, 0.0)
    assert ua.events() == []
    datagrams = ua.datagrams()
    if status is None:
        assert datagrams == []
        return
    (answer,) = datagrams
    assert answer[0].startswith(f"SIP/2.0 {status} ".encode())
    assert answer[1] == SOURCE
    assert len(ua.layer) == 0  # answered without state


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_options_is_answered_after_each(name: str) -> None:
    ua = agent()
    ua.receive_datagram(FILES[name].read_bytes(), SOURCE, 0.0)
    ua.events()
    ua.datagrams()
    ua.receive_datagram(OPTIONS, SOURCE, 0.1)
    (event,) = ua.events()
    assert isinstance(event, RequestReceived)
    ua.answer_options(event.transaction, 0.1)
    (response,) = sent(ua)
    assert isinstance(response, Response)
    assert response.status == 200
    assert response.get_all("Allow") == list(DEFAULT_ALLOW)


MUTATIONS = 20
"""Mutants of each file."""
SOAK_MUTATIONS = 3_000
"""Mutants of each file in the soak."""


def mutant(data: bytes, draw: random.Random) -> bytes:
    """The message with one to four pieces cut, doubled, swapped for others or overwritten."""
    out = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(out) + 1)
        piece = bytes(out[at : at + draw.randint(0, 12)])
        new = draw.choice((b"", piece * 2, b"\r\n", b'"', b"<", b";", b"%", b"\0", draw.randbytes(3)))
        out[at : at + len(piece)] = new
    return bytes(out)


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_options_is_answered_after_any_mutant(name: str) -> None:
    mutate(name, random.Random(name), MUTATIONS)


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(FILES))
def test_an_options_is_answered_after_very_many_mutants(name: str) -> None:
    mutate(name, random.Random(f"{name} soak"), SOAK_MUTATIONS)


def mutate(name: str, draw: random.Random, count: int) -> None:
    ua, data = agent(), FILES[name].read_bytes()
    for number in range(count):
        now = float(number)
        ua.receive_datagram(mutant(data, draw), SOURCE, now)
        ua.events()
        ua.datagrams()
        ua.receive_datagram(OPTIONS.replace(b"still-there", f"still-there-{number}".encode()), SOURCE, now)
        (event,) = ua.events()
        assert isinstance(event, RequestReceived)
        ua.answer_options(event.transaction, now)
        assert lines(sent(ua)) == [200]
    due = ua.next_timer()
    while due is not None and due < count + 1000.0:
        ua.handle_timer(due)
        due = ua.next_timer()
    assert len(ua.layer) == 0
    assert not ua.calls


def message(name: str) -> Request:
    parsed = parse(FILES[name].read_bytes())
    assert isinstance(parsed, Request)
    return parsed


def test_a_tortuous_invite_means_what_it_says() -> None:
    """RFC 4475 3.1.1.1."""
    invite = message("wsinv")
    assert invite.from_.display == 'J Rosenberg \\"'
    assert invite.from_.tag == "98asjd8"
    assert invite.to.tag == "1918181833n"
    assert invite.cseq == (9, "INVITE")
    assert invite.max_forwards == 68
    assert [via.branch for via in invite.vias] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert invite.contacts[0].display == 'Quoted string ""'
    assert invite.contacts[0].param("secondparam") == ""
    assert invite.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert invite.get("unknownheaderwithunusualvalue") == ";;,,;;,;"


def test_escapes_and_separators_stay_where_they_were() -> None:
    """RFC 4475 3.1.1.3, 3.1.1.4, 3.1.1.9; RFC 5118 4.3."""
    assert str(message("esc01").uri) == "sip:sips%3Auser%40example.com@example.net"
    assert [str(item.uri) for item in message("escnull").contacts] == [
        "sip:%00@host5.example.com",
        "sip:%00%00@host5.example.com",
    ]
    assert str(message("semiuri").uri) == "sip:user;par=u%40example.net@example.com"
    assert str(message("port-ambiguous").uri) == "sip:[2001:db8::10:5070]"


def test_parameters_belong_to_header_or_uri() -> None:
    """RFC 4475 3.3.12 and 3.3.13."""
    assert message("cparam01").contacts[0].params == (("unknownparam", None),)
    assert message("cparam02").contacts[0].params == ()


def test_descriptions_with_ipv6_parse() -> None:
    """RFC 5118 4.6, 4.8, 4.9."""
    for name in ("ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"):
        session = parse_sdp(message(name).body)
        assert len(session.media) == 2
