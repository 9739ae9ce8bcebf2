"""The links against the simulated SMSC: what it can do to them, with every message accounted for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.sms.upstream_ids import key, keys
from gateway.sms_settings import OutbindSettings
from simulators.smsc.app import Smsc
from simulators.smsc.dialect import PRESETS, IdFormName, write_id
from simulators.smsc.settings import SmscSettings as Simulated
from smpp.aio.connection import RequestFailed
from smpp.pdu import CancelSm, DataSmResp, DeliverSm, DeliverSmResp, Pdu, SubmitSmResp
from smpp.receipts import MessageState, parse
from smpp.splice import splice_submit
from tests.gateway.carrier import MSISDN, NUMBER, submit_frame, until
from tests.gateway.sms.smscs import Carrier, settings

FRAME = splice_submit(submit_frame(), registered_delivery=1)


@asynccontextmanager
async def simulator(folder: Path, **fields: Any) -> AsyncIterator[Smsc]:
    values: dict[str, Any] = {
        "port": 0,
        "store": "memory",
        "log_dir": folder,
        "accounts": [{"system_id": "gateway", "password": "secret08"}],
    }
    smsc = await Smsc.start(Simulated.model_validate(values | fields))
    try:
        yield smsc
    finally:
        await smsc.stop()


class Patient(Carrier):
    """Sends messages until each was taken, as the dispatcher does; keeps receipts."""

    def __init__(self, *smscs: Any, **options: Any) -> None:
        super().__init__(*smscs, **options)
        self.waiting: deque[int] = deque()
        self.taken: dict[int, str] = {}
        self.receipts: list[tuple[str, MessageState]] = []

    def offer(self, count: int) -> None:
        self.waiting.extend(range(count))
        self.pump()

    def pump(self) -> None:
        for _, context, answer in self.answers:
            if (
                isinstance(answer, Pdu)
                and isinstance(answer.body, SubmitSmResp)
                and not answer.command_status
            ):
                self.taken[context] = answer.body.message_id.decode()
            else:
                self.waiting.append(context)
        self.answers.clear()
        while self.waiting and self.links.free():
            if self.links.send([(FRAME, self.waiting[0])]):
                self.waiting.popleft()

    def _has_room(self) -> None:
        super()._has_room()
        self.pump()

    def took(self, messages: int) -> bool:
        """Whether so many were taken; their receipts are answered, so that a bind can end in order."""
        self.answer_receipts()
        return len(self.taken) == messages

    def answer_receipts(self) -> None:
        for _, connection, pdu in self.requests:
            body = pdu.body
            assert not isinstance(body, CancelSm)
            receipt = parse(body)
            assert receipt is not None
            self.receipts.append((receipt.message_id.decode(), receipt.state))
            response = DeliverSmResp() if isinstance(body, DeliverSm) else DataSmResp()
            connection.respond(pdu.sequence_number, response)
        self.requests.clear()


@pytest.mark.parametrize("throttled", [0x58, 0x14])
async def test_a_link_finds_the_pace_of_an_smsc_that_throttles(tmp_path: Path, throttled: int) -> None:
    async with (
        simulator(tmp_path, rate_max=400, rate_burst=40, rate_status=throttled) as smsc,
        Patient(settings("a", smsc.port, throttle_pause_s=0.05), clock=time.monotonic) as carrier,
    ):
        await carrier.bound()
        carrier.offer(300)
        await until(lambda: carrier.took(300))
        link = carrier.links.peers[0]
        assert link.counts.throttled > 0
        assert link.pace.limit < 10_000
        assert len(set(carrier.taken.values())) == 300


@pytest.mark.parametrize(
    "faults",
    [
        {"hang_after": 20, "hang_seconds": 0.3},
        {"disconnect_after": 20, "disconnect": "reset"},
        {"disconnect_after": 20, "disconnect": "close"},
        {"disconnect_after": 20, "disconnect": "unbind"},
    ],
    ids=["hangs", "resets", "closes", "unbinds"],
)
async def test_an_smsc_that_fails_gets_every_message_in_the_end(
    tmp_path: Path, faults: dict[str, Any]
) -> None:
    async with (
        simulator(tmp_path, faults=faults) as smsc,
        Patient(settings("a", smsc.port, window=10, response_s=0.1), clock=time.monotonic) as carrier,
    ):
        await carrier.bound()
        carrier.offer(100)
        await until(lambda: carrier.took(100))
        assert len(set(carrier.taken.values())) == 100


def dialect_of(response: str, receipt: str) -> Any:
    one, other = response.split("-")[0], receipt.split("-")[0]
    return "padded" if one == other else f"{one}-to-{other}"


@pytest.mark.parametrize("response", get_args(IdFormName))
@pytest.mark.parametrize("receipt", get_args(IdFormName))
def test_every_pair_of_forms_that_it_writes_has_its_dialect(
    response: IdFormName, receipt: IdFormName
) -> None:
    for serial in (1, 9, 10, 16, 255, 4096, 870_928_761, 2**40 - 1):
        given, named = write_id(serial, response).decode(), write_id(serial, receipt).decode()
        assert keys(dialect_of(response, receipt), named) == (key(dialect_of(response, receipt), given),)
        assert key("any", given) in keys("any", named)


@pytest.mark.parametrize("name", PRESETS)
async def test_the_receipts_of_every_dialect_name_their_messages(tmp_path: Path, name: str) -> None:
    async with (
        simulator(tmp_path, dialect=name) as smsc,
        Patient(settings("a", smsc.port, binds=2), clock=time.monotonic) as carrier,
    ):
        await carrier.bound()
        carrier.offer(40)

        def all_told() -> bool:
            carrier.answer_receipts()
            return len(carrier.taken) == 40 and len(carrier.receipts) >= 40 * PRESETS[name].copies

        await until(all_told)
        dialect = dialect_of(PRESETS[name].response_id, PRESETS[name].receipt_id)
        by_key = {key(dialect, given): number for number, given in carrier.taken.items()}
        named = [by_key[one] for told, _ in carrier.receipts for one in keys(dialect, told)]
        assert sorted(set(named)) == list(range(40))
        assert {state for _, state in carrier.receipts} == {MessageState.DELIVERED}


async def test_it_may_call(tmp_path: Path) -> None:
    given = {"addresses": ["127.0.0.1"], "system_id": "SMSC", "password": "outbind"}
    async with Patient(
        settings("a", 9, outbind=given, backoff_min_s=60.0, backoff_max_s=60.0),
        outbind=OutbindSettings(port=0),
        clock=time.monotonic,
    ) as carrier:
        called = {
            "account": "gateway",
            "host": "127.0.0.1",
            "port": carrier.links.outbind_port,
            "system_id": "SMSC",
            "password": "outbind",
            "always": True,
        }
        async with simulator(tmp_path, outbinds=[called]):
            await carrier.bound(1)
            carrier.offer(5)
            await until(lambda: carrier.took(5) and len(carrier.receipts) == 5)


async def test_a_message_that_waits_there_can_be_cancelled(tmp_path: Path) -> None:
    delay = {"kind": "constant", "ms": 3_600_000}
    async with (
        simulator(tmp_path, delivery_delay=delay) as smsc,
        Patient(settings("a", smsc.port), clock=time.monotonic) as carrier,
    ):
        await carrier.bound()
        carrier.offer(1)
        await until(lambda: bool(carrier.taken))
        told: list[Pdu | RequestFailed] = []
        assert carrier.links.query("a", carrier.taken[0], NUMBER, told.append)
        assert carrier.links.cancel("a", carrier.taken[0], NUMBER, MSISDN, told.append)
        await until(lambda: len(told) == 2)
        assert carrier.links.query("a", carrier.taken[0], NUMBER, told.append)
        await until(lambda: len(told) == 3)
        states = [getattr(answer.body, "message_state", None) for answer in told if isinstance(answer, Pdu)]
        assert states == [MessageState.ENROUTE, None, MessageState.DELETED]
        assert all(isinstance(answer, Pdu) and answer.command_status == 0 for answer in told)
