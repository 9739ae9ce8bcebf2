"""A user agent on sockets: UDP, TCP and TLS at once, one timer. Receive, tell, flush, re-arm."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sip.agent import AgentConfig, UserAgent
from sip.aio.streams import Streams
from sip.events import CallRequest, Event, IncomingCall, ModificationReceived, RequestReceived
from sip.flow import Flow

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets asked of the kernel for datagrams that wait; bursts of calls come faster than they are handled."""

SEND_BACKLOG_MAX = 4 * 1024 * 1024
"""Octets that wait for the kernel; datagrams over it are dropped."""

Transport = Literal["UDP", "TCP", "TLS"]
OnEvent = Callable[[Event], None]
Tap = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """One address to listen on. ``port`` 0 picks one. ``advertise``: the (host, port) that others reach it by, where
    that is not what is bound; port 0 there is the bound one. A wildcard without it is reached by the address that
    the kernel would send from."""

    transport: Transport
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    advertise: tuple[str, int] | None = None


class SipEndpoint:
    """Owns the sockets and the agent's time.

    ``on_event`` runs on the loop and must not block; it may call any method of the agent and its calls with
    ``endpoint.now()``. So may any other code on the loop: what is queued is flushed in the same turn.
    ``tap`` gets every message as received.
    """

    def __init__(self, on_event: OnEvent, tap: Tap | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._datagrams: dict[bool, asyncio.DatagramTransport] = {}
        """By whether it is IPv6."""
        self._on_event = on_event
        self._tap = tap
        self._timer: asyncio.Handle | None = None
        self._due = 0.0
        """Of `_timer`. Kept here: for what is due at once, uvloop's handle is none that knows its time."""
        self._flush_scheduled = False
        self._send_error: Exception | None = None
        self._open = True
        self._streams: Streams
        self.bound: tuple[Flow, ...] = ()
        """Where it listens, in the order of the listeners."""
        self.agent: UserAgent

    @classmethod
    async def open(
        cls,
        listeners: Sequence[Listener],
        on_event: OnEvent,
        config: AgentConfig | None = None,
        *,
        client_tls: ssl.SSLContext | None = None,
        tap: Tap | None = None,
    ) -> SipEndpoint:
        """Bind and start; of UDP at most one listener for each address family. The agent's addresses are the
        listeners', in their order. ``client_tls`` is for TLS connections of ours.

        :raises OSError: an address cannot be bound.
        """
        endpoint = cls(on_event, tap)
        config = config or AgentConfig()
        # The agent is there before the sockets: its counters and addresses grow with them.
        endpoint.agent = UserAgent(config)
        endpoint._streams = Streams(endpoint, endpoint.agent.layer.counters, client_tls)
        bound: list[Flow] = []
        try:
            for listener in listeners:
                bound.append(await endpoint._listen(listener))
        except BaseException:
            endpoint._release()
            raise
        endpoint.bound = tuple(bound)
        addresses = tuple(
            _advertised(listener, flow) for listener, flow in zip(listeners, bound, strict=True)
        )
        endpoint.agent.set_addresses(addresses)
        endpoint.agent.on_output = endpoint._schedule_flush
        return endpoint

    async def _listen(self, listener: Listener) -> Flow:
        if listener.transport != "UDP":
            return await self._streams.listen(listener.transport, listener.host, listener.port, listener.tls)
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(listener.host, listener.port)
        )
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        host, port = transport.get_extra_info("sockname")[:2]
        flow = Flow("UDP", host, port)
        self._datagrams[flow.is_ipv6] = transport
        return flow

    @property
    def local(self) -> tuple[str, int]:
        """Host and port bound by the first listener."""
        return self.bound[0].host, self.bound[0].port

    def local_of(self, transport: Transport) -> tuple[str, int]:
        """Host and port bound for a transport. Raises LookupError."""
        for flow in self.bound:
            if flow.transport == transport:
                return flow.host, flow.port
        raise LookupError(f"no {transport} here")

    def peer_certificate(self, flow: Flow) -> bytes | None:
        """The certificate (DER) of a TLS peer, None where it showed none."""
        return self._streams.certificate(flow)

    def expect_name(self, flow: Flow, name: str) -> None:
        """The name that the TLS server at a flow must prove; without one it is its address."""
        self._streams.expect_name(flow, name)

    def now(self) -> float:
        """The agent's time: the loop's monotonic clock in seconds."""
        return self._loop.time()

    def received(self, data: bytes, flow: Flow) -> None:
        """One datagram, or one message of a stream."""
        if not self._open:
            return
        if self._tap is not None:
            self._tap(data)
        self._flush_scheduled = True  # it follows here
        try:
            self.agent.receive_datagram(data, flow, self._loop.time())
        finally:
            self._flush()

    def failed(self, flow: Flow) -> None:
        """A connection ended or could not be made: what was sent there has no answer."""
        if self._open:
            self.agent.transport_failed(flow, self._loop.time())
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
        if self._open:
            for data, flow in self.agent.layer.datagrams():
                if flow.transport == "UDP":
                    self._send(data, flow)
                else:
                    self._streams.send(data, flow)
        self._flush_scheduled = False
        self._arm()
        if self.agent.has_output:
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

    def _send(self, data: bytes, flow: Flow) -> None:
        transport = self._datagrams.get(flow.is_ipv6)
        if transport is None:
            log.warning("datagram not sent: no UDP socket of that address family")
            self.agent.transport_failed(flow, self._loop.time())
            return
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
        due = self.agent.timers.next()
        if self._timer is not None:
            if due is None or self._due <= due:
                return  # it wakes too early, and then sees what is due: cheaper than a timer anew each time
            self._timer.cancel()
            self._timer = None
        if due is not None and self._open:
            self._due = due
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._flush_scheduled = True  # it follows here
        try:
            self.agent.handle_timer(self._loop.time())
        finally:
            self._flush()

    def close(self) -> None:
        """End all calls (BYE, CANCEL, 480: sent once, no answer awaited) and release the sockets."""
        if not self._open:
            return
        self.agent.close(self._loop.time())
        self._flush()
        self._open = False
        self._release()

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for transport in self._datagrams.values():
            transport.close()
        self._streams.close()


class _Datagrams(asyncio.DatagramProtocol):
    """A UDP socket's events; what comes before the endpoint is bound everywhere is dropped, as UDP may."""

    def __init__(self, endpoint: SipEndpoint) -> None:
        self._endpoint = endpoint

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._endpoint.bound:
            self._endpoint.received(data, Flow("UDP", addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        self._endpoint.error_received(exc)


def _advertised(listener: Listener, bound: Flow) -> Flow:
    if listener.advertise is not None:
        return Flow(listener.transport, listener.advertise[0], listener.advertise[1] or bound.port)
    if bound.host in ("0.0.0.0", "::"):  # noqa: S104  # what is bound, not what to bind
        return bound._replace(host=_sending_address(bound.is_ipv6))
    return bound


def _sending_address(is_ipv6: bool) -> str:
    """The address that the kernel would send from to the world; nothing is sent (RFC 5737, RFC 3849)."""
    family, there = (socket.AF_INET6, "2001:db8::1") if is_ipv6 else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((there, 9))
        except OSError:
            return "::1" if is_ipv6 else "127.0.0.1"
        return str(probe.getsockname()[0])
