"""The gateway's front alone, between an enterprise and rooms that answer at once: what its SMPP costs by itself.

`python -m bench.front_stub PORT WORKERS SYSTEM_ID PASSWORD SOURCE FOLDER`: sessions, codec and checks as in the
gateway, in this process or in so many front processes, which log to FOLDER. Nothing is verified, stored or sent on;
each message is acknowledged in the turn in which it came, and has its receipt as soon as a window takes it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

from foundation import loop
from foundation.logs import setup
from foundation.passwords import hash_password
from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot
from gateway.accounts.rates import Rates
from gateway.policy.text_rules import TextRules
from gateway.sms.check import Checked, Checks, Unfit
from gateway.sms.congestion import Congestion
from gateway.sms.deliver import Deliveries
from gateway.sms.esme_session import EsmeSession
from gateway.sms.front import SmppFront
from gateway.sms.intake import Intake
from gateway.sms.services import Services
from gateway.sms_settings import SmppSettings, SmsSettings
from gateway.store.accounts import AccountRow
from gateway.store.domain import wall_ms
from gateway.workers.pool import WorkerPool, spawn_process
from masking.smpp_leg import ReceiptModel, encode_receipt
from smpp.constants import CommandId, MessageState
from smpp.pdu import Body, SubmitSm


class Rooms:
    """Intake and deliveries in one: whatever is acknowledged is receipted over any bind."""

    def __init__(self, directory: Directory) -> None:
        self._checks = Checks(lambda: directory.current.access_numbers, SmsSettings(), TextRules(), wall_ms)
        self._ids = count(1 << 60)
        self._sessions: list[EsmeSession] = []
        self._waiting: deque[tuple[bytes, bytes]] = deque()

    def submit(
        self, session: EsmeSession, account: AccountRow, requests: Sequence[tuple[int, Body, bytes]]
    ) -> None:
        found = []
        for sequence_number, body, frame in requests:
            assert isinstance(body, SubmitSm)
            found.append((sequence_number, self._checks.check(account.system_id, body, frame)))
        self.submit_checked(session, account, found, 0.0)

    def submit_checked(
        self,
        session: EsmeSession,
        _account: AccountRow,
        requests: Sequence[tuple[int, Checked | Unfit]],
        _arrived: float,
    ) -> None:
        answers = []
        for sequence_number, found in requests:
            if isinstance(found, Unfit):
                session.reject_request(sequence_number, CommandId.SUBMIT_SM, found.status)
                continue
            message_id = b"%016x" % next(self._ids)
            answers.append((sequence_number, message_id))
            model = ReceiptModel(found.aid, found.source, message_id.decode(), MessageState.DELIVERED)
            self._waiting.append((encode_receipt(model)[0], message_id))
        session.respond_messages(answers)
        self.pump()

    def pump(self, _account: str = "") -> None:
        for session in self._sessions:
            room = min(len(self._waiting), session.window_free)
            if room > 0:
                session.request_messages([self._waiting.popleft() for _ in range(room)])

    def bound(self, _account: str, session: EsmeSession) -> None:
        self._sessions.append(session)

    def unbound(self, _account: str, session: EsmeSession) -> None:
        if session in self._sessions:
            self._sessions.remove(session)

    def answered(self, _answers: object) -> None:
        self.pump()

    def failed(self, _delivery: object, _reason: str) -> None:
        """The load is over."""


async def _serve(stop: asyncio.Event, arguments: Sequence[str]) -> None:
    port, workers, system_id, password, source, folder = arguments
    settings = SmppSettings(port=int(port), workers=int(workers))
    directory = Directory(
        Snapshot(
            accounts={system_id: AccountRow(system_id, "bench", hash_password(password), 100)},
            access_numbers={source: AccessNumberRow(source, "bench", system_id, None)},
        )
    )
    rooms = Rooms(directory)
    made: list[SmppFront] = []
    sessions: Callable[[Any], Any] | None = None
    if settings.workers > 1:
        sessions = partial(
            WorkerPool, settings, SmsSettings(), directory, partial(spawn_process, Path(folder), "WARNING"),
            on_throttled=SmppFront.throttled, on_resumed=lambda resumed: made[0].resumed(resumed),
        )  # fmt: skip
    front = SmppFront(
        settings, directory, cast(Intake, rooms), cast(Services, None), cast(Deliveries, rooms), Rates(),
        Congestion(), sessions=sessions,
    )  # fmt: skip
    made.append(front)
    await front.start()
    await stop.wait()
    await front.stop()


if __name__ == "__main__":
    setup("front-stub", Path(sys.argv[-1]), "WARNING")
    loop.run(lambda stop: _serve(stop, sys.argv[1:]))
