"""An SMSC that costs little: it answers each submit_sm with an id and sends its receipt at once.

Nothing is stored and nothing is drawn by chance: it exists so that a bench measures the gateway and not its
peer. `python -m bench.smsc_stub PORT`. For an SMSC that behaves like one, use `ascs sim smsc`.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from struct import Struct
from typing import cast

from foundation import loop
from smpp.constants import CommandId

WINDOW = 1_000
"""Receipts of one session that the ESME has not answered; more wait here."""
AGAIN_S = 0.1
"""A receipt that the ESME would not take is sent again so much later."""
WAITING_MAX = 1_000_000
"""Receipts that wait; an ESME that lets more pile up is disconnected."""

_HEADER = Struct(">IIII")
_OK = 0
_SUBMIT_SM, _SUBMIT_SM_RESP = int(CommandId.SUBMIT_SM), int(CommandId.SUBMIT_SM_RESP)
_DELIVER_SM, _DELIVER_SM_RESP = int(CommandId.DELIVER_SM), int(CommandId.DELIVER_SM_RESP)
_RESPONSE = 0x80000000
_BINDS = {
    int(CommandId.BIND_TRANSMITTER),
    int(CommandId.BIND_RECEIVER),
    int(CommandId.BIND_TRANSCEIVER),
}
_TEXT = b"id:%d sub:001 dlvrd:001 submit date:2411240000 done date:2411240000 stat:DELIVRD err:000 text:"
_ADDRESSES = b"\0\x01\x01%b\0\0\x01%b\0"  # service_type, TON, NPI, MSISDN; TON, NPI, access number
_FIELDS = b"\x04\0\0\0\0\0\0\0\0"  # esm_class: delivery receipt; all else empty or zero
_TLVS = b"\x04\x27\0\x01\x02\0\x1e\0%c%b\0"  # message_state DELIVERED, receipted_message_id


class Session(asyncio.Protocol):
    """One bind."""

    last_id = 0
    refused = 0

    def __init__(self) -> None:
        self._rest = b""
        self._waiting: deque[bytes] = deque()
        self._unanswered: dict[int, bytes] = {}
        self._sequence = 0
        self._due = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.clear()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        out: list[bytes] = []
        unpack, pack = _HEADER.unpack_from, _HEADER.pack
        while end - at >= 16:
            length, command, status, sequence = unpack(data, at)
            if end - at < length:
                break
            if command == _SUBMIT_SM:
                Session.last_id += 1
                message_id = b"%d" % Session.last_id
                out.append(pack(17 + len(message_id), _SUBMIT_SM_RESP, _OK, sequence))
                out.append(message_id + b"\0")
                self._owe(data, at, message_id)
            elif command == _DELIVER_SM_RESP:
                body = self._unanswered.pop(sequence)
                if status:
                    Session.refused += 1
                    asyncio.get_running_loop().call_later(AGAIN_S, self._again, body)
            elif command in _BINDS:
                out.append(pack(21, command | _RESPONSE, _OK, sequence) + b"STUB\0")
            elif not command & _RESPONSE:
                out.append(pack(16, command | _RESPONSE, _OK, sequence))
            at += length
        self._rest = data[at:]
        assert self._transport is not None
        if out:
            self._transport.write(b"".join(out))
        if self._waiting and not self._due:
            # After the responses, as an SMSC would: a receipt that overtakes its response is not the usual case.
            self._due = True
            asyncio.get_running_loop().call_soon(self._send_receipts)

    def _owe(self, data: bytes, at: int, message_id: bytes) -> None:
        source = data.index(b"\0", at + 16) + 3
        source_end = data.index(b"\0", source)
        destination = source_end + 3
        destination_end = data.index(b"\0", destination)
        text = _TEXT % Session.last_id
        self._waiting.append(
            b"".join(
                (
                    _ADDRESSES % (data[destination:destination_end], data[source:source_end]),
                    _FIELDS,
                    bytes((len(text),)),
                    text,
                    _TLVS % (len(message_id) + 1, message_id),
                )
            )
        )

    def _again(self, body: bytes) -> None:
        self._waiting.append(body)
        self._send_receipts()

    def _send_receipts(self) -> None:
        self._due = False
        if self._transport is None:
            return
        if len(self._waiting) > WAITING_MAX:
            self._transport.abort()
            return
        out: list[bytes] = []
        while self._waiting and len(self._unanswered) < WINDOW:
            body = self._waiting.popleft()
            self._sequence = self._sequence % 0x7FFFFFFF + 1
            self._unanswered[self._sequence] = body
            out.append(_HEADER.pack(16 + len(body), _DELIVER_SM, 0, self._sequence))
            out.append(body)
        if out:
            self._transport.write(b"".join(out))


async def main(stop: asyncio.Event) -> None:
    """Listen until told to stop."""
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", int(sys.argv[1]))
    await stop.wait()
    server.close()
    print(f"{Session.last_id} messages, {Session.refused} receipts refused and sent again")


if __name__ == "__main__":
    loop.run(main)
