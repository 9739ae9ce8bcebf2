"""A front process: enterprises' SMPP without store, numbers and keys. Started by gateway.workers.worker."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from foundation import loop as loops
from foundation.logs import setup
from gateway.sms.session_config import session_config
from gateway.sms_settings import SmppSettings, SmsSettings
from gateway.workers.channel import Channel, Message
from gateway.workers.sessions import FrontSessions
from gateway.workers.wire import HANDED, TLS, ToFront, ToStore

TALLY_S: Final = 1.0
HANDED_AT_ONCE: Final = 16
"""Connections taken in one turn of the loop."""

_log = logging.getLogger(__name__)


class FrontProcess:
    """Reads the channel and the socket on which accepted connections come."""

    def __init__(self, handed: socket.socket) -> None:
        self._handed = handed
        self._channel = Channel(self._take, self._lost)
        self._sessions: FrontSessions | None = None
        self._ended = asyncio.Event()

    async def run(self, channel: socket.socket) -> None:
        """Returns when the gateway's process is gone: with it goes all that could be done here."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._channel, sock=channel)
        tally = asyncio.create_task(self._tally())
        try:
            await self._ended.wait()
        finally:
            tally.cancel()
            with contextlib.suppress(OSError, ValueError):
                loop.remove_reader(self._handed.fileno())
            self._channel.abort()
            if self._sessions is not None:
                self._sessions.cut()

    def _take(self, messages: list[Message]) -> None:
        if self._sessions is None:
            kind, _, payload = messages.pop(0)
            assert kind == ToFront.SETTINGS
            told = json.loads(payload)
            smpp = SmppSettings.model_validate(told["smpp"])
            sms = SmsSettings.model_validate(told["sms"])
            self._sessions = FrontSessions(self._channel, smpp, sms, session_config(smpp))
            self._handed.setblocking(False)
            asyncio.get_running_loop().add_reader(self._handed.fileno(), self._take_connections)
            self._channel.send(ToStore.READY)
        self._sessions.take(messages)

    def _take_connections(self) -> None:
        assert self._sessions is not None
        for _ in range(HANDED_AT_ONCE):
            try:
                told, descriptors, _, _ = socket.recv_fds(self._handed, HANDED.size, 1)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                told, descriptors = b"", []
            if not told:
                self._lost()
                return
            number, kind = HANDED.unpack(told)
            if not descriptors:
                _log.error("a connection came without a descriptor: too many are open")
                self._channel.send(ToStore.GONE, number)
                continue
            sock = socket.socket(fileno=descriptors[0])
            sock.setblocking(False)
            self._sessions.open(sock, number, over_tls=kind == TLS)

    def _lost(self) -> None:
        self._ended.set()

    async def _tally(self) -> None:
        while True:
            await asyncio.sleep(TALLY_S)
            if self._sessions is not None:
                self._sessions.tally()


async def _run(channel: socket.socket, handed: socket.socket) -> None:
    # Whoever ends the gateway and its group ends the gateway: it drains, and then closes the channel.
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    await FrontProcess(handed).run(channel)


def main(arguments: Sequence[str] | None = None) -> None:
    """Until the gateway's process is gone."""
    parser = argparse.ArgumentParser(
        description="SMPP sessions of enterprises, for the gateway that starts it"
    )
    parser.add_argument("--name", required=True, help="of the log")
    parser.add_argument("--channel", type=int, required=True, help="descriptor of a stream to the gateway")
    parser.add_argument("--handed", type=int, required=True, help="descriptor on which connections come")
    parser.add_argument("--logs", type=Path, required=True, help="where <name>.log goes")
    parser.add_argument("--log-level", default="INFO")
    given = parser.parse_args(arguments)
    setup(given.name, given.logs, given.log_level)
    channel, handed = socket.socket(fileno=given.channel), socket.socket(fileno=given.handed)
    loops.run(lambda _stop: _run(channel, handed))
    # Sessions whose gateway is gone are not drained: nothing of theirs can be answered.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
