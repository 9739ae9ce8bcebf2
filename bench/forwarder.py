"""The least that can stand between an ESME and an SMSC: it swaps the destination of each submit_sm.

`python -m bench.forwarder PORT SMSC_PORT AIDS_FILE`: no store, no policy, no trust party, nothing checked,
nothing survives it. What a gateway costs more than this is what it does for its keep. AIDs become numbers by
a table in memory; receipts go back with the AID in the number's place.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from struct import Struct
from typing import cast

from foundation import loop
from smpp.codec import encode
from smpp.constants import CommandId
from smpp.pdu import BindTransceiver, Pdu

_HEADER = Struct(">IIII")
_SUBMIT_SM, _DELIVER_SM = int(CommandId.SUBMIT_SM), int(CommandId.DELIVER_SM)
_SUBMIT_SM_RESP, _DELIVER_SM_RESP = int(CommandId.SUBMIT_SM_RESP), int(CommandId.DELIVER_SM_RESP)
_RESPONSE = 0x80000000
_FIRST_NUMBER = 8_613_800_000_000


class Forwarder:
    """Both sides and what is under way between them."""

    def __init__(self, aids: list[bytes]) -> None:
        self.number_of = {aid: b"\x01\x01%d\0" % (_FIRST_NUMBER + at) for at, aid in enumerate(aids)}
        self.aid_of = {number[2:-1]: aid for aid, number in self.number_of.items()}
        self.smsc: Smsc | None = None
        self.esmes: list[Esme] = []
        self.turn = 0


class _Side(asyncio.Protocol):
    """One connection: frames in, octets out once a read."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.rest = b""
        self.out: list[bytes] = []
        self.sequence = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def flush(self) -> None:
        if self.out and self.transport is not None:
            self.transport.write(b"".join(self.out))
            self.out.clear()


class Esme(_Side):
    """Towards the enterprise."""

    def __init__(self, forwarder: Forwarder) -> None:
        super().__init__(forwarder)
        self.receipts: dict[int, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.forwarder.esmes.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.forwarder.esmes.remove(self)

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        smsc, number_of = self.forwarder.smsc, self.forwarder.number_of
        assert smsc is not None
        unpack, pack, index, out = _HEADER.unpack_from, _HEADER.pack, data.index, smsc.out
        at, end = 0, len(data)
        while end - at >= 16:
            length, command, status, sequence = unpack(data, at)
            if end - at < length:
                break
            if command == _SUBMIT_SM:
                ton = index(b"\0", index(b"\0", at + 16) + 3) + 1  # after service_type and source_addr
                after = index(b"\0", ton + 2) + 1
                number = number_of[data[ton + 2 : after - 1]]
                smsc.sequence = upward = smsc.sequence % 0x7FFFFFFF + 1
                smsc.submits[upward] = (self, sequence)
                out.append(pack(length + len(number) - (after - ton), _SUBMIT_SM, 0, upward))
                out += (data[at + 16 : ton], number, data[after : at + length])
            elif command == _DELIVER_SM_RESP:
                out.append(pack(17, _DELIVER_SM_RESP, status, self.receipts.pop(sequence)) + b"\0")
            elif not command & _RESPONSE:
                body = b"FORWARD\0" if command != CommandId.ENQUIRE_LINK else b""
                self.out.append(pack(16 + len(body), command | _RESPONSE, 0, sequence) + body)
            at += length
        self.rest = data[at:]
        smsc.flush()
        self.flush()


class Smsc(_Side):
    """Towards the SMSC."""

    def __init__(self, forwarder: Forwarder) -> None:
        super().__init__(forwarder)
        self.submits: dict[int, tuple[Esme, int]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.sequence = 1
        self.out.append(encode(Pdu(BindTransceiver(system_id=b"forward", password=b"forward"), 1)))
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data = self.rest + data
        esmes, aid_of = self.forwarder.esmes, self.forwarder.aid_of
        unpack, pack, index = _HEADER.unpack_from, _HEADER.pack, data.index
        at, end = 0, len(data)
        while end - at >= 16:
            length, command, status, sequence = unpack(data, at)
            if end - at < length:
                break
            if command == _SUBMIT_SM_RESP:
                esme, downward = self.submits.pop(sequence)
                esme.out.append(pack(length, _SUBMIT_SM_RESP, status, downward) + data[at + 16 : at + length])
            elif command == _DELIVER_SM and esmes:
                self.forwarder.turn += 1
                esme = esmes[self.forwarder.turn % len(esmes)]
                esme.sequence = downward = esme.sequence % 0x7FFFFFFF + 1
                esme.receipts[downward] = sequence
                ton = index(b"\0", at + 16) + 1
                after = index(b"\0", ton + 2)
                source = b"\0\0" + aid_of[data[ton + 2 : after]]
                esme.out.append(pack(length + len(source) - (after - ton), _DELIVER_SM, 0, downward))
                esme.out += (data[at + 16 : ton], source, data[after : at + length])
            elif not command & _RESPONSE:
                self.out.append(pack(16, command | _RESPONSE, 0, sequence))
            at += length
        self.rest = data[at:]
        self.flush()
        for esme in esmes:
            esme.flush()


def _aids(file: str) -> list[bytes]:
    return Path(file).read_bytes().split()


async def main(stop: asyncio.Event) -> None:
    """Bind to the SMSC, listen, and forward until told to stop."""
    port, smsc_port, aids_file = sys.argv[1:]
    forwarder = Forwarder(_aids(aids_file))
    running = asyncio.get_running_loop()
    _, forwarder.smsc = await running.create_connection(lambda: Smsc(forwarder), "127.0.0.1", int(smsc_port))
    server = await running.create_server(lambda: Esme(forwarder), "127.0.0.1", int(port))
    await stop.wait()
    server.close()


if __name__ == "__main__":
    loop.run(main)
