"""The user agent's door: what it answers by itself, forks, and requests outside calls (RFC 3261 8, 11, 13.2.2.4)."""

from __future__ import annotations

import pytest

from sip.agent import AgentConfig, UserAgent
from sip.call_caller import EARLY_DIALOGS_MAX
from sip.digest import Authenticator, Credentials, ha1
from sip.events import (
    CallAnswered,
    CallEnded,
    CallProgress,
    Event,
    IncomingCall,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from sip.flow import Flow
from sip.message import Request, Response, make_response
from sip.transaction_server import ServerTransaction
from tests.sip.pair import ALICE, BOB, Pair, established
from tests.sip.wire import PEER, SDP, address_of, invite_text, lines, only, request_text, response_of, sent


def agent_of(**options: object) -> UserAgent:
    return UserAgent(AgentConfig((Flow("UDP", "192.0.2.2", 5060),), **options))  # type: ignore[arg-type]


def answer_to(agent: UserAgent, data: bytes) -> Response:
    """The one response that the agent gives by itself."""
    agent.receive_datagram(data, PEER, 0.0)
    assert agent.events() == []
    message = only(sent(agent))
    assert isinstance(message, Response)
    return message


class TestInspection:
    """8.2: in this order."""

    @pytest.mark.parametrize(
        ("method", "status"), [("PUBLISH", 405), ("SUBSCRIBE", 405), ("MESSAGE", 405), ("BREW", 501)]
    )
    def test_methods(self, method: str, status: int) -> None:
        response = answer_to(agent_of(), request_text(method))
        assert response.status == status
        assert "INVITE" in response.get_all("Allow")

    def test_schemes(self) -> None:
        data = request_text().replace(b"sip:bob@192.0.2.2 SIP", b"http://192.0.2.2 SIP")
        assert answer_to(agent_of(), data).status == 416

    def test_extensions(self) -> None:
        response = answer_to(agent_of(), invite_text(extra="Require: 100rel, timer\r\nRequire: x\r\n"))
        assert response.status == 420
        assert response.get_all("Unsupported") == ["100rel", "timer", "x"]
        agent = agent_of(supported=("timer",))
        agent.receive_datagram(invite_text(extra="Require: timer\r\n"), PEER, 0.0)
        assert sent(agent) == []

    @pytest.mark.parametrize(
        ("extra", "status", "header"),
        [
            ("Content-Type: text/plain\r\n", 415, "Accept"),
            ("Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", 415, "Accept-Encoding"),
            ("Content-Type: application/sdp\r\nAccept: text/html\r\n", 406, None),
        ],
    )
    def test_content(self, extra: str, status: int, header: str | None) -> None:
        response = answer_to(agent_of(), invite_text(extra=extra, body=SDP))
        assert response.status == status
        if header is not None:
            assert response.get(header)

    def test_an_optional_body_is_passed_over(self) -> None:
        """20.11."""
        agent = agent_of()
        extra = "Content-Type: text/plain\r\nContent-Disposition: icon;handling=optional\r\n"
        agent.receive_datagram(invite_text(extra=extra, body=b"x"), PEER, 0.0)
        assert sent(agent) == []

    def test_no_contact_is_400(self) -> None:
        assert answer_to(agent_of(), request_text("INVITE")).status == 400

    @pytest.mark.parametrize("method", ["BYE", "INFO", "INVITE"])
    def test_no_such_dialog_is_481(self, method: str) -> None:
        data = request_text(method, to_tag="nobody", extra="Contact: <sip:a@192.0.2.1>\r\n")
        assert answer_to(agent_of(), data).status == 481

    def test_a_stray_ack_is_dropped(self) -> None:
        agent = agent_of()
        agent.receive_datagram(request_text("ACK", to_tag="nobody"), PEER, 0.0)
        assert (sent(agent), agent.events()) == ([], [])


def test_register_and_options_reach_the_user() -> None:
    agent = agent_of(user_agent="ascs")
    for number, method in enumerate(("REGISTER", "OPTIONS")):
        agent.receive_datagram(request_text(method, branch=f"z9hG4bK{number}", call_id=method), PEER, 0.0)
        event = only(agent.events())
        assert isinstance(event, RequestReceived)
        agent.respond(event.transaction, 200, now=0.0, headers=[("X-Y", "1")])
        response = only(sent(agent))
        assert (response.get("X-Y"), response.get("Server")) == ("1", "ascs")
        assert response.to.tag == event.transaction.local_tag


def test_options_are_answered_with_what_the_agent_can_do() -> None:
    """11.2."""
    agent = agent_of(supported=("timer",))
    agent.receive_datagram(request_text(), PEER, 0.0)
    event = only(agent.events())
    assert isinstance(event, RequestReceived)
    agent.answer_options(event.transaction, 0.0)
    response = only(sent(agent))
    assert response.get_all("Supported") == ["timer"]
    assert response.get("Accept") == "application/sdp"


class TestChallenge:
    """8.2.7, 22.1: an INVITE that shows no password is asked for one, and nothing is kept of it."""

    @staticmethod
    def agent() -> UserAgent:
        agent = agent_of()
        challenge: list[tuple[str, object]] = [("WWW-Authenticate", 'Digest realm="r", nonce="n"')]
        agent.challenge = lambda request, _flow, _now: None if request.get("Authorization") else challenge
        return agent

    def test_it_is_401_and_nothing_stays(self) -> None:
        agent = self.agent()
        response = answer_to(agent, invite_text())
        assert (response.status, response.get("WWW-Authenticate")) == (401, 'Digest realm="r", nonce="n"')
        assert (len(agent.layer), agent.calls, agent.next_timer()) == (0, {}, None)
        assert agent.layer.counters["challenged"] == 1

    def test_the_same_request_again_gets_the_same_tag(self) -> None:
        agent = self.agent()
        first, again = answer_to(agent, invite_text()), answer_to(agent, invite_text())
        assert first.to.tag == again.to.tag
        other = answer_to(agent, invite_text(branch="z9hG4bKother"))
        assert other.to.tag != first.to.tag

    def test_its_ack_and_its_cancel_find_nothing(self) -> None:
        agent = self.agent()
        tag = answer_to(agent, invite_text()).to.tag
        agent.receive_datagram(request_text("ACK", to_tag=tag), PEER, 0.0)
        assert sent(agent) == []
        assert agent.events() == []
        assert answer_to(agent, request_text("CANCEL")).status == 481

    def test_with_credentials_it_is_a_call(self) -> None:
        agent = self.agent()
        agent.receive_datagram(invite_text(extra='Authorization: Digest username="a"\r\n'), PEER, 0.0)
        assert len(agent.calls) == 1

    def test_what_makes_no_dialog_is_400_before_it(self) -> None:
        data = invite_text().replace(b"Contact: ", b"X-Contact: ")
        assert answer_to(self.agent(), data).status == 400


class TestForking:
    """13.2.2.4."""

    @staticmethod
    def dial(agent: UserAgent) -> Request:
        alice = address_of("alice", "192.0.2.1")
        agent.invite(alice.uri, to=alice, from_=address_of("bob", "192.0.2.2"), flow=PEER, now=0.0, body=SDP)
        invite = only(sent(agent))
        assert isinstance(invite, Request)
        return invite

    @staticmethod
    def branch(agent: UserAgent, invite: Request, status: int, tag: str, host: str) -> None:
        headers = [("Contact", f"<sip:alice@{host}>")]
        response = make_response(invite, status, to_tag=tag, headers=headers)
        agent.receive(response_of(response.to_bytes()), PEER, 0.1)

    def test_each_branch_has_its_early_dialog_and_one_answer_wins(self) -> None:
        agent = agent_of()
        invite = self.dial(agent)
        self.branch(agent, invite, 180, "one", "192.0.2.11")
        self.branch(agent, invite, 180, "two", "192.0.2.12")
        call = next(iter(agent.calls))
        assert list(call.early_dialogs) == ["one", "two"]
        self.branch(agent, invite, 200, "two", "192.0.2.12")
        answered = [event for event in agent.events() if isinstance(event, CallAnswered)]
        assert len(answered) == 1
        assert [(line, flow.host) for line, flow in wire(agent)] == [("ACK", "192.0.2.12")]
        assert list(agent._dialogs) == [(call.call_id, call.request.from_.tag, "two")]
        self.branch(agent, invite, 200, "one", "192.0.2.11")
        assert agent.events() == []
        assert [(line, flow.host) for line, flow in wire(agent)] == [
            ("ACK", "192.0.2.11"),
            ("BYE", "192.0.2.11"),
        ]
        self.branch(agent, invite, 200, "two", "192.0.2.12")
        assert [(line, flow.host) for line, flow in wire(agent)] == [("ACK", "192.0.2.12")]

    def test_early_dialogs_are_bounded(self) -> None:
        agent = agent_of()
        invite = self.dial(agent)
        for number in range(EARLY_DIALOGS_MAX + 1):
            self.branch(agent, invite, 180, f"t{number}", "192.0.2.11")
        progress = [event for event in agent.events() if isinstance(event, CallProgress)]
        assert [event.dialog is not None for event in progress] == [True] * EARLY_DIALOGS_MAX + [False]
        assert len(agent._dialogs) == EARLY_DIALOGS_MAX

    def test_an_answer_without_contact_is_no_call(self) -> None:
        agent = agent_of()
        invite = self.dial(agent)
        agent.receive(response_of(make_response(invite, 200, to_tag="x").to_bytes()), PEER, 0.1)
        assert [type(event).__name__ for event in agent.events()] == ["CallFailed"]
        assert not agent.calls


def wire(agent: UserAgent) -> list[tuple[str, Flow]]:
    return [(data.split(b" ", 1)[0].decode(), flow) for data, flow in agent.datagrams()]


def send_register(agent: UserAgent, credentials: Credentials | None = None) -> Request:
    aor = address_of("ent-a", "192.0.2.1")
    agent.send_request(
        "REGISTER", aor.uri, to=aor, from_=aor, flow=PEER, now=0.0, credentials=credentials, context="mine"
    )
    request = only(sent(agent))
    assert isinstance(request, Request)
    return request


class TestRequestsOutsideCalls:
    def test_a_final_response_is_told_once(self) -> None:
        agent = agent_of()
        request = send_register(agent)
        for status in (100, 200, 200):
            agent.receive(response_of(make_response(request, status).to_bytes()), PEER, 0.1)
        event = only(agent.events())
        assert isinstance(event, ResponseReceived)
        assert (event.response.status, event.transaction.context, event.call) == (200, "mine", None)

    def test_a_challenge_is_answered_on_a_transaction_of_its_own(self) -> None:
        """22.2."""
        server = Authenticator("r", b"k" * 32, lambda user, algorithm: ha1(user, "r", "pw", algorithm))
        agent = agent_of()
        first = send_register(agent, Credentials("ent-a", "pw"))
        headers = [("WWW-Authenticate", value) for value in server.challenges(0.0)]
        agent.receive(response_of(make_response(first, 401, headers=headers).to_bytes()), PEER, 0.1)
        assert agent.events() == []
        second = only(sent(agent))
        assert isinstance(second, Request)
        assert second.cseq.number == first.cseq.number + 1
        assert second.top_via.branch != first.top_via.branch
        values = second.get_all("Authorization")
        assert server.verify(values, "REGISTER", str(second.uri), 0.2).ok
        agent.receive(response_of(make_response(second, 401, headers=headers).to_bytes()), PEER, 0.3)
        event = only(agent.events())
        assert isinstance(event, ResponseReceived)
        assert (event.response.status, event.transaction.context) == (401, "mine")

    def test_no_answer_is_told(self) -> None:
        agent = agent_of()
        send_register(agent)
        for _ in range(20):
            due = agent.next_timer()
            if due is not None:
                agent.handle_timer(due)
        event = only(agent.events())
        assert isinstance(event, RequestFailed)
        assert event.cause == "timeout"


def test_the_user_agents_headers() -> None:
    agent = agent_of(user_agent="ascs", user="pbx")
    agent.set_addresses((Flow("TCP", "192.0.2.2", 5060),))
    alice = address_of("alice", "192.0.2.1")
    call = agent.invite(
        alice.uri, to=alice, from_=alice, flow=PEER, now=0.0, headers=[("Max-Forwards", "20"), ("X-Y", "1")]
    )
    request = call.request
    assert request.max_forwards == 20
    assert request.get_all("Max-Forwards") == ["20"]
    assert (request.get("User-Agent"), request.get("X-Y")) == ("ascs", "1")
    assert request.get("Contact") == "<sip:pbx@192.0.2.2:5060;transport=tcp>"
    assert request.from_.tag


def test_closing_ends_all_calls() -> None:
    agent = agent_of()
    agent.receive_datagram(invite_text(), PEER, 0.0)
    agent.events()
    TestForking.dial(agent)
    agent.close(0.1)
    assert lines(sent(agent)) == [480]  # the other INVITE waits for a provisional response before its CANCEL
    assert agent.events() == []


def test_a_shell_hears_of_events_and_timers() -> None:
    agent, calls = agent_of(), list[int]()
    agent.on_output = lambda: calls.append(1)
    agent.receive_datagram(request_text(), PEER, 0.0)
    assert calls
    assert agent.has_output


class TestLoops:
    """RFC 5393 4.2."""

    @staticmethod
    def sent_on(agent: UserAgent, uri: str | None = None) -> bytes:
        """An INVITE of ours as a proxy of the peer sends it back to us."""
        bob = address_of("bob", "192.0.2.1")
        agent.invite(bob.uri, to=bob, from_=address_of("us", "192.0.2.2"), flow=PEER, now=0.0, body=SDP)
        request = only(sent(agent))
        assert isinstance(request, Request)
        request.prepend("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKproxy")
        data = request.to_bytes()
        return data if uri is None else data.replace(b"INVITE sip:bob@192.0.2.1 ", f"INVITE {uri} ".encode())

    def test_a_request_of_ours_that_comes_round_is_482(self) -> None:
        agent = agent_of()
        assert answer_to(agent, self.sent_on(agent)).status == 482
        assert len(agent.calls) == 1

    def test_one_that_was_routed_elsewhere_is_a_spiral_and_goes_on(self) -> None:
        agent = agent_of()
        agent.receive_datagram(self.sent_on(agent, "sip:carol@192.0.2.2"), PEER, 0.0)
        assert isinstance(only(agent.events()), IncomingCall)

    def test_max_breadth_is_borne(self) -> None:
        agent = agent_of()
        agent.receive_datagram(invite_text(extra="Max-Breadth: 60\r\n"), PEER, 0.0)
        assert isinstance(only(agent.events()), IncomingCall)


@pytest.mark.parametrize("method", ["BYE", "PRACK", "UPDATE"])
def test_what_belongs_into_a_dialog_is_481_outside(method: str) -> None:
    """15.1.2, RFC 3262 3, RFC 3311 5.2."""
    assert answer_to(agent_of(), request_text(method)).status == 481


def test_reliable_responses_of_two_branches_are_acknowledged_each_in_its_own_order() -> None:
    """RFC 3262 4: RSeq is counted in each early dialog; the 2xx of a second branch gets ACK and BYE."""
    agent = agent_of(reliable_provisional="supported")
    bob = address_of("bob", "192.0.2.1")
    agent.invite(bob.uri, to=bob, from_=address_of("us", "192.0.2.2"), flow=PEER, now=0.0, body=SDP)
    request = only(sent(agent))
    assert isinstance(request, Request)

    def response(status: int, tag: str, rseq: int | None = None) -> Response:
        headers: list[tuple[str, object]] = [("Contact", f"<sip:{tag}@192.0.2.1>")]
        if rseq is not None:
            headers += [("Require", "100rel"), ("RSeq", rseq)]
        return make_response(request, status, to_tag=tag, headers=headers, body=SDP)

    for tag, rseq in (("one", 7), ("two", 1), ("one", 9), ("two", 2), ("one", 7), ("one", 8)):
        agent.receive(response(183, tag, rseq), PEER, 0.1)
    racks = [(item.to.tag, item.get("RAck")) for item in sent(agent) if isinstance(item, Request)]
    assert racks == [
        ("one", "7 1 INVITE"),
        ("two", "1 1 INVITE"),
        ("two", "2 1 INVITE"),
        ("one", "8 1 INVITE"),
    ]
    assert len([event for event in agent.events() if isinstance(event, CallProgress)]) == 4
    agent.receive(response(200, "one"), PEER, 0.2)
    agent.receive(response(200, "two"), PEER, 0.3)
    assert [(line.method, line.to.tag) for line in sent(agent) if isinstance(line, Request)] == [
        ("ACK", "one"),
        ("ACK", "two"),
        ("BYE", "two"),
    ]


MULTIPART = (
    b"--cut\r\nContent-Type: application/sdp\r\n\r\n%s\r\n"
    b"--cut\r\nContent-Type: application/ISUP\r\n%s\r\n\1\r\n--cut--"
)
OPTIONAL = b"Content-Disposition: signal;handling=optional\r\n"


def test_of_a_multipart_body_the_user_sees_the_description() -> None:
    """RFC 5621; an ISUP part that must be understood is 415."""
    agent = agent_of()
    extra = "Content-Type: multipart/mixed;boundary=cut\r\n"
    agent.receive_datagram(invite_text(extra=extra, body=MULTIPART % (SDP, OPTIONAL)), PEER, 0.0)
    event = only(agent.events())
    assert isinstance(event, IncomingCall)
    assert event.request.body == SDP
    refused = answer_to(agent_of(), invite_text(extra=extra, body=MULTIPART % (SDP, b"")))
    assert refused.status == 415


def test_a_body_of_a_response_that_is_no_description_is_none() -> None:
    pair = Pair()

    def rings(event: Event, now: float) -> None:
        assert isinstance(event, IncomingCall)
        assert isinstance(event.call.invite, ServerTransaction)
        for kind, body in (
            ("application/ISUP", b"\1"),
            ("multipart/mixed;boundary=cut", MULTIPART % (SDP, OPTIONAL)),
        ):
            pair.bob.respond(event.call.invite, 183, now=now, headers=[], body=body, content_type=kind)

    pair.on(BOB, IncomingCall, rings)
    pair.dial()
    assert [event.response.body for event in pair.all(ALICE, CallProgress)] == [b"", SDP]


@pytest.mark.parametrize(
    ("reliability", "supported", "require"), [("no", False, False), ("required", True, True)]
)
def test_a_call_may_want_another_reliability_than_the_agent(
    reliability: str, supported: bool, require: bool
) -> None:
    agent = agent_of(reliable_provisional="supported")
    bob = address_of("bob", "192.0.2.1")
    agent.invite(bob.uri, to=bob, from_=bob, flow=PEER, now=0.0, reliability=reliability)
    (invite,) = sent(agent)
    assert ("100rel" in invite.supported) == supported
    assert ("100rel" in invite.require) == require


class TestStrays:
    """A 2xx to an INVITE of an earlier run (13.2.2.4)."""

    def test_it_is_acknowledged_and_ended_once(self) -> None:
        pair = Pair()
        pair.bob_answers()
        bob = address_of("bob", BOB)
        first = pair.network.agents.pop((ALICE, 5060))  # its run ends before the answer comes
        first.invite(
            bob.uri, to=bob, from_=address_of("alice", ALICE), flow=Flow("UDP", BOB, 5060), now=0.0, body=SDP
        )
        pair.bob.receive_datagram(first.datagrams()[0][0], Flow("UDP", ALICE, 5060), 0.0)
        config = AgentConfig((Flow("UDP", ALICE, 5060),), releases_strays=True)
        again = pair.network.add(ALICE, pair._handler(ALICE), config)
        pair.run(40.0)
        assert [event.cause for event in pair.all(BOB, CallEnded)] == ["bye"]
        assert pair.messages(ALICE).count("BYE") == 1
        assert again.layer.counters["strays_released"] == 1
        assert not pair.bob.calls

    def test_who_does_not_want_to_answers_nothing(self) -> None:
        agent = agent_of()
        agent.receive_datagram(answer_text("192.0.2.2"), PEER, 0.0)
        assert sent(agent) == []

    @pytest.mark.parametrize("via", ["192.0.2.9", "192.0.2.2:5070"])
    def test_anothers_answer_is_nobodys(self, via: str) -> None:
        agent = agent_of(releases_strays=True)
        agent.receive_datagram(answer_text(via), PEER, 0.0)
        assert sent(agent) == []

    def test_all_goes_back_to_where_it_came_from(self) -> None:
        agent = agent_of(releases_strays=True)
        agent.receive_datagram(answer_text("192.0.2.2"), PEER, 0.0)
        datagrams = agent.datagrams()
        assert [flow for _, flow in datagrams] == [PEER, PEER]
        assert [data.split(b" ")[0] for data, _ in datagrams] == [b"ACK", b"BYE"]
        agent.receive_datagram(answer_text("192.0.2.2"), PEER, 0.1)
        assert lines(sent(agent)) == ["ACK"]

    def test_of_a_call_that_is_up_the_ack_goes_again(self) -> None:
        pair, call = established(alice={"releases_strays": True})
        pair.run(40.0)  # the INVITE's transaction is over
        before = pair.messages(ALICE).count("ACK")
        answer = pair.wire(BOB, 200)[0]
        pair.alice.receive_datagram(answer.to_bytes(), Flow("UDP", BOB, 5060), pair.now)
        pair.run(1.0)
        assert pair.messages(ALICE).count("ACK") == before + 1
        assert call in pair.alice.calls


def answer_text(via: str) -> bytes:
    """A 200 to an INVITE that came from `via`."""
    return (
        f"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {via};branch=z9hG4bKearlier\r\n"
        "From: <sip:us@192.0.2.2>;tag=us\r\nTo: <sip:them@192.0.2.1>;tag=them\r\nCall-ID: earlier\r\n"
        "CSeq: 7 INVITE\r\nContact: <sip:victim@203.0.113.1>\r\nContent-Length: 0\r\n\r\n"
    ).encode()
