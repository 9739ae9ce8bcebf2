"""One SMSC's binds: kept up, ended when they are of no use, and made as that SMSC wants them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.sms.smsc_errors import ErrorFile, SmscErrors
from gateway.sms.smsc_link import INBOUND_WINDOW_LEAST, SILENT_AFTER, session_config
from smpp.aio.connection import Connection, RequestFailed
from smpp.codec import EncodeError
from smpp.constants import CommandStatus
from smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    DeliverSm,
    DeliverSmResp,
    Pdu,
)
from smpp.session import SessionConfig
from tests.gateway.carrier import until
from tests.gateway.sms.smscs import Carrier, Smsc, settings


@pytest.fixture
async def smsc() -> AsyncIterator[Smsc]:
    async with Smsc() as made:
        yield made


def kinds(smsc: Smsc) -> list[type]:
    return sorted((type(each.bind) for each in smsc.here), key=lambda kind: kind.__name__)


def test_timers_and_windows_are_those_of_the_settings() -> None:
    made = settings(
        "a",
        1,
        window=7,
        enquire_link_s=11.0,
        response_s=5.0,
        connect_s=3.0,
        backoff_min_s=1.0,
        backoff_max_s=8.0,
    )
    assert session_config(made) == SessionConfig(
        session_init_s=3.0,
        enquire_link_s=11.0,
        response_s=5.0,
        outbound_window=7,
        inbound_window=INBOUND_WINDOW_LEAST,
        in_bulk=True,
    )
    link = Carrier(made).links.peers[0].binds[0].link
    assert link is not None
    config = link.config
    assert (config.connect_timeout_s, config.backoff_min_s, config.backoff_max_s) == (3.0, 1.0, 8.0)


class TestBinds:
    async def test_one_transceiver_is_the_rule(self, smsc: Smsc) -> None:
        async with Carrier(settings("a", smsc.port, system_type="VMA")) as carrier:
            await carrier.bound()
            [connection] = smsc.here
            assert isinstance(connection.bind, BindTransceiver)
            assert (connection.bind.system_id, connection.bind.system_type) == (b"gateway", b"VMA")
            assert carrier.links.peers[0].state == "bound"

    async def test_several_share_the_messages(self, smsc: Smsc) -> None:
        smsc.silent = True
        async with Carrier(settings("a", smsc.port, binds=3, window=2)) as carrier:
            await carrier.bound()
            assert [carrier.send() for _ in range(7)] == [True] * 6 + [False]
            await until(lambda: len(smsc.requests) == 6)
            assert [connection.unanswered for connection in smsc.here] == [2, 2, 2]

    async def test_the_loss_of_one_of_several_leaves_the_others(self, smsc: Smsc) -> None:
        async with Carrier(
            settings("a", smsc.port, binds=2, backoff_min_s=1.0, backoff_max_s=1.0)
        ) as carrier:
            await carrier.bound()
            smsc.here[0].abort("cut")
            await carrier.bound(1)
            link = carrier.links.peers[0]
            assert (link.state, link.can_send) == ("partly bound", True)
            assert carrier.send()
            await carrier.answered(1)

    async def test_a_pair_sends_on_one_and_receives_on_the_other(self, smsc: Smsc) -> None:
        async with Carrier(settings("a", smsc.port, bind="pair")) as carrier:
            await carrier.bound()
            assert kinds(smsc) == [BindReceiver, BindTransmitter]
            assert all(carrier.send() for _ in range(5))
            await carrier.answered(5)
            [receiver] = [each for each in smsc.here if isinstance(each.bind, BindReceiver)]
            told: list[Any] = []
            receiver.request(DeliverSm(), told.append)
            await until(lambda: bool(carrier.requests))
            name, connection, pdu = carrier.requests[0]
            connection.respond(pdu.sequence_number, DeliverSmResp())
            await until(lambda: bool(told))
            assert name == "a"

    async def test_a_receiver_alone_sends_nothing(self, smsc: Smsc) -> None:
        async with Carrier(
            settings("a", smsc.port, bind="pair", backoff_min_s=1.0, backoff_max_s=1.0)
        ) as carrier:
            await carrier.bound()
            [transmitter] = [each for each in smsc.here if isinstance(each.bind, BindTransmitter)]
            transmitter.abort("cut")
            await carrier.bound(1)
            link = carrier.links.peers[0]
            assert (link.can_send, link.state) == (False, "partly bound")
            assert not carrier.send()

    async def test_before_and_after_it_says_so(self, smsc: Smsc) -> None:
        carrier = Carrier(settings("a", smsc.port))
        link = carrier.links.peers[0]
        assert link.state == "stopped"
        async with carrier:
            await carrier.bound()
        assert (link.state, link.bound, link.unanswered) == ("stopped", 0, 0)

    async def test_an_smsc_that_unbinds_gets_nothing_more(self, smsc: Smsc) -> None:
        async with Carrier(settings("a", smsc.port, backoff_min_s=1.0, backoff_max_s=1.0)) as carrier:
            await carrier.bound()
            before = len(smsc.requests)
            await smsc.here[0].close(1.0)
            await carrier.bound(0)
            assert not carrier.send()
            assert len(smsc.requests) == before


class TestASuspectBind:
    async def test_a_window_full_of_unanswered_requests_is_bound_anew(self, smsc: Smsc) -> None:
        smsc.silent = True
        async with Carrier(settings("a", smsc.port, window=3, response_s=0.05)) as carrier:
            await carrier.bound()
            assert [carrier.send() for _ in range(4)] == [True] * 3 + [False]
            await carrier.answered(3)
            assert [
                answer.reason for _, _, answer in carrier.answers if isinstance(answer, RequestFailed)
            ] == ["timeout"] * 3
            await until(lambda: len(smsc.bound) == 2)
            await carrier.bound()
            link = carrier.links.peers[0]
            assert link.counts.silent == 1
            smsc.silent = False
            assert carrier.send()
            await carrier.answered(4)

    async def test_so_is_one_that_answers_nothing_for_long_although_its_window_is_not_full(
        self, smsc: Smsc
    ) -> None:
        smsc.silent = True
        async with Carrier(settings("a", smsc.port, window=200, response_s=0.05)) as carrier:
            await carrier.bound()
            for _ in range(SILENT_AFTER + 1):
                carrier.send()
            await carrier.answered(SILENT_AFTER + 1)
            await until(lambda: len(smsc.bound) == 2)

    async def test_one_lost_answer_is_none(self, smsc: Smsc) -> None:
        async with Carrier(settings("a", smsc.port, window=4, response_s=0.05)) as carrier:
            await carrier.bound()
            smsc.silent = True
            carrier.send()
            await until(lambda: len(smsc.requests) == 1)
            smsc.silent = False
            await carrier.answered(1)
            carrier.send()
            await carrier.answered(2)
            link = carrier.links.peers[0]
            assert (len(smsc.bound), link.counts.silent, link.binds[0].silent) == (1, 0, 0)


class TestAFaultyLink:
    async def test_it_is_bound_anew_and_the_message_is_told(self, smsc: Smsc) -> None:
        smsc.status = CommandStatus.ESME_RINVBNDSTS
        async with Carrier(settings("a", smsc.port)) as carrier:
            await carrier.bound()
            carrier.send()
            await carrier.answered(1)
            assert not carrier.links.peers[0].can_send
            await until(lambda: len(smsc.bound) == 2)
            assert carrier.links.peers[0].counts.faulty == 1

    async def test_meanwhile_another_takes_over(self, smsc: Smsc) -> None:
        smsc.status = CommandStatus.ESME_RINVSYSID
        async with (
            Smsc() as other,
            Carrier(
                settings("a", smsc.port, backoff_min_s=1.0, backoff_max_s=1.0),
                settings("spare", other.port, priority=2),
            ) as carrier,
        ):
            await carrier.bound()
            carrier.send()
            await carrier.answered(1)
            assert carrier.send()
            await carrier.answered(2)
            assert carrier.by_link() == ["a", "spare"]

    async def test_many_such_answers_end_one_bind_once(self, smsc: Smsc) -> None:
        smsc.status = CommandStatus.ESME_RINVBNDSTS
        async with Carrier(settings("a", smsc.port)) as carrier:
            await carrier.bound()
            for _ in range(20):
                carrier.send()
            await carrier.answered(20)
            assert carrier.links.peers[0].counts.faulty == 1

    async def test_each_time_it_waits_longer_until_a_message_is_taken(self, smsc: Smsc) -> None:
        async with Carrier(settings("a", smsc.port)) as carrier:
            [bind] = carrier.links.peers[0].binds
            for times in (1, 2, 3):
                await carrier.bound()
                smsc.status = CommandStatus.ESME_RINVBNDSTS
                carrier.send()
                await carrier.answered(times)
                assert bind.link is not None
                assert (bind.faults, bind.link.failures) == (times, times)
            await carrier.bound()
            smsc.status = 0
            carrier.send()
            await carrier.answered(4)
            assert bind.faults == 0

    async def test_the_operators_table_says_what_is_a_fault(self, smsc: Smsc) -> None:
        rule = {"code": 0x499, "action": "link", "reason": "as its manual says"}
        table = SmscErrors(ErrorFile.model_validate({"smsc": {"a": {"status": [rule]}}}))
        smsc.status = 0x499
        async with Carrier(settings("a", smsc.port), errors=table) as carrier:
            await carrier.bound()
            carrier.send()
            await carrier.answered(1)
            assert carrier.links.peers[0].counts.faulty == 1


async def test_an_answer_that_cannot_be_handled_costs_no_other_its_own(
    smsc: Smsc, caplog: pytest.LogCaptureFixture
) -> None:
    async with Carrier(settings("a", smsc.port)) as carrier:
        await carrier.bound()
        carrier.send()
        heard = carrier.answers
        carrier.answers = None  # type: ignore[assignment]
        with caplog.at_level(logging.ERROR):
            await until(lambda: any(each.levelno >= logging.ERROR for each in caplog.records))
        carrier.answers = heard
        carrier.send()
        await carrier.answered(1)
        assert carrier.links.peers[0].bound == 1


async def test_a_request_that_cannot_be_handled_ends_the_bind_and_costs_no_answer(
    smsc: Smsc, caplog: pytest.LogCaptureFixture
) -> None:
    async with Carrier(settings("a", smsc.port)) as carrier:
        await carrier.bound()
        smsc.silent = True
        carrier.send()
        await until(lambda: bool(smsc.requests))
        heard, carrier.requests = carrier.requests, None  # type: ignore[assignment]
        # In one write, so that they are read together.
        smsc.bound[0].request(DeliverSm())
        smsc.answer(smsc.bound[0], smsc.requests[0])
        await carrier.answered(1)
        assert isinstance(carrier.answers[0][2], Pdu)
        carrier.requests = heard
        await until(lambda: len(smsc.bound) == 2)
        assert "requests of a not handled" in caplog.text


async def test_an_alert_is_passed_over(smsc: Smsc) -> None:
    """alert_notification has no response (3.4, 4.12); none was asked for."""
    async with Carrier(settings("a", smsc.port)) as carrier:
        await carrier.bound()
        smsc.bound[0].request(AlertNotification())
        smsc.bound[0].request(DeliverSm())
        await until(lambda: bool(carrier.requests))
        assert [type(pdu.body) for _, _, pdu in carrier.requests] == [DeliverSm]


async def test_a_message_that_this_smsc_cannot_be_told_is_refused_for_it(
    smsc: Smsc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """message_payload, and an SMSC of 3.3: it must not stand in the way of the others."""

    def request_messages(self: Connection, messages: Any) -> int:
        raise EncodeError("message_payload to a peer of version 3.3")

    async with Carrier(settings("smsc", smsc.port)) as carrier:
        await carrier.bound()
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "request_messages", request_messages)
            assert carrier.send()
            assert carrier.answers == [], "told when the caller knows that it was taken"
            await carrier.answered(1)
        [(name, context, answer)] = carrier.answers
        assert (name, context) == ("smsc", 0)
        assert isinstance(answer, Pdu)
        assert answer.command_status == CommandStatus.ESME_RINVMSGLEN
        assert carrier.send()
        await carrier.answered(2)
