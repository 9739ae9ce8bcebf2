"""Messages and their plain answers by the list: what a session does most, in as few steps as it can.

Which are these: submit_sm from an ESME, deliver_sm from a message centre, and what answers them with a message_id
alone. Every other PDU, and one of these that is not as usual, is the session's to take one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from smpp.codec import PARSERS, UNREADABLE
from smpp.constants import HEADER_OCTETS, RESPONSE_BIT
from smpp.errors import EncodeError, LocalProtocolError
from smpp.events import MessagesReceived, PendingRequest
from smpp.incoming import Incoming
from smpp.outgoing import Outgoing
from smpp.states import MESSAGE, MESSAGE_RESP, Role
from smpp.versions import Dialect

_unpack_head = struct.Struct(">4xIII").unpack_from
"""command_id, command_status and sequence_number of a frame."""
_pack_number = struct.Struct(">I").pack
_MESSAGE_ID_END: Final = HEADER_OCTETS + 65
"""Where a message_id that begins behind the header must have ended (4.4.2)."""


class Bulk:
    """One session's messages, over what it counts of both directions. What the state allows is asked before."""

    def __init__(self, role: Role, incoming: Incoming, outgoing: Outgoing, dialect: Dialect) -> None:
        self.sends = MESSAGE[role]
        """The command_id of what this end sends."""
        self.takes = MESSAGE["mc" if role == "esme" else "esme"]
        """The command_id of what the peer sends."""
        self._answers = MESSAGE_RESP[role]
        self._answered_by = self.sends | RESPONSE_BIT
        self._parse = PARSERS[self.takes]
        self._incoming = incoming
        self._outgoing = outgoing
        self._dialect = dialect

    def take(self, frame: bytes, received: MessagesReceived, window: int) -> bool:
        """Takes a message while fewer than `window` are unanswered, or a plain answer to one of ours, into
        `received`. False leaves it to be taken as any other PDU, which also finds what is wrong with it."""
        command_id, status, sequence_number = _unpack_head(frame)
        if command_id == self.takes:
            incoming = self._incoming
            if incoming.count >= window:
                return False
            try:
                body = self._parse(frame, len(frame))
            except UNREADABLE:
                return False
            incoming.open[sequence_number] = incoming.open.get(sequence_number, 0) + 1
            incoming.count += 1
            received.requests.append((sequence_number, body, frame))
        elif command_id == self._answered_by:
            pending = self._outgoing.pending
            request = pending.get(sequence_number)
            last = len(frame) - 1
            if (
                request is None
                or request.command_id != self.sends
                or request.done is not None
                # message_id and nothing behind it, or no body at all (4.4.2, 4.6.2).
                or not (last < HEADER_OCTETS or frame.find(b"\0", HEADER_OCTETS, _MESSAGE_ID_END) == last)
            ):
                return False
            del pending[sequence_number]
            received.responses.append((request.context, status, frame[HEADER_OCTETS:last]))
        else:
            return False
        return True

    def send(self, messages: Sequence[tuple[bytes, Any]], now: float, out: list[bytes]) -> int:
        """Puts the frames of (frame, context) of each on `out` with our sequence numbers, and notes them as
        requests; returns how many. It stops at what this peer cannot be sent, and raises EncodeError at the first.
        """
        command_id = self.sends
        adapt = None if self._dialect.takes_tlvs else self._dialect.frame
        take, pending = self._outgoing.take_sequence_number, self._outgoing.pending
        sent = 0
        for frame, context in messages:
            if adapt is not None:
                try:
                    frame = adapt(frame, command_id)
                except EncodeError:
                    if sent:
                        break
                    raise
            number = take()
            out += (frame[:12], _pack_number(number), frame[16:])
            pending[number] = PendingRequest(number, command_id, context, now)
            sent += 1
        return sent

    def answer(self, answers: Sequence[tuple[int, bytes]], out: list[bytes]) -> None:
        """Puts a response with success on `out` for (sequence number, message_id) of each.

        Raises LocalProtocolError when no such request is open.
        """
        command_id, encode = self._answers, self._dialect.message_response
        settle = self._incoming.settle
        for sequence_number, message_id in answers:
            if not settle(sequence_number):
                raise LocalProtocolError("no open request with that sequence number")
            out.append(encode(command_id, sequence_number, message_id))
