"""All front processes of a gateway: who gets which connection, and another for each that ends.

Connections are accepted here and handed on, so that the caps hold over all of them, the one with fewest gets the next,
and nobody accepts any more the moment this process is gone.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from foundation.tasks import end
from gateway.access_number import AccessNumberRow
from gateway.accounts.account_options import host_and_port
from gateway.accounts.directory import Directory
from gateway.records import metrics
from gateway.sms.esme_session import EsmeSession, OnEvents
from gateway.sms.server_tls import ServerTls
from gateway.sms.session_config import session_config
from gateway.sms_settings import SmppSettings, SmsSettings
from gateway.store.accounts import AccountRow
from gateway.workers.stand_in import StandIn
from gateway.workers.wire import PLAIN, TLS, ToFront, pack_call, pack_json, pack_numbers
from gateway.workers.worker import SILENT_LOOKS, Process, Spawn, Worker, WorkerFailed
from smpp.aio.acceptor import Acceptor
from smpp.aio.client import ConnectFailed
from smpp.pdu import Outbind
from smpp.session import SessionConfig

RESTART_MIN_S: Final = 0.2
RESTART_MAX_S: Final = 30.0
"""From the end of a front process to the next start: it doubles, until one lives for RESTART_MAX_S."""
LOOK_S: Final = 1.0
CALL_S: Final = 15.0
"""For an outbind's connection, more than the front process has for it."""
NUMBER_MAX: Final = 0xFFFFFFFF

_log = logging.getLogger(__name__)


class WorkerPool:
    """See gateway.sms.esme_session.EsmeSessions, and gateway.workers.worker.Owner."""

    def __init__(
        self,
        smpp: SmppSettings,
        sms: SmsSettings,
        directory: Directory,
        spawn: Spawn,
        on_events: OnEvents,
        on_throttled: Callable[[str, int], None],
        on_resumed: Callable[[Sequence[EsmeSession]], None],
    ) -> None:
        """`on_throttled`: messages of an account that a front
        process answered so by itself. `on_resumed`: sessions that have room again."""
        self.on_events = on_events
        self._on_throttled = on_throttled
        self.resumed = on_resumed
        self.tls_port = 0
        self._spawn = spawn
        self._smpp = smpp
        self._sections = {"smpp": smpp.model_dump(mode="json"), "sms": sms.model_dump(mode="json")}
        self._directory = directory
        self._config = session_config(smpp)
        self._workers: dict[str, Worker] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._acceptor = Acceptor(
            self._accepted,
            connections_max=self._smpp.connections_max,
            address_connections_max=self._smpp.address_connections_max,
        )
        self._on_lost: dict[StandIn, Callable[[EsmeSession], None]] = {}
        """Of sessions that were called: who hears of their end."""
        self._number = 0
        self._stopping = False

    @property
    def port(self) -> int:
        return self._acceptor.port

    @property
    def state(self) -> str:
        """For /health."""
        serving = sum(worker.serves for worker in self._workers.values())
        return "down" if not serving else "ok" if serving == self._smpp.workers else "degraded"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that serve."""
        return {name: worker.pid for name, worker in self._workers.items() if worker.serves}

    async def start(self) -> None:
        tls = self._smpp.tls
        if tls is not None:
            ServerTls(tls)  # each process has its own; what is wrong with it is said here
        names = [f"front-{index}" for index in range(1, self._smpp.workers + 1)]
        try:
            await asyncio.gather(*(self._start(name) for name in names))
        except WorkerFailed as error:
            await self.stop(0.0)
            raise OSError(str(error)) from error
        self._keepers = [asyncio.create_task(self._keep(name), name=name) for name in names]
        await self._acceptor.listen(self._smpp.host, self._smpp.port, PLAIN)
        if tls is not None:
            self.tls_port = await self._acceptor.listen(tls.host, tls.port, TLS)

    async def stop(self, drain_s: float) -> None:
        self._stopping = True
        await self._acceptor.stop()
        sessions = [each for worker in self._workers.values() for each in worker.sessions.values()]
        await asyncio.gather(*(session.close(drain_s) for session in sessions))
        await end(*self._keepers)
        await asyncio.gather(*(worker.stop() for worker in self._workers.values()))
        self._measure()

    async def call(
        self,
        account: AccountRow,
        password: bytes,
        config: SessionConfig,
        on_open: Callable[[EsmeSession], None],
        on_lost: Callable[[EsmeSession], None],
    ) -> None:
        assert account.outbind is not None
        worker = next(iter(self._by_load()), None)
        if worker is None or self._stopping:
            raise ConnectFailed("no front process serves")
        host, port = host_and_port(account.outbind)
        session = StandIn(self._next_number(), (host, port), config, worker.channel)
        told: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        worker.call(session, lambda why: None if told.done() else told.set_result(why))
        on_open(session)
        self._on_lost[session] = on_lost
        outbind = Outbind(self._smpp.system_id.encode(), password)
        worker.channel.send(ToFront.CALL, session.number, pack_call(host, port, outbind, config))
        try:
            async with asyncio.timeout(CALL_S):
                why = await told
        except TimeoutError:
            session.abort("timed out")
            raise ConnectFailed("timed out") from None
        if why is not None:
            raise ConnectFailed(why)

    def accounts_changed(self) -> None:
        self._tell_all(ToFront.NUMBERS, self._numbers())

    def reload(self) -> None:
        self._tell_all(ToFront.RELOAD, b"")

    # ---- gateway.workers.worker.Owner

    def number_of(self, address: str) -> AccessNumberRow | None:
        return self._directory.access_number(address)

    def throttled(self, system_id: str, messages: int) -> None:
        if self._directory.account(system_id) is not None:  # else there would be a series of whatever it says
            self._on_throttled(system_id, messages)

    def gone(self, session: StandIn) -> None:
        self._acceptor.forget(session)
        on_lost = self._on_lost.pop(session, None)
        if on_lost is not None:
            on_lost(session)

    # ---- connections

    def _accepted(self, sock: socket.socket, peer: tuple[str, int], kind: int) -> StandIn | None:
        for worker in self._by_load():
            session = StandIn(self._next_number(), peer, self._config, worker.channel)
            if worker.hand(sock, session, kind):
                return session
        _log.warning("connection from %s refused: no front process takes it", peer[0])
        sock.close()
        return None

    def _by_load(self) -> list[Worker]:
        """Those that serve, the one with fewest sessions first."""
        able = [each for each in self._workers.values() if each.serves and not each.channel.is_choked]
        return sorted(able, key=lambda each: len(each.sessions))

    def _next_number(self) -> int:
        self._number = self._number + 1 if self._number < NUMBER_MAX else 1
        return self._number

    # ---- processes

    async def _start(self, name: str) -> None:
        worker = self._workers[name] = Worker(name, self)
        await worker.start(self._spawn, self._first)
        self._measure()

    async def _keep(self, name: str) -> None:
        """Another process whenever this one has ended."""
        loop = asyncio.get_running_loop()
        pause = RESTART_MIN_S
        while True:
            began = loop.time()
            await self._until_ended(self._workers[name])
            code = await self._workers[name].stop()
            metrics.FRONT_ENDS.inc()
            self._measure()
            if loop.time() - began > RESTART_MAX_S:
                pause = RESTART_MIN_S
            _log.error("%s ended with status %d; another follows in %.1f s", name, code, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RESTART_MAX_S)
            try:
                await self._start(name)
                _log.info("%s serves again, process %d", name, self._workers[name].pid)
            except WorkerFailed as error:
                _log.error("%s", error)

    async def _until_ended(self, worker: Worker) -> None:
        while not worker.ended.is_set():
            try:
                async with asyncio.timeout(LOOK_S):
                    await worker.ended.wait()
            except TimeoutError:
                worker.quiet += 1
                self._measure()
                if worker.quiet == SILENT_LOOKS:
                    _log.error("%s says nothing and is ended", worker.name)
                    worker.kill()

    def _measure(self) -> None:
        metrics.FRONT_WORKERS.set(sum(worker.serves for worker in self._workers.values()))
        for name, worker in self._workers.items():
            metrics.FRONT_SESSIONS.labels(name).set(len(worker.sessions))

    def _tell_all(self, kind: int, payload: bytes) -> None:
        for worker in self._workers.values():
            worker.channel.send(kind, 0, payload)

    def _first(self) -> list[tuple[int, bytes]]:
        """What a front process begins with."""
        return [(ToFront.SETTINGS, pack_json(self._sections)), (ToFront.NUMBERS, self._numbers())]

    def _numbers(self) -> bytes:
        return pack_numbers(self._directory.current.access_numbers)


async def spawn_process(logs: Path, level: str, name: str, channel: int, handed: int) -> Process:
    """A gateway.workers.worker.Spawn, once it is known where and how much the processes log."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.workers.process",
        "--name", name, "--channel", str(channel), "--handed", str(handed),
        "--logs", str(logs), "--log-level", level,
        pass_fds=(channel, handed),
        stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
