"""A front with what is around it in memory: a directory that tests change, an intake, a clock, a load."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from foundation.passwords import hash_password
from gateway.accounts.directory import Directory, Snapshot
from gateway.accounts.rates import Rates
from gateway.settings import SmppSettings
from gateway.sms.congestion import Congestion
from gateway.sms.front import SmppFront
from gateway.store.accounts import AccountRow
from smpp.aio.connection import Connection
from smpp.pdu import RESPONSE_OF, Bind, BindTransceiver, Body, Pdu, SubmitSmResp

PASSWORD = b"secret"
HASH = hash_password(PASSWORD.decode())
ACCOUNT = AccountRow("sms-a", "ent-a", HASH, 3)


@dataclass
class World:
    """Starts and stops the front as a context."""

    settings: SmppSettings = field(default_factory=lambda: SmppSettings(port=0, drain_s=2.0))
    account: AccountRow = ACCOUNT
    load: float = 0.0
    now: float = 0.0
    answers: bool = True
    """Whether the intake answers at once."""
    submitted: list[tuple[Connection, AccountRow, Pdu]] = field(default_factory=list)
    others: list[tuple[str, AccountRow, Pdu]] = field(default_factory=list)
    """What else was asked for: which method took it, of intake or services."""
    receivers: list[Connection] = field(default_factory=list)
    """Sessions that deliveries may go to."""

    def __post_init__(self) -> None:
        self.directory = Directory()
        self.become(self.account)
        deliveries = SimpleNamespace(
            bound=lambda _, connection: self.receivers.append(connection), unbound=self._unbound
        )
        self.front = SmppFront(
            self.settings,
            self.directory,
            self._room("data", "multi", submit=self._submit),
            self._room("query", "cancel", "replace"),
            deliveries,  # type: ignore[arg-type]
            Rates(account_rate=self.settings.account_rate, burst_s=self.settings.burst_s),
            Congestion(lambda: self.load),
            lambda: self.now,
        )

    async def __aenter__(self) -> "World":
        await self.front.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.front.stop()

    def become(self, account: AccountRow | None) -> None:
        """The directory after an operator's command; nobody has told the front yet."""
        self.directory.current = Snapshot(accounts={} if account is None else {account.system_id: account})

    def _room(self, *methods: str, **own: Any) -> Any:
        """A room whose methods record who asked for what, and answer at once."""

        def take(method: str, connection: Connection, account: AccountRow, pdu: Pdu) -> None:
            self.others.append((method, account, pdu))
            connection.respond(pdu.sequence_number, RESPONSE_OF[pdu.body.COMMAND_ID]())

        return SimpleNamespace(**{method: partial(take, method) for method in methods}, **own)

    def _submit(
        self, connection: Connection, account: AccountRow, requests: Sequence[tuple[int, Body, bytes]]
    ) -> None:
        for sequence_number, body, _ in requests:
            self.submitted.append((connection, account, Pdu(body, sequence_number)))
            if self.answers:
                self.answer(len(self.submitted) - 1)

    def answer(self, index: int) -> None:
        connection, _, pdu = self.submitted[index]
        connection.respond(pdu.sequence_number, SubmitSmResp(message_id=b"%d" % index))

    def _unbound(self, _system_id: str, connection: Connection) -> None:
        if connection in self.receivers:
            self.receivers.remove(connection)


def credentials(kind: type[Bind] = BindTransceiver, version: int = 0x34, password: bytes = PASSWORD) -> Bind:
    return kind(system_id=b"sms-a", password=password, interface_version=version)
