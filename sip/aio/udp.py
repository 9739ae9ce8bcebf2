"""A user agent on a UDP socket: receive, tell, flush, re-arm one timer."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import replace

from sip.agent import AgentConfig, UserAgent
from sip.events import CallRequest, Event, IncomingCall, ModificationReceived, RequestReceived
from sip.flow import Flow

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets asked of the kernel for datagrams that wait; bursts of calls come faster than they are handled."""

SEND_BACKLOG_MAX = 4 * 1024 * 1024
"""Octets that wait for the kernel; datagrams over it are dropped."""

OnEvent = Callable[[Event], None]
Tap = Callable[[bytes], None]


class UdpEndpoint:
    """Owns the socket and the agent's time.

    ``on_event`` runs on the loop and must not block; it may call any method of the agent and its calls with
    ``endpoint.now()``. So may any other code on the loop: what is queued is flushed in the same turn.
    ``tap`` gets every datagram as received.
    """

    def __init__(
        self, config: AgentConfig, on_event: OnEvent, tap: Tap | None, local: tuple[str, int]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._on_event = on_event
        self._tap = tap
        self._timer: asyncio.TimerHandle | None = None
        self._flush_scheduled = False
        self._send_error: Exception | None = None
        self.local = local
        self.agent = UserAgent(config)
        self.agent.on_output = self._schedule_flush

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        on_event: OnEvent,
        config: AgentConfig | None = None,
        *,
        tap: Tap | None = None,
    ) -> UdpEndpoint:
        """Bind host:port (0 picks one) and start. Without ``config``, Via and Contact name the bound address;
        where it has port 0, the bound port.

        :raises OSError: the address cannot be bound.
        """
        loop = asyncio.get_running_loop()
        binder = _Binder()
        transport, _ = await loop.create_datagram_endpoint(lambda: binder, local_addr=(host, port))
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        bound_host, bound_port = transport.get_extra_info("sockname")[:2]
        config = config or AgentConfig(bound_host, bound_port)
        if config.port == 0:
            config = replace(config, port=bound_port)
        endpoint = cls(config, on_event, tap, (bound_host, bound_port))
        endpoint._transport = transport
        binder.endpoint = endpoint
        return endpoint

    def now(self) -> float:
        """The agent's time: the loop's monotonic clock in seconds."""
        return self._loop.time()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._tap is not None:
            self._tap(data)
        self.agent.receive_datagram(data, Flow("UDP", addr[0], addr[1]), self._loop.time())
        self._flush()

    def _schedule_flush(self) -> None:
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_scheduled = True  # what is queued from here on is taken by the loop below
        while events := self.agent.events():
            for event in events:
                try:
                    self._on_event(event)
                except Exception:
                    log.exception("event handler failed on %s", type(event).__name__)
                    self._refuse(event)
        transport = self._transport
        if transport is not None:
            for data, flow in self.agent.datagrams():
                self._send(transport, data, flow)
        self._flush_scheduled = False
        self._arm()
        if self.agent.has_events:
            self._schedule_flush()

    def _refuse(self, event: Event) -> None:
        # Nobody will answer this any more: better 500 at once than a peer that waits.
        now = self._loop.time()
        if isinstance(event, IncomingCall):
            event.call.reject(500, now)
        elif isinstance(event, RequestReceived | CallRequest):
            self.agent.respond(event.transaction, 500, now=now)
        elif isinstance(event, ModificationReceived):
            event.call.reject_modification(500, now)

    def _send(self, transport: asyncio.DatagramTransport, data: bytes, flow: Flow) -> None:
        # (typeshed does not know that datagram transports have this; asyncio's and uvloop's do.)
        if transport.get_write_buffer_size() > SEND_BACKLOG_MAX:  # type: ignore[attr-defined]
            # The kernel takes no more: lost as on the wire, and repeated by the transaction's timers.
            self.agent.layer.counters["send_backlog"] += 1
            return
        self._send_error = None
        try:
            transport.sendto(data, (flow.host, flow.port))
        except (OSError, ValueError) as error:
            self._send_error = error
        if self._send_error is not None:
            log.warning("datagram not sent: %s", type(self._send_error).__name__)
            self.agent.transport_failed(flow, self._loop.time())

    def error_received(self, error: Exception) -> None:
        """The socket's error. Those of a send come while it is under way and fail its flow; ICMP errors of
        unconnected sockets name no address, and the transactions' own timers end what they mean."""
        self._send_error = error

    def _arm(self) -> None:
        due = self.agent.next_timer()
        if self._timer is not None:
            if due is not None and self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and self._transport is not None:
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.agent.handle_timer(self._loop.time())
        self._flush()

    def close(self) -> None:
        """End all calls (BYE, CANCEL, 480: sent once, no answer awaited) and release the socket."""
        if self._transport is None:
            return
        self.agent.close(self._loop.time())
        self._flush()
        transport, self._transport = self._transport, None
        if self._timer is not None:
            self._timer.cancel()
        transport.close()


class _Binder(asyncio.DatagramProtocol):
    """Holds the socket until the endpoint knows its port; what comes before is dropped, as UDP may."""

    def __init__(self) -> None:
        self.endpoint: UdpEndpoint | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.endpoint is not None:
            self.endpoint.datagram_received(data, addr)

    def error_received(self, exc: Exception) -> None:
        if self.endpoint is not None:
            self.endpoint.error_received(exc)
