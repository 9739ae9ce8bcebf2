"""An ESME that loads a gateway and measures it, at a small part of the gateway's own cost.

`python -m bench.esme_load HOST PORT SYSTEM_ID PASSWORD SOURCE AIDS_FILE BINDS WINDOW SEED`, then one JSON
object a line on stdin for each stage: {"seconds": s, "rate": messages a second or null for as fast as the
windows allow, "most": messages}. One line of JSON answers when every message has its receipt, or nothing
came for QUIET_S. submit_sm are cut from prepared octets, and what comes back is read in place.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import sys
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from time import perf_counter
from typing import Any, cast

from foundation import loop
from smpp.codec import encode
from smpp.constants import CommandId, DataCoding
from smpp.pdu import BindTransceiver, Pdu, SubmitSm
from smpp.text import encode_text

TICK_S = 0.002
"""How often a paced stage sends what is due."""
QUIET_S = 5.0
"""Without any answer or receipt for so long, a stage is over and what is missing is lost."""
BACKOFF_S = 0.05
"""How long a throttled window slot stays shut."""
BIND_S = 10.0
TEXTS = 997
"""Different texts, so that no two messages in a row are alike."""

_HEADER = Struct(">IIII")
_DELIVERED = Struct(">IIIIB")
"""deliver_sm_resp: its message_id is a lone NUL (SMPP 3.4, 4.6.2)."""
_SEQUENCE = Struct(">I")
_SUBMIT_SM_RESP = int(CommandId.SUBMIT_SM_RESP)
_DELIVER_SM, _DELIVER_SM_RESP = int(CommandId.DELIVER_SM), int(CommandId.DELIVER_SM_RESP)
_BIND_RESP = int(CommandId.BIND_TRANSCEIVER_RESP)
_RESPONSE = 0x80000000
_AID = b"8" * 18


class Load:
    """What all binds share: AIDs, texts, the stage under way and what was measured in it."""

    def __init__(self, source: bytes, aids: list[bytes], window: int, seed: int) -> None:
        self.window = window
        self.sessions: list[Session] = []
        drawn = list(aids)
        random.Random(seed).shuffle(drawn)
        frames = [_cut(source, number) for number in range(TEXTS)]
        self.head = frames[0][0]
        self.parts: Iterator[tuple[bytes, bytes, bytes]] = (
            (middle, aid, end)
            for aid, (_, middle, end) in zip(itertools.cycle(drawn), itertools.cycle(frames), strict=False)
        )
        self.begin(0)

    def begin(self, most: int) -> None:
        """Forget the last stage."""
        self.allowed = 0
        self.most = most
        self.sent = 0
        self.answered = 0
        self.to_response = array("d")
        self.to_receipt = array("d")
        self.receipt_times = array("d")
        self.sent_at: dict[bytes, float] = {}
        self.early: dict[bytes, float] = {}
        self.statuses: Counter[int] = Counter()
        self.failures = 0
        self.last = perf_counter()

    @property
    def done(self) -> bool:
        """Everything sent is answered, and everything accepted has its receipt."""
        return self.answered == self.sent and len(self.to_receipt) == len(self.to_response)

    async def stage(self, seconds: float, rate: float | None, most: int) -> dict[str, Any]:
        """Load for so long, wait for the rest, and say what was measured."""
        self.begin(most)
        start = perf_counter()
        end = start + seconds
        if rate is None:
            self.allowed = most
            for session in self.sessions:
                session.fill()
            while perf_counter() < end and self.sent < most:  # noqa: ASYNC110 - what it waits for is time
                await asyncio.sleep(TICK_S * 5)
        else:
            while (now := perf_counter()) < end and self.sent < most:
                self.allowed = min(most, int((now - start) * rate))
                self._share()
                await asyncio.sleep(TICK_S)
        self.allowed = self.sent
        stopped = perf_counter()
        while not self.done and perf_counter() - self.last < QUIET_S:  # noqa: ASYNC110 - as above
            await asyncio.sleep(TICK_S)
        return self._result(start, stopped)

    def _share(self) -> None:
        due = self.allowed - self.sent
        each = -(-due // len(self.sessions))
        for session in self.sessions:
            session.fill(each)

    def _result(self, start: float, stopped: float) -> dict[str, Any]:
        received = len(self.to_receipt)
        last = max(self.receipt_times, default=start)
        buckets = Counter(int(at - start) for at in self.receipt_times)
        return {
            "sent": self.sent,
            "accepted": len(self.to_response),
            "received": received,
            "sending_s": stopped - start,
            "whole_s": last - start,
            "rate": received / (last - start) if received else 0.0,
            "accepted_rate": sum(1 for _ in self.to_response) / (stopped - start),
            "receipts_while_sending": sum(1 for at in self.receipt_times if at <= stopped),
            "statuses": {f"0x{status:08x}": count for status, count in sorted(self.statuses.items())},
            "failures": self.failures,
            "missing": len(self.to_response) - received,
            "response_ms": _percentiles(self.to_response),
            "receipt_ms": _percentiles(self.to_receipt),
            "each_second": [buckets[second] for second in range(int(stopped - start))],
        }


def _cut(source: bytes, number: int) -> tuple[bytes, bytes, bytes]:
    """A submit_sm of one full UCS-2 part in three: up to the sequence number, up to the AID, after it."""
    _, text = encode_text(
        f"【顺达快递】您的快件{number:04d}已到达驿站，请凭取件码{number * 7 % 10_000:04d}领取，"
    )
    text = (text + encode_text("逾期将退回，感谢您的支持。" * 6)[1])[:140]
    frame = encode(
        Pdu(
            SubmitSm(
                source_addr_npi=1,
                source_addr=source,
                dest_addr_npi=1,
                destination_addr=_AID,
                registered_delivery=1,
                data_coding=DataCoding.UCS2,
                short_message=text,
            )
        )
    )
    at = frame.index(_AID)
    return frame[:12], frame[16:at], frame[at + len(_AID) :]


def _percentiles(values: array[float]) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {
        name: round(ordered[min(last, int(len(ordered) * share))] * 1000, 3)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
    }


class Session(asyncio.Protocol):
    """One transceiver."""

    def __init__(self, load: Load, bind: bytes) -> None:
        self._load = load
        self._bind = bind
        self._rest = b""
        self._sequence = 1
        self._waiting: dict[int, float] = {}
        self._shut = 0
        self._transport: asyncio.Transport | None = None
        self.bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._bind)

    def connection_lost(self, exc: Exception | None) -> None:
        sys.exit("the gateway closed the connection")

    def fill(self, most: int = 1_000_000_000) -> None:
        """Send what window, stage and `most` allow."""
        load = self._load
        count = min(load.window - len(self._waiting) - self._shut, load.allowed - load.sent, most)
        if count <= 0:
            return
        head, pack, waiting, parts = load.head, _SEQUENCE.pack, self._waiting, load.parts
        sequence, now = self._sequence, perf_counter()
        out: list[bytes] = []
        for middle, aid, end in itertools.islice(parts, count):
            sequence = sequence % 0x7FFFFFFF + 1
            waiting[sequence] = now
            out += (head, pack(sequence), middle, aid, end)
        self._sequence = sequence
        load.sent += count
        assert self._transport is not None
        self._transport.write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        load, waiting = self._load, self._waiting
        sent_at, early, unpack = load.sent_at, load.early, _HEADER.unpack_from
        at, end, now = 0, len(data), perf_counter()
        load.last = now
        out: list[bytes] = []
        while end - at >= 16:
            length, command, status, sequence = unpack(data, at)
            if end - at < length:
                break
            if command == _SUBMIT_SM_RESP:
                began = waiting.pop(sequence)
                load.answered += 1
                if status:
                    self._refused(status)
                else:
                    load.to_response.append(now - began)
                    message_id = data[at + 16 : data.index(b"\0", at + 16)]
                    came = early.pop(message_id, None)
                    if came is None:
                        sent_at[message_id] = began
                    else:
                        load.to_receipt.append(came - began)
                        load.receipt_times.append(came)
            elif command == _DELIVER_SM:
                out.append(_DELIVERED.pack(17, _DELIVER_SM_RESP, 0, sequence, 0))
                begin = data.index(b"id:", at + 16) + 3
                message_id = data[begin : data.index(b" ", begin)]
                if data.find(b"stat:DELIVRD", begin, at + length) < 0:
                    load.failures += 1
                first = sent_at.pop(message_id, None)
                if first is None:
                    early[message_id] = now
                else:
                    load.to_receipt.append(now - first)
                    load.receipt_times.append(now)
            elif command == _BIND_RESP:
                self.bound.set_result(status)
            elif not command & _RESPONSE:
                out.append(_HEADER.pack(16, command | _RESPONSE, 0, sequence))
            at += length
        self._rest = data[at:]
        if out:
            assert self._transport is not None
            self._transport.write(b"".join(out))
        self.fill()

    def _refused(self, status: int) -> None:
        self._load.statuses[status] += 1
        self._shut += 1
        asyncio.get_running_loop().call_later(BACKOFF_S, self._open)

    def _open(self) -> None:
        self._shut -= 1
        self.fill()


def _aids(file: str) -> list[bytes]:
    return Path(file).read_bytes().split()


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def main(stop: asyncio.Event) -> None:
    """Bind, then run the stages that stdin names until it ends."""
    host, port, system_id, password, source, aids_file, binds, window, seed = sys.argv[1:]
    load = Load(source.encode(), _aids(aids_file), int(window), int(seed))
    bind = encode(Pdu(BindTransceiver(system_id=system_id.encode(), password=password.encode()), 1))
    for _ in range(int(binds)):
        _, session = await asyncio.get_running_loop().create_connection(
            lambda: Session(load, bind), host, int(port)
        )
        async with asyncio.timeout(BIND_S):
            status = await session.bound
        if status:
            sys.exit(f"bind refused with status 0x{status:x}")
        load.sessions.append(session)
    print(json.dumps({"bound": len(load.sessions)}), flush=True)
    lines = await _lines()
    while not stop.is_set() and (line := await lines.readline()):
        print(json.dumps(await load.stage(**json.loads(line))), flush=True)


if __name__ == "__main__":
    loop.run(main)
