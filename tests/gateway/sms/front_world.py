"""A front with what is around it in memory: a directory that tests change, an intake, a clock, a load."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.passwords import hash_password
from gateway.access_number import AccessNumberRow
from gateway.accounts.directory import Directory, Snapshot
from gateway.accounts.rates import Rates
from gateway.sms.check import Checked, Unfit
from gateway.sms.congestion import Congestion
from gateway.sms.esme_session import EsmeSession, OnEvents
from gateway.sms.front import SmppFront
from gateway.sms_settings import SmppSettings, SmsSettings
from gateway.store.accounts import AccountRow
from gateway.workers.pool import WorkerPool
from smpp.codec import decode
from smpp.constants import CommandId
from smpp.pdu import RESPONSE_OF, Bind, BindTransceiver, Body, Pdu, SubmitSmResp
from tests.gateway.workers.in_loop import InLoop, in_loop

PASSWORD = b"secret"
HASH = hash_password(PASSWORD.decode())
ACCOUNT = AccountRow("sms-a", "ent-a", HASH, 3)
NUMBER = AccessNumberRow("106988", "ent-a", "sms-a", None)

workers = 1
"""Front processes of a world whose settings say nothing of it; see `each_way`."""


@pytest.fixture(params=[1, 2], ids=["one process", "front processes"])
def each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs a test with sessions in the gateway's own process, and again with sessions in front processes."""
    monkeypatch.setattr(f"{__name__}.workers", request.param)
    return int(request.param)


@dataclass
class World:
    """Starts and stops the front as a context."""

    settings: SmppSettings = field(default_factory=lambda: SmppSettings(port=0, drain_s=2.0))
    account: AccountRow = ACCOUNT
    sms: SmsSettings = field(default_factory=SmsSettings)
    load: float = 0.0
    now: float = 0.0
    answers: bool = True
    """Whether the intake answers at once."""
    submitted: list[tuple[EsmeSession, AccountRow, Pdu]] = field(default_factory=list)
    others: list[tuple[str, AccountRow, Pdu]] = field(default_factory=list)
    """What else was asked for: which method took it, of intake or services."""
    receivers: list[EsmeSession] = field(default_factory=list)
    """Sessions that deliveries may go to."""
    answered: list[tuple[Any, int | str]] = field(default_factory=list)
    """Deliveries, each with its command_status or why it has none."""
    pumped: list[str] = field(default_factory=list)
    """Accounts to which more may be sent."""
    processes: list[InLoop] = field(default_factory=list)
    """Front processes that were started, where the settings want some."""

    def __post_init__(self) -> None:
        if self.settings.workers == 1:
            self.settings = self.settings.model_copy(update={"workers": workers})
        self.directory = Directory()
        self.become(self.account)
        deliveries = SimpleNamespace(
            bound=lambda _, session: self.receivers.append(session),
            unbound=self._unbound,
            answered=lambda answers: self.answered.extend(answers),
            failed=lambda delivery, reason: self.answered.append((delivery, reason)),
            pump=self.pumped.append,
        )
        self.front = SmppFront(
            self.settings,
            self.directory,
            self._room("data", "multi", submit=self._submit, submit_checked=self._submit_checked),
            self._room("query", "cancel", "replace"),
            deliveries,  # type: ignore[arg-type]
            Rates(account_rate=self.settings.account_rate, burst_s=self.settings.burst_s),
            Congestion(lambda: self.load),
            lambda: self.now,
            None if self.settings.workers == 1 else self._in_workers,
        )

    def _in_workers(self, on_events: OnEvents) -> WorkerPool:
        self.pool = WorkerPool(
            self.settings, self.sms, self.directory, self._spawn, on_events, SmppFront.throttled,
            lambda sessions: self.front.resumed(sessions),
        )  # fmt: skip
        return self.pool

    async def _spawn(self, name: str, channel: int, handed: int) -> InLoop:
        self.processes.append(await in_loop(name, channel, handed))
        return self.processes[-1]

    async def __aenter__(self) -> "World":
        await self.front.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.front.stop()

    def become(self, account: AccountRow | None) -> None:
        """The directory after an operator's command; nobody has told the front yet."""
        self.directory.current = Snapshot(
            accounts={} if account is None else {account.system_id: account},
            access_numbers={NUMBER.number: NUMBER},
        )

    def _room(self, *methods: str, **own: Any) -> Any:
        """A room whose methods record who asked for what, and answer at once."""

        def take(method: str, session: EsmeSession, account: AccountRow, pdu: Pdu) -> None:
            self.others.append((method, account, pdu))
            session.respond(pdu.sequence_number, RESPONSE_OF[pdu.body.COMMAND_ID]())

        return SimpleNamespace(**{method: partial(take, method) for method in methods}, **own)

    def _submit(
        self, session: EsmeSession, account: AccountRow, requests: Sequence[tuple[int, Body, bytes]]
    ) -> None:
        for sequence_number, body, _ in requests:
            self.submitted.append((session, account, Pdu(body, sequence_number)))
            if self.answers:
                self.answer(len(self.submitted) - 1)

    def _submit_checked(
        self,
        session: EsmeSession,
        account: AccountRow,
        requests: Sequence[tuple[int, Checked | Unfit]],
        _arrived: float,
    ) -> None:
        for sequence_number, found in requests:
            if isinstance(found, Unfit):
                session.reject_request(sequence_number, CommandId.SUBMIT_SM, found.status)
            else:
                self._submit(session, account, [(sequence_number, decode(found.frame).body, found.frame)])

    def answer(self, index: int) -> None:
        session, _, pdu = self.submitted[index]
        session.respond(pdu.sequence_number, SubmitSmResp(message_id=b"%d" % index))

    def _unbound(self, _system_id: str, session: EsmeSession) -> None:
        if session in self.receivers:
            self.receivers.remove(session)


def credentials(kind: type[Bind] = BindTransceiver, version: int = 0x34, password: bytes = PASSWORD) -> Bind:
    return kind(system_id=b"sms-a", password=password, interface_version=version)
