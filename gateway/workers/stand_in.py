"""A session of a front process, as the gateway's process holds it: what it is told to do goes over the channel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from gateway.workers.channel import Channel
from gateway.workers.wire import (
    REJECTION,
    RESPONSE,
    SECONDS,
    U8,
    U32,
    Asked,
    ToFront,
    pack_config,
    pack_frames,
)
from smpp.aio.connection import CLOSE_LINGER_S
from smpp.codec import encode_body, encode_message_resp
from smpp.constants import CommandId
from smpp.errors import LocalProtocolError
from smpp.events import PendingRequest
from smpp.pdu import Bind, BindTransmitter, Body, Pdu
from smpp.session import SessionConfig
from smpp.versions import Dialect, negotiated

ANSWER_S: Final = 2.0
"""How much longer than the session has to end itself the front process may need to say so."""
TOKEN_MAX: Final = 0xFFFFFFFF


class StandIn:
    """See gateway.sms.esme_session.EsmeSession. What cannot be sent any more is told with the next events."""

    def __init__(self, number: int, peer: tuple[str, int], config: SessionConfig, channel: Channel) -> None:
        self.context: Any = None
        self.peer = peer
        self.certificate: bytes | None = None
        self.tls_version: str | None = None
        self.number = number
        """Names it on the channel."""
        self.is_over = False
        """Whether its ConnectionMustClose was told."""
        self.is_draining = False
        """Whether it was told to end: what comes now came before it knew, and is to be sent again later."""
        self._config = config
        self._channel = channel
        self._dialect = Dialect()
        self._bind: Bind | None = None
        self._is_bound = False
        self._is_unbinding = False
        self._sent: dict[int, Any] = {}
        """Contexts of what wants an answer, by token; bounded by the window."""
        self._token = 0
        self._gone = asyncio.Event()

    # ---- what the rooms read

    @property
    def is_bound(self) -> bool:
        return self._is_bound and not self.is_over

    @property
    def version(self) -> int:
        return self._dialect.version

    @property
    def can_send(self) -> bool:
        return self.is_bound and not self._is_unbinding and not isinstance(self._bind, BindTransmitter)

    @property
    def window_free(self) -> int:
        """0 also while the front process does not read what it was sent."""
        if self._is_unbinding or self._channel.is_choked or not self.is_bound:
            return 0
        return self._config.outbound_window - len(self._sent)

    @property
    def congestion_state(self) -> int | None:
        return self._dialect.congestion

    @congestion_state.setter
    def congestion_state(self, state: int | None) -> None:
        if state is not None:
            self._dialect.congestion = state
            self._tell(ToFront.CONGESTION, U8.pack(state))

    # ---- what the rooms do

    def configure(self, config: SessionConfig) -> None:
        self._config = config
        self._tell(ToFront.CONFIGURE, pack_config(config))

    def accept_bind(self, system_id: bytes = b"") -> None:
        if self.is_over or self._bind is None:
            return
        self._dialect.agree(negotiated(self._bind, None, self._config.interface_version, 0))
        self._is_bound = True
        self._tell(ToFront.ACCEPT, system_id)

    def refuse_bind(self, status: int) -> None:
        self._tell(ToFront.REFUSE, U32.pack(status))

    def request_messages(self, messages: Sequence[tuple[bytes, Any]]) -> int:
        """deliver_sm. Raises LocalProtocolError, and EncodeError when this peer cannot be sent the first."""
        if not self.can_send:
            raise LocalProtocolError("the session is unbinding")
        taken = messages[: max(0, self.window_free)]
        if taken and not self._dialect.takes_tlvs:
            # One by one, so that it is told here which of them such a peer cannot have.
            taken = taken[:1]
            self._dialect.frame(taken[0][0], CommandId.DELIVER_SM)
        if not taken:
            return 0
        tokens = []
        for _, context in taken:
            self._token = token = self._token + 1 if self._token < TOKEN_MAX else 1
            self._sent[token] = context
            tokens.append(token)
        self._tell(ToFront.DELIVER, pack_frames(tokens, [frame for frame, _ in taken]))
        return len(taken)

    def respond(self, sequence_number: int, body: Body, status: int = 0) -> None:
        self._tell(ToFront.RESPOND, encode_body(body, sequence_number, status))

    def respond_message(
        self, sequence_number: int, message_id: bytes = b"", command_id: int | None = None
    ) -> None:
        response = CommandId.SUBMIT_SM_RESP if command_id is None else command_id
        self._tell(ToFront.RESPOND, encode_message_resp(response, sequence_number, message_id))

    def respond_messages(self, answers: Sequence[tuple[int, bytes]]) -> None:
        """The message_ids have 16 octets, as gateway.store.ids makes them."""
        if answers:
            pack = RESPONSE.pack
            self._tell(ToFront.RESPONSES, b"".join([pack(*answer) for answer in answers]))

    def reject(self, request: Pdu, status: int) -> None:
        self.reject_request(request.sequence_number, request.command_id, status)

    def reject_request(self, sequence_number: int, command_id: int, status: int) -> None:
        self._tell(ToFront.REJECT, REJECTION.pack(sequence_number, command_id, status))

    async def close(self, timeout: float = 5.0) -> None:
        self._is_unbinding = self.is_draining = True
        self._tell(ToFront.CLOSE, SECONDS.pack(timeout))
        try:
            async with asyncio.timeout(timeout + CLOSE_LINGER_S + ANSWER_S):
                await self._gone.wait()
        except TimeoutError:
            self.abort("closed")

    def abort(self, reason: str) -> None:
        self._tell(ToFront.ABORT, reason.encode())

    # ---- what the front process told of it

    def asked(self, asked: Asked, bind: Bind) -> None:
        """It asks to bind."""
        self.certificate, self.tls_version, self._bind = asked.certificate, asked.tls_version, bind

    def answered(self, token: int) -> Any:
        """The context of a request that has its answer, or will have none; None for one that waits not."""
        return self._sent.pop(token, None)

    def unbinding(self) -> None:
        """It takes nothing more."""
        self._is_unbinding = True

    def over(self) -> list[PendingRequest]:
        """Its session has ended: the requests that got no answer."""
        self.is_over = True
        sent, self._sent = self._sent, {}
        return [PendingRequest(token, CommandId.DELIVER_SM, context, 0.0) for token, context in sent.items()]

    def gone(self) -> None:
        """Its connection is closed."""
        self._gone.set()

    def _tell(self, kind: int, payload: bytes) -> None:
        if not self.is_over:
            self._channel.send(kind, self.number, payload)
