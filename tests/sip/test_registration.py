"""The client side of registration: RFC 3261 10.2."""

from __future__ import annotations

import pytest

from sip.agent import AgentConfig, UserAgent
from sip.digest import Credentials
from sip.events import RequestReceived
from sip.flow import Flow
from sip.message import HeaderItems, Request, make_response
from sip.registration import RETRY_AFTER, Registration, RegistrationState
from sip.uri import SipUri
from tests.sip.wire import PEER, address_of, invite_text, only, response_of, sent


class Phone:
    def __init__(self, credentials: Credentials | None = None) -> None:
        self.agent = UserAgent(AgentConfig((Flow("UDP", "192.0.2.2", 5060),)))
        self.registration = Registration(
            self.agent,
            registrar=SipUri(None, "192.0.2.1"),
            aor=address_of("ent-a", "192.0.2.1"),
            flow=PEER,
            credentials=credentials,
            contact_user="line",
        )
        self.registration.start(0.0)
        self.request = self.sent()

    def sent(self) -> Request:
        request = only(sent(self.agent))
        assert isinstance(request, Request)
        return request

    def answer(self, status: int, now: float, headers: HeaderItems = ()) -> None:
        response = make_response(self.request, status, headers=headers)
        self.agent.receive(response_of(response.to_bytes()), PEER, now)
        for event in self.agent.events():
            assert self.registration.handle(event, now)

    def until_next(self) -> float:
        """Let time pass to the next REGISTER."""
        while (due := self.agent.next_timer()) is not None:
            self.agent.handle_timer(due)
            for event in self.agent.events():
                self.registration.handle(event, due)
            if messages := sent(self.agent):
                assert isinstance(messages[0], Request)
                self.request = messages[0]
                return due
        raise AssertionError("nothing more is sent")

    @property
    def state(self) -> RegistrationState:
        return self.registration.state


GRANTED = [("Contact", "<sip:line@192.0.2.2:5060>;expires=100")]


def test_a_registration_is_refreshed_before_it_ends() -> None:
    phone = Phone()
    first = phone.request
    assert first.get("Contact") == "<sip:line@192.0.2.2:5060>"
    assert first.expires == 600
    phone.answer(200, 0.1, GRANTED)
    assert phone.state is RegistrationState.REGISTERED
    assert phone.until_next() == pytest.approx(80.1)
    assert (phone.request.call_id, phone.request.cseq.number) == (first.call_id, 2)


def test_stopping_unregisters() -> None:
    phone = Phone()
    phone.answer(200, 0.1, GRANTED)
    phone.registration.stop(1.0)
    phone.request = phone.sent()
    assert phone.request.expires == 0
    phone.answer(200, 1.1)
    assert phone.state is RegistrationState.STOPPED


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final(status: int) -> None:
    phone = Phone()
    phone.answer(status, 0.1)
    assert phone.state is RegistrationState.REFUSED
    assert phone.registration.status == status


def test_a_challenge_is_answered_and_counts_go_on() -> None:
    phone = Phone(Credentials("ent-a", "pw"))
    phone.answer(
        401, 0.1, [("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"')]
    )
    phone.request = phone.sent()
    assert phone.request.cseq.number == 2
    phone.answer(200, 0.2, GRANTED)
    phone.until_next()
    assert phone.request.cseq.number == 3


def test_too_brief_is_asked_for_again() -> None:
    """10.2.8."""
    phone = Phone()
    phone.answer(423, 0.1, [("Min-Expires", "1800")])
    phone.request = phone.sent()
    assert phone.request.expires == 1800
    phone.answer(423, 0.2, [("Min-Expires", "1800")])
    assert phone.state is RegistrationState.REFUSED


def test_a_busy_registrar_is_tried_later_and_later() -> None:
    phone = Phone()
    phone.answer(503, 1.0)
    assert phone.state is RegistrationState.WAITING
    assert phone.until_next() == pytest.approx(1.0 + RETRY_AFTER)
    phone.answer(503, 10.0)
    assert phone.until_next() == pytest.approx(10.0 + 2 * RETRY_AFTER)


def test_no_answer_is_tried_again() -> None:
    phone = Phone()
    for _ in range(10):
        phone.until_next()  # retransmissions
    assert phone.until_next() == pytest.approx(32.0 + RETRY_AFTER)
    assert phone.request.cseq.number == 2


def test_other_events_are_not_its_own() -> None:
    phone = Phone()
    phone.agent.receive_datagram(invite_text(), PEER, 0.0)
    (event,) = phone.agent.events()
    assert not isinstance(event, RequestReceived)
    assert not phone.registration.handle(event, 0.0)
