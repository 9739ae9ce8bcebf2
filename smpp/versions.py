"""What a peer's interface version lets it be sent (3.4, 3.4; 5.0, 2.9 and 4.8.4.18).

A peer of version 3.3 or older knows no TLVs; congestion_state came with 5.0.
"""

from __future__ import annotations

from copy import copy
from typing import Any, Final, cast

from smpp.composites import parse_tlvs
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


def congestion_tlv(state: int | None, version: int) -> list[tuple[int, bytes]]:
    """What a response says of how busy we are; nothing to a peer that would not understand it."""
    if state is None or version < VERSION_5_0:
        return []
    return [(int(Tag.CONGESTION_STATE), bytes((state,)))]


def _with_tlvs(body: Body, tlvs: list[tuple[int, bytes]]) -> Body:
    changed: Any = copy(body)
    changed.tlvs = tlvs
    return cast(Body, changed)


def response_for(body: Body, version: int, more: list[tuple[int, bytes]]) -> Body:
    """The response as that peer may have it: with `more` TLVs, or with none."""
    if version < VERSION_3_4:
        return _with_tlvs(body, []) if body.tlvs else body
    return _with_tlvs(body, [*body.tlvs, *more]) if more else body


def request_for(body: Body, version: int) -> Body:
    """The request as that peer may have it.

    Raises EncodeError when the text itself is a TLV: leaving it out would send another message.
    """
    if version >= VERSION_3_4 or not body.tlvs:
        return body
    if tlv(body, Tag.MESSAGE_PAYLOAD) is not None:
        raise EncodeError("message_payload to a peer of version 3.3")
    return _with_tlvs(body, [])


def frame_for(frame: bytes, command_id: int, version: int) -> bytes:
    """As `request_for`, of an encoded submit_sm or deliver_sm. Other frames are not looked into."""
    if version >= VERSION_3_4 or command_id not in SPLICED:
        return frame
    end = locate(frame).tlvs
    if any(tag == Tag.MESSAGE_PAYLOAD for tag, _ in parse_tlvs(frame, end, len(frame), False)):
        raise EncodeError("message_payload to a peer of version 3.3")
    return end.to_bytes(4, "big") + frame[4:end]
