"""A message center in memory, with binds that keep what is sent over them and a clock that tests set."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.smsc.center import Center
from simulators.smsc.messages import Message
from simulators.smsc.operations import Operations
from simulators.smsc.queues import PeerQueue
from simulators.smsc.settings import Account, SmscSettings
from smpp.codec import decode
from smpp.constants import CommandStatus
from smpp.pdu import RESPONSE_OF, Body, DataSm, DeliverSm, Pdu, SubmitSm, SubmitSmResp

ACCESS_NUMBER = b"10690001"
HANDSET = b"8613800000001"
HOUR = 3_600_000
EPOCH = 1_790_000_000_000


@dataclass
class FakeConnection:
    """A bind that keeps what is sent over it, in the order of the wire."""

    window_free: int = 1000
    can_send: bool = True
    wire: list[tuple[Body, int]] = field(default_factory=list)
    """Responses and requests: body, command_status."""
    sent: list[tuple[DeliverSm | DataSm, tuple[PeerQueue, Message] | None]] = field(default_factory=list)

    @property
    def answers(self) -> list[tuple[Body, int]]:
        """The responses alone."""
        return [entry for entry in self.wire if not isinstance(entry[0], DeliverSm | DataSm)]

    @property
    def ids(self) -> list[bytes]:
        """Message ids of the submit_sm_resp."""
        return [body.message_id for body, _ in self.answers if isinstance(body, SubmitSmResp)]

    def respond(self, _sequence_number: int, body: Body, status: int = 0) -> None:
        self.wire.append((body, status))

    def respond_message(self, sequence_number: int, message_id: bytes, command_id: int) -> None:
        self.respond(sequence_number, _response_of(command_id)(message_id))

    def reject(self, request: Pdu, status: int) -> None:
        self.wire.append((RESPONSE_OF[request.command_id](), status))

    def request_frame(self, frame: bytes, done: None = None, *, context: Any = None) -> int:
        body = decode(frame).body
        assert isinstance(body, DeliverSm | DataSm)
        self.wire.append((body, 0))
        self.sent.append((body, context))
        return len(self.sent)

    def answer(self, status: int | None) -> DeliverSm | DataSm:
        """Answer the oldest request, or let it time out."""
        body, context = self.sent.pop(0)
        if context is not None:
            queue, message = context
            queue.on_answer(message, status)
            queue.pump()
        return body


def _response_of(command_id: int) -> Any:
    return RESPONSE_OF[command_id & 0x7FFFFFFF]


def settings(*, fleet: bool = False, **changed: Any) -> SmscSettings:
    accounts: Sequence[Account] = changed.pop("accounts", [Account(system_id="esme", password="s")])
    if fleet:
        accounts = [*accounts, Account(system_id="radio", password="s", kind="handsets")]
    return SmscSettings(
        **{"store": "memory", "log_dir": Path(), "retry_seconds": 2.0, "accounts": accounts, **changed}
    )


class Bench:
    """A center with one bound ESME and, with `fleet`, one bound fleet."""

    def __init__(self, *, fleet: bool = False, binds: int = 1, **changed: Any) -> None:
        self.now = EPOCH
        self.settings = settings(fleet=fleet, **changed)
        self.center = Center(self.settings, None, lambda: self.now)
        self.operations = Operations(self.center)
        self.account = self.settings.accounts[0]
        self.binds = [FakeConnection() for _ in range(binds)]
        self.esme = self.binds[0]
        self.handsets = FakeConnection()
        for bind in self.binds:
            self.center.peers[self.account.system_id].queue.connections.append(bind)  # type: ignore[arg-type]
        self.center.handsets.connections.append(self.handsets)  # type: ignore[arg-type]

    def submit(self, **fields: Any) -> None:
        self.ask(
            SubmitSm(
                **{
                    "source_addr": ACCESS_NUMBER,
                    "destination_addr": HANDSET,
                    "registered_delivery": 1,
                    "short_message": b"hello",
                    **fields,
                }
            )
        )

    def ask(self, body: Any) -> None:
        """One PDU of the ESME, as the shell hands it over."""
        self.center.refresh()
        pdu, connection = Pdu(body, 1), self.esme
        if isinstance(body, SubmitSm) and not body.replace_if_present_flag:
            self.center.submit(connection, self.account, pdu)  # type: ignore[arg-type]
        elif isinstance(body, SubmitSm):
            self.operations.replace_if_present(connection, self.account, pdu, body, b"")  # type: ignore[arg-type]
        else:
            name = {"DataSm": "data", "SubmitMulti": "multi", "QuerySm": "query", "CancelSm": "cancel"}
            service = getattr(self.operations, name.get(type(body).__name__, "replace"))
            left = service(connection, self.account, pdu, body)
            if left is not None:
                asyncio.run(left)
        self.center.settle()

    def after(self, ms: int) -> None:
        """Let time pass, to the tick."""
        self.now += ms
        self.center.tick()

    def swept(self) -> None:
        """Let the center look for what has outlived its validity."""
        self.now += 1_000
        self.center.sweep()

    def delivered(self) -> list[DeliverSm | DataSm]:
        """What the ESME got, all answered."""
        got = []
        while self.esme.sent:
            got.append(self.esme.answer(CommandStatus.ESME_ROK))
        return got
