"""Binding, at either end: the bind that is asked, its answer, and what both ends learn of each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from smpp.codec import encode_body
from smpp.config import SessionConfig
from smpp.constants import Tag
from smpp.errors import LocalProtocolError
from smpp.pdu import RESPONSE_OF, Bind, BindResp, Pdu
from smpp.versions import Dialect, negotiated

BIND_ATTEMPTS_MAX: Final = 3
"""Refused binds after which a message centre closes the connection: guessing costs a connection."""


class Handshake:
    """From bind to bound or refused. At most one bind is open."""

    def __init__(self, config: SessionConfig, dialect: Dialect) -> None:
        self.bind: Bind | None = None
        """The bind that is asked or made; its system_id is who the ESME says it is."""
        self.request: Pdu | None = None
        """The peer's bind that wants an answer."""
        self.refused = 0
        """Binds that were refused on this connection."""
        self._config = config
        self._dialect = dialect

    def ask(self, request: Pdu, bind: Bind) -> None:
        """The peer asks to bind."""
        self.request, self.bind = request, bind

    def accept(self, system_id: bytes, tlvs: Iterable[tuple[int, bytes]]) -> tuple[Pdu, bytes]:
        """The bind that was asked, and its answer. Raises LocalProtocolError when none was, EncodeError."""
        request = self._take()
        assert self.bind is not None
        self._dialect.agree(negotiated(self.bind, None, self._config.interface_version, 0))
        response = RESPONSE_OF[request.command_id]
        assert issubclass(response, BindResp)
        # 3.4, 4.1.2: sc_interface_version tells that we are 3.4 or later; an older ESME gets no TLVs.
        sent = [(int(Tag.SC_INTERFACE_VERSION), bytes((self._config.interface_version,))), *tlvs]
        return request, self._dialect.response(response(system_id, sent), request.sequence_number)

    def refuse(self, status: int) -> bytes:
        """The answer that refuses the bind that was asked. Raises LocalProtocolError when none was."""
        request = self._take()
        self.bind = None
        self.refused += 1
        return encode_body(RESPONSE_OF[request.command_id](), request.sequence_number, status)

    def answered(self, response: BindResp) -> None:
        """Our bind was accepted."""
        assert self.bind is not None
        config = self._config
        self._dialect.agree(negotiated(self.bind, response, config.interface_version, config.silent_version))

    def _take(self) -> Pdu:
        request, self.request = self.request, None
        if request is None:
            raise LocalProtocolError("no bind request is open")
        return request
