"""What a peer's interface version lets it be sent (3.4, 3.4; 5.0, 4.8.4.18).

A peer of version 3.3 or older knows no TLVs; congestion_state came with 5.0.
"""

from __future__ import annotations

from copy import copy
from typing import Any, Final, cast

from smpp.codec import encode_body, encode_message_resp
from smpp.composites import build_tlvs, parse_tlvs
from smpp.constants import VERSION_3_4, VERSION_5_0, Tag
from smpp.errors import EncodeError
from smpp.pdu import Bind, BindResp, Body, tlv
from smpp.splice import SPLICED, locate

CONGESTION_MAX: Final = 100
"""5.0, 4.8.4.18: 0 is idle, 90 to 99 nearing congestion, 100 congested; higher values are reserved."""


def negotiated(bind: Bind, answer: BindResp | None, ours: int, silent: int) -> int:
    """The version that both ends speak: of the ESME by its bind, of the message centre by `ours`, or by the
    answer's sc_interface_version where an answer is given (`silent` when it has none)."""
    if answer is None:
        return min(bind.interface_version, ours)
    told = tlv(answer, Tag.SC_INTERFACE_VERSION)
    return min(bind.interface_version, told[0] if told else silent)


def _with_tlvs(body: Body, tlvs: list[tuple[int, bytes]]) -> Body:
    changed: Any = copy(body)
    changed.tlvs = tlvs
    return cast(Body, changed)


class Dialect:
    """How one peer is spoken to: by the version that both ends know, and with what it may hear of us."""

    def __init__(self) -> None:
        self.version = VERSION_3_4
        """The version both ends speak, once it is known."""
        self._congestion: int | None = None
        self._congestion_tlvs: list[tuple[int, bytes]] = []
        self._after_message_id = b""
        self._plain = True
        """Whether responses go out as they are."""

    def agree(self, version: int) -> None:
        """Takes the version that was negotiated."""
        self.version = version
        told = self._congestion is not None and version >= VERSION_5_0
        self._congestion_tlvs = [(int(Tag.CONGESTION_STATE), bytes((self._congestion or 0,)))] if told else []
        self._after_message_id = build_tlvs(self._congestion_tlvs)
        self._plain = version >= VERSION_3_4 and not told

    @property
    def congestion(self) -> int | None:
        """What responses say of how busy we are; to a peer below 5.0 they say nothing."""
        return self._congestion

    @congestion.setter
    def congestion(self, state: int | None) -> None:
        if state is not None and not 0 <= state <= CONGESTION_MAX:
            raise ValueError(f"congestion_state: 0 to {CONGESTION_MAX}")
        self._congestion = state
        self.agree(self.version)

    @property
    def takes_tlvs(self) -> bool:
        """Whether this peer knows TLVs."""
        return self.version >= VERSION_3_4

    def response(self, body: Body, sequence_number: int, status: int = 0) -> bytes:
        """The encoded response as this peer may have it. Raises EncodeError."""
        if not self._plain:
            known = self.version >= VERSION_3_4
            body = _with_tlvs(body, [*body.tlvs, *self._congestion_tlvs] if known else [])
        return encode_body(body, sequence_number, status)

    def message_response(self, command_id: int, sequence_number: int, message_id: bytes) -> bytes:
        """As `response`, of a body that has message_id alone, with status 0."""
        return encode_message_resp(command_id, sequence_number, message_id, self._after_message_id)

    def request(self, body: Body) -> Body:
        """The request as this peer may have it.

        Raises EncodeError when the text itself is a TLV: leaving it out would send another message.
        """
        if self.version >= VERSION_3_4 or not body.tlvs or isinstance(body, Bind):
            return body
        if tlv(body, Tag.MESSAGE_PAYLOAD) is not None:
            raise EncodeError("message_payload to a peer of version 3.3")
        return _with_tlvs(body, [])

    def frame(self, frame: bytes, command_id: int) -> bytes:
        """As `request`, of an encoded submit_sm or deliver_sm. Other frames are not looked into."""
        if self.version >= VERSION_3_4 or command_id not in SPLICED:
            return frame
        end = locate(frame).tlvs
        if any(tag == Tag.MESSAGE_PAYLOAD for tag, _ in parse_tlvs(frame, end, len(frame), False)):
            raise EncodeError("message_payload to a peer of version 3.3")
        return end.to_bytes(4, "big") + frame[4:end]
