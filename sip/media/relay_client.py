"""Starts the relay process and speaks to it: the MediaControl of an installation without rtpengine."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sip.media.control import (
    SIDES,
    MediaError,
    MediaPorts,
    MediaStats,
    MediaUnavailable,
    RemoteMedia,
    Side,
)
from sip.media.relay_control import (
    ControlFramer,
    RelayConfig,
    frame,
    ports_from,
    remote_to,
    stats_from,
)

__all__ = ["RelayClient", "RelayConfig"]

REQUEST_DEADLINE_S = 2.0
START_DEADLINE_S = 15.0
STOP_DEADLINE_S = 3.0
PENDING_MAX = 10_000
"""Requests under way; more are refused as unavailable."""


class RelayClient:
    """A running relay process. Made by `RelayClient.start`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process
        self._channel: asyncio.Transport
        self._pending: dict[int, tuple[asyncio.Future[Any], float]] = {}
        """By number, the oldest first: who waits, and until when."""
        self._loop = asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = None
        self._next_id = 0
        self._watch: asyncio.Task[None]
        self._ended = False
        self._stopping = False

    @classmethod
    async def start(
        cls,
        config: RelayConfig,
        *,
        command: Sequence[str] | None = None,
        on_exit: Callable[[int], None] | None = None,
    ) -> "RelayClient":
        """Start the process `command` (this module's relay_process by default) and wait until it serves.

        `on_exit` is told the exit code when the process ends without `stop`. Raises MediaUnavailable.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        client = cls()
        program = list(command or (sys.executable, "-m", "sip.media.relay_process"))
        try:
            with theirs:
                client._process = await asyncio.create_subprocess_exec(
                    *program,
                    "--fd",
                    str(theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                )
        except OSError as error:
            ours.close()
            raise MediaUnavailable("the relay did not start") from error
        client._channel, _ = await client._loop.create_unix_connection(lambda: _Channel(client), sock=ours)
        ready: asyncio.Future[Any] = client._loop.create_future()
        client._pending[0] = (ready, client._loop.time() + START_DEADLINE_S)
        client._watch = asyncio.create_task(client._wait(on_exit))
        client._channel.write(frame(asdict(config)))
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                await ready
        except (TimeoutError, MediaError) as error:
            await client.stop()
            raise MediaUnavailable("the relay did not start") from error
        return client

    @property
    def running(self) -> bool:
        """Whether the process serves."""
        return not self._ended

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def create(
        self,
        call_id: str,
        *,
        gate_a: bool = True,
        gate_b: bool = True,
        networks: tuple[Side, Side] = SIDES,
        told: tuple[Side, RemoteMedia] | None = None,
    ) -> MediaPorts:
        """See MediaControl."""
        side, remote = (None, None) if told is None else (told[0], remote_to(told[1]))
        return ports_from(
            await self._request(
                "create",
                call_id=call_id,
                gate_a=gate_a,
                gate_b=gate_b,
                networks=networks,
                side=side,
                remote=remote,
            )
        )

    async def update(
        self, call_id: str, side: Side, remote: RemoteMedia, *, opens: Side | None = None
    ) -> None:
        """See MediaControl."""
        await self._request("update", call_id=call_id, side=side, remote=remote_to(remote), opens=opens)

    async def gate(self, call_id: str, side: Side, open: bool) -> None:
        """See MediaControl."""
        await self._request("gate", call_id=call_id, side=side, open=open)

    async def stats(self, call_id: str) -> MediaStats:
        """See MediaControl."""
        return stats_from(await self._request("stats", call_id=call_id))

    async def silent(self, seconds: float) -> list[tuple[str, Side]]:
        """See MediaControl."""
        return [(call_id, side) for call_id, side in await self._request("silent", seconds=seconds)]

    async def delete(self, call_id: str) -> MediaStats:
        """See MediaControl."""
        return stats_from(await self._request("delete", call_id=call_id))

    async def ping(self) -> dict[str, int]:
        """Calls, datagrams received, datagrams that could not be sent."""
        answer: dict[str, int] = await self._request("ping")
        return answer

    async def stop(self) -> None:
        """End the process by closing its channel; kill it when it does not follow. Idempotent."""
        self._stopping = True
        self._channel.close()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        await asyncio.gather(self._watch, return_exceptions=True)

    async def _request(self, op: str, **arguments: Any) -> Any:
        if self._ended or len(self._pending) >= PENDING_MAX:
            raise MediaUnavailable("the relay is not running" if self._ended else "too many requests")
        self._next_id += 1
        number = self._next_id
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._pending[number] = (answer, self._loop.time() + REQUEST_DEADLINE_S)
        if self._deadline is None:
            # One timer for all that wait: they have the same time, and nearly all are answered in a millisecond.
            self._deadline = self._loop.call_later(REQUEST_DEADLINE_S, self._give_up)
        self._channel.write(frame({"id": number, "op": op, **arguments}))
        try:
            return await answer
        finally:
            self._pending.pop(number, None)

    def _give_up(self) -> None:
        """Tell those whose time is over; see to the others when theirs is."""
        self._deadline = None
        now = self._loop.time()
        for number, (answer, until) in list(self._pending.items()):
            if until > now:
                self._deadline = self._loop.call_at(until, self._give_up)
                return
            del self._pending[number]
            if not answer.done():
                answer.set_exception(MediaUnavailable("the relay did not answer"))

    def settle(self, answer: dict[str, Any]) -> None:
        """Give an answer to who waits for it."""
        future, _ = self._pending.pop(answer["id"], (None, 0.0))
        if future is None or future.done():
            return
        if "error" in answer:
            future.set_exception(MediaError(answer["error"]))
        else:
            future.set_result(answer["result"])

    def end(self) -> None:
        """Nothing will be answered any more. Idempotent."""
        self._ended = True
        self._channel.close()
        for future, _ in self._pending.values():
            if not future.done():
                future.set_exception(MediaUnavailable("the relay ended"))
        self._pending.clear()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    async def _wait(self, on_exit: Callable[[int], None] | None) -> None:
        code = await self._process.wait()
        self.end()
        if on_exit is not None and not self._stopping:
            on_exit(code)


class _Channel(asyncio.Protocol):
    """The control channel's events."""

    def __init__(self, client: RelayClient) -> None:
        self._client = client
        self._framer = ControlFramer()
        self._transport: asyncio.BaseTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            answers = self._framer.feed(data)
        except ValueError:
            self._transport.close()  # out of step: nothing behind it can be read
            return
        for answer in answers:
            self._client.settle(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.end()
