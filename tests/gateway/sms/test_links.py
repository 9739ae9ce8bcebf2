"""Messages go over whichever SMSC's link has its turn, room and pace, in the number form that it wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.records import metrics
from gateway.sms.links import SmscLinks
from smpp.aio.connection import RequestFailed
from smpp.constants import CommandStatus
from smpp.pdu import CancelSm, DeliverSm, DeliverSmResp, Pdu, QuerySm, QuerySmResp, ReplaceSm, SubmitSmResp
from tests.gateway.carrier import MSISDN, NUMBER, submit_frame, until
from tests.gateway.sms.smscs import Carrier, Smsc, settings


@pytest.fixture
async def smscs() -> AsyncIterator[tuple[Smsc, Smsc]]:
    async with Smsc() as first, Smsc() as second:
        yield first, second


@pytest.fixture
async def carrier(smscs: tuple[Smsc, Smsc]) -> AsyncIterator[Carrier]:
    """Two SMSCs of one priority; the second writes numbers without a type."""
    first, second = smscs
    async with Carrier(
        settings("a", first.port, window=2),
        settings("b", second.port, window=2, msisdn_ton=0, msisdn_npi=0),
    ) as made:
        await made.bound()
        yield made


def up(name: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("ascs_smsc_link_up", {"link": name})


class TestSharing:
    async def test_links_of_one_weight_take_turns(self, carrier: Carrier, smscs: tuple[Smsc, Smsc]) -> None:
        for _ in range(4):
            assert carrier.send()
        await carrier.answered(4)
        assert carrier.by_link() == ["a", "b", "a", "b"]
        assert [len(smsc.bodies()) for smsc in smscs] == [2, 2]

    async def test_a_heavier_link_takes_its_share(self, smscs: tuple[Smsc, Smsc]) -> None:
        first, second = smscs
        async with Carrier(settings("a", first.port, weight=3), settings("b", second.port)) as carrier:
            await carrier.bound()
            for _ in range(8):
                carrier.send()
            await carrier.answered(8)
            assert sorted(carrier.by_link()) == ["a"] * 6 + ["b"] * 2

    async def test_many_at_once_are_shared_and_what_one_has_no_room_for_the_other_takes(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        for smsc in smscs:
            smsc.silent = True
        assert carrier.send()  # by a, which has room for one more then, and b for two
        assert carrier.links.send([(submit_frame(), place) for place in range(1, 5)]) == 3
        await until(lambda: [len(smsc.bodies()) for smsc in smscs] == [2, 2])

    async def test_each_smsc_gets_the_number_in_its_form(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        carrier.send()
        carrier.send()
        await carrier.answered(2)
        forms = []
        for smsc in smscs:
            [body] = smsc.bodies()
            assert body.destination_addr == MSISDN.encode()
            forms.append((body.dest_addr_ton, body.dest_addr_npi))
        assert forms == [(1, 1), (0, 0)]

    async def test_a_full_window_leaves_the_message_to_the_other_link_and_then_to_nobody(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        for smsc in smscs:
            smsc.silent = True
        assert [carrier.send() for _ in range(4)] == [True] * 4
        assert not carrier.links.free()
        assert not carrier.send()

    async def test_an_answer_opens_the_window_and_says_so(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        for smsc in smscs:
            smsc.silent = True
        while carrier.send():
            pass
        before = carrier.room
        await until(lambda: len(smscs[0].requests) == 2)
        smscs[0].answer(smscs[0].bound[0], smscs[0].requests[0])
        await carrier.answered(1)
        assert carrier.room == before + 1
        assert carrier.links.free()

    async def test_answers_come_with_their_context_and_statuses(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        smscs[1].status = CommandStatus.ESME_RINVDSTADR
        carrier.send()
        carrier.send()
        await carrier.answered(2)
        told = {context: (name, answer) for name, context, answer in carrier.answers}
        assert [told[0][0], told[1][0]] == ["a", "b"]
        taken, refused = told[0][1], told[1][1]
        assert isinstance(taken, Pdu)
        assert isinstance(taken.body, SubmitSmResp)
        assert taken.body.message_id
        assert isinstance(refused, Pdu)
        assert refused.command_status == CommandStatus.ESME_RINVDSTADR

    async def test_a_context_may_be_called(self, smscs: tuple[Smsc, Smsc]) -> None:
        told: list[tuple[str, Any]] = []
        links = SmscLinks((settings("a", smscs[0].port),), lambda *_: None, lambda: None)
        await links.start()
        await until(lambda: links.free() > 0)
        links.send([(submit_frame(), lambda name, answer: told.append((name, answer)))])
        await until(lambda: bool(told))
        assert told[0][0] == "a"
        await links.stop(drain_s=0.2)


class TestFailover:
    async def test_a_spare_waits_for_the_loss_of_the_first_and_gives_way_again(
        self, smscs: tuple[Smsc, Smsc]
    ) -> None:
        first, spare = smscs
        async with Carrier(
            settings("spare", spare.port, priority=2),
            settings("first", first.port, backoff_min_s=0.2, backoff_max_s=0.2),
        ) as carrier:
            await carrier.bound()
            carrier.send()
            await carrier.answered(1)
            room = carrier.room
            first.bound[0].abort("cut")
            await until(lambda: not carrier.links.peers[1].can_send)
            await until(lambda: carrier.room > room)
            carrier.send()
            await carrier.answered(2)
            await carrier.bound(2)
            carrier.send()
            await carrier.answered(3)
            assert carrier.by_link() == ["first", "spare", "first"]

    async def test_what_a_lost_link_had_is_told_once_as_failed(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        smscs[0].silent = True
        for _ in range(4):
            carrier.send()
        await until(lambda: len(smscs[0].requests) == 2)
        smscs[0].bound[0].abort("cut")
        await carrier.answered(4)
        failed = [answer for name, _, answer in carrier.answers if name == "a"]
        assert [isinstance(answer, RequestFailed) and answer.reason for answer in failed] == ["closed"] * 2

    async def test_without_a_bound_link_nothing_is_taken(self) -> None:
        async with Smsc() as smsc:
            port = smsc.port
        async with Carrier(settings("gone", port)) as carrier:
            await until(lambda: carrier.links.peers[0].failures > 0)
            assert not carrier.links.free()
            assert not carrier.send()
            assert up("gone") == 0

    async def test_the_metrics_say_which_links_are_up(self, carrier: Carrier) -> None:
        assert [up("a"), up("b")] == [1, 1]
        await carrier.links.stop(drain_s=0.2)
        assert [up("a"), up("b")] == [0, 0]


class TestPace:
    async def test_a_link_at_its_rate_has_no_room_until_one_timer_says_so(
        self, smscs: tuple[Smsc, Smsc]
    ) -> None:
        async with Carrier(settings("a", smscs[0].port, rate=50, burst=3)) as carrier:
            await carrier.bound()
            assert [carrier.send() for _ in range(4)] == [True] * 3 + [False]
            await carrier.answered(3)
            room = carrier.room
            assert not any(carrier.links.free() for _ in range(100))
            await until(lambda: carrier.room > room)
            assert carrier.room == room + 1
            carrier.now += 0.02
            assert [carrier.send(), carrier.send()] == [True, False]

    async def test_what_one_link_may_not_send_the_other_does(self, smscs: tuple[Smsc, Smsc]) -> None:
        first, second = smscs
        async with Carrier(
            settings("a", first.port, rate=50, burst=2), settings("b", second.port)
        ) as carrier:
            await carrier.bound()
            assert all(carrier.send() for _ in range(10))
            await carrier.answered(10)
            assert sorted(carrier.by_link()) == ["a"] * 2 + ["b"] * 8

    @pytest.mark.parametrize("status", [CommandStatus.ESME_RTHROTTLED, CommandStatus.ESME_RMSGQFUL])
    async def test_a_link_that_is_throttled_pauses_then_goes_on_more_slowly(
        self, smscs: tuple[Smsc, Smsc], status: CommandStatus
    ) -> None:
        smsc = smscs[0]
        async with Carrier(settings("a", smsc.port, rate=100, throttle_pause_s=2.0)) as carrier:
            await carrier.bound()
            smsc.status = status
            for _ in range(3):
                carrier.send()
            await carrier.answered(3)
            smsc.status = 0
            link = carrier.links.peers[0]
            assert not carrier.links.free()
            assert (link.counts.throttled, link.pace.limit) == (3, 50)
            carrier.now += 2.0
            assert carrier.send()
            assert link.can_send

    async def test_throttling_is_no_reason_for_failover(self, smscs: tuple[Smsc, Smsc]) -> None:
        first, spare = smscs
        first.status = CommandStatus.ESME_RTHROTTLED
        async with Carrier(settings("a", first.port), settings("b", spare.port, priority=2)) as carrier:
            await carrier.bound()
            carrier.send()
            await carrier.answered(1)
            assert not carrier.links.free()


class TestAskingAboutAMessage:
    async def test_cancel_goes_to_the_smsc_that_has_it(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        told: list[Any] = []
        assert carrier.links.cancel("b", "7f", NUMBER, MSISDN, told.append)
        await until(lambda: bool(told))
        assert told[0].command_status == 0
        assert smscs[0].bodies(CancelSm) == []
        [body] = smscs[1].bodies(CancelSm)
        assert (body.message_id, body.source_addr, body.destination_addr) == (
            b"7f",
            NUMBER.encode(),
            MSISDN.encode(),
        )
        assert (body.source_addr_ton, body.source_addr_npi) == (0, 1)
        assert (body.dest_addr_ton, body.dest_addr_npi) == (0, 0)

    async def test_replace_goes_to_the_smsc_that_has_it(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        told: list[Any] = []
        body = ReplaceSm(short_message=b"other")
        assert carrier.links.replace("b", "7f", NUMBER, body, told.append)
        await until(lambda: bool(told))
        [asked] = smscs[1].bodies(ReplaceSm)
        assert (asked.message_id, asked.source_addr, asked.short_message) == (
            b"7f",
            NUMBER.encode(),
            b"other",
        )
        assert (asked.source_addr_ton, asked.source_addr_npi) == (0, 1)
        assert not carrier.links.replace("of-old", "7f", NUMBER, body, told.append)

    async def test_query_goes_to_the_smsc_that_has_it(
        self, carrier: Carrier, smscs: tuple[Smsc, Smsc]
    ) -> None:
        told: list[Any] = []
        assert carrier.links.query("a", "7f", NUMBER, told.append)
        await until(lambda: bool(told))
        assert isinstance(told[0].body, QuerySmResp)
        assert told[0].body.message_state == 2
        [body] = smscs[0].bodies(QuerySm)
        assert (body.message_id, body.source_addr) == (b"7f", NUMBER.encode())

    async def test_nobody_else_is_asked(self, carrier: Carrier, smscs: tuple[Smsc, Smsc]) -> None:
        told: list[Any] = []
        assert not carrier.links.cancel("of-old", "7f", NUMBER, MSISDN, told.append)
        await smscs[1].server.stop(drain_s=0.2)
        await until(lambda: not carrier.links.peers[1].can_send)
        assert not carrier.links.cancel("b", "7f", NUMBER, MSISDN, told.append)
        assert not carrier.links.query("b", "7f", NUMBER, told.append)
        assert told == []

    async def test_it_needs_room_in_the_window_but_no_pace(self, smscs: tuple[Smsc, Smsc]) -> None:
        smsc = smscs[0]
        async with Carrier(settings("a", smsc.port, window=2, rate=50, burst=1)) as carrier:
            await carrier.bound()
            smsc.silent = True
            told: list[Any] = []
            assert [carrier.send(), carrier.links.free()] == [True, 0]
            assert carrier.links.cancel("a", "1", NUMBER, MSISDN, told.append)
            assert not carrier.links.cancel("a", "2", NUMBER, MSISDN, told.append)


async def test_what_an_smsc_asks_is_told_with_its_name(carrier: Carrier, smscs: tuple[Smsc, Smsc]) -> None:
    answered: list[Any] = []
    [connection] = smscs[1].bound
    connection.request(DeliverSm(short_message=b"TD"), answered.append)
    await until(lambda: bool(carrier.requests))
    [(link, back, pdu)] = carrier.requests
    assert link == "b"
    assert isinstance(pdu.body, DeliverSm)
    back.respond(pdu.sequence_number, DeliverSmResp())
    await until(lambda: bool(answered))
    assert answered[0].command_status == 0
