"""An enterprise's session as the rooms of the gateway see it, whichever process owns it.

Of a session in this process smpp.aio.connection.Connection is all of this; of one in a front process
gateway.workers.stand_in.StandIn is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.sms.check import Checked, Unfit
from gateway.store.accounts import AccountRow
from smpp.aio.connection import FailureReason
from smpp.events import Event
from smpp.pdu import Body, Pdu
from smpp.session import SessionConfig


class EsmeSession(Protocol):
    """The handle: each member as smpp.aio.connection.Connection has it."""

    context: Any
    peer: tuple[str, int]
    certificate: bytes | None
    tls_version: str | None

    @property
    def is_bound(self) -> bool: ...

    @property
    def version(self) -> int: ...

    @property
    def can_send(self) -> bool: ...

    @property
    def window_free(self) -> int: ...

    @property
    def congestion_state(self) -> int | None: ...

    @congestion_state.setter
    def congestion_state(self, state: int | None) -> None: ...

    def configure(self, config: SessionConfig) -> None: ...

    def accept_bind(self, system_id: bytes = b"") -> None: ...

    def refuse_bind(self, status: int) -> None: ...

    def request_messages(self, messages: Sequence[tuple[bytes, Any]]) -> int: ...

    def respond(self, sequence_number: int, body: Body, status: int = 0) -> None: ...

    def respond_message(
        self, sequence_number: int, message_id: bytes = b"", command_id: int | None = None
    ) -> None: ...

    def respond_messages(self, answers: Sequence[tuple[int, bytes]]) -> None: ...

    def reject(self, request: Pdu, status: int) -> None: ...

    def reject_request(self, sequence_number: int, command_id: int, status: int) -> None: ...

    async def close(self, timeout: float = 5.0) -> None: ...

    def abort(self, reason: str) -> None: ...


OnEvents = Callable[[EsmeSession, list[Event]], None]
"""As smpp.aio.connection.OnEvents. Sessions of a front process tell submit_sm as MessagesChecked."""


@dataclass(slots=True)
class MessagesChecked(Event):
    """submit_sm of one read of a session in a front process, which has made the checks of gateway.sms.check."""

    arrived: float
    """Monotonic seconds; of all processes of a machine the same clock."""
    requests: list[tuple[int, Checked | Unfit]]
    """By sequence number. Each wants a response."""


@dataclass(slots=True)
class DeliveryFailed(Event):
    """A deliver_sm over a session of a front process got no usable answer; the session may go on."""

    delivery: Any
    reason: FailureReason


class EsmeSessions(Protocol):
    """Who accepts enterprises' connections and owns their sessions."""

    tls_port: int
    """Where TLS is listened for; 0 where it is not."""

    @property
    def port(self) -> int: ...

    async def start(self) -> None:
        """Raises OSError, and PkiError for certificates that cannot be used."""

    async def stop(self, drain_s: float) -> None:
        """Takes no more connections, then ends every session in order within `drain_s` seconds."""

    async def call(
        self,
        account: AccountRow,
        password: bytes,
        config: SessionConfig,
        on_open: Callable[[EsmeSession], None],
        on_lost: Callable[[EsmeSession], None],
    ) -> None:
        """Connects to where the account's ESME waits, and sends outbind. `on_open` gets the session before
        anything comes of it, `on_lost` when it is gone. Raises ConnectFailed."""

    def accounts_changed(self) -> None:
        """The directory has another snapshot."""

    def reload(self) -> None:
        """Takes the TLS certificate anew, for connections from now on; the old one stays if it is bad."""
