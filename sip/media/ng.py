"""Requests of rtpengine's NG protocol over UDP: cookies, repeats, deadlines. No sockets, `now` is given.

A datagram is a cookie, a space and a bencoded dictionary; the answer bears the same cookie. rtpengine answers a
cookie that it has seen with the answer of then, so that a repeat does nothing twice.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from sip.media.bencode import BencodeError, Value, decode, encode

__all__ = ["NgRequests", "TooManyRequests"]

REPEAT_S = (0.1, 0.3, 0.7, 1.2)
"""Seconds after the first sending at which an unanswered request is sent again."""
DEADLINE_S = 2.0
PENDING_MAX = 10_000
"""Requests without an answer; each is forgotten at its deadline."""


class TooManyRequests(Exception):
    """PENDING_MAX requests wait for their answers."""


@dataclass(slots=True)
class _Pending:
    datagram: bytes
    began: float
    repeats: int = 0

    @property
    def due(self) -> float:
        return self.began + (REPEAT_S[self.repeats] if self.repeats < len(REPEAT_S) else DEADLINE_S)


class NgRequests:
    """The requests to one rtpengine that are under way."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}
        self._instance = secrets.token_hex(6)
        self._count = 0

    def __len__(self) -> int:
        return len(self._pending)

    def request(self, command: Mapping[str, Value], now: float) -> tuple[str, bytes]:
        """A new request: its cookie, and the datagram to send. Raises TooManyRequests."""
        if len(self._pending) >= PENDING_MAX:
            raise TooManyRequests
        self._count += 1
        cookie = f"{self._instance}_{self._count}"
        datagram = cookie.encode() + b" " + encode(command)
        self._pending[cookie] = _Pending(datagram, now)
        return cookie, datagram

    def receive(self, datagram: bytes) -> tuple[str, dict[str, Value]] | None:
        """The request that a datagram answers, with the answer; None for what answers nothing."""
        cookie, _, body = datagram.partition(b" ")
        name = cookie.decode("ascii", "replace")
        if name not in self._pending:
            return None  # a repeat's second answer, one after the deadline, or a stranger's
        try:
            answer = decode(body)
        except BencodeError:
            return None
        if not isinstance(answer, dict):
            return None
        del self._pending[name]
        return name, answer

    def forget(self, cookie: str) -> None:
        """Nobody waits for this answer any more."""
        self._pending.pop(cookie, None)

    def advance(self, now: float) -> tuple[list[bytes], list[str]]:
        """Datagrams to send again, and cookies of the requests whose deadline is over."""
        again: list[bytes] = []
        expired: list[str] = []
        for cookie, pending in self._pending.items():
            if now < pending.due:
                continue
            if pending.repeats == len(REPEAT_S):
                expired.append(cookie)
                continue
            while pending.repeats < len(REPEAT_S) and now >= pending.due:
                pending.repeats += 1
            again.append(pending.datagram)
        for cookie in expired:
            del self._pending[cookie]
        return again, expired

    @property
    def next_due(self) -> float | None:
        """When `advance` has something to do."""
        return min((pending.due for pending in self._pending.values()), default=None)
