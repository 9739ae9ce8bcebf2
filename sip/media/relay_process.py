"""The relay as a process of its own: an epoll loop over the calls' sockets and one control channel.

Started with `--fd N`, an inherited Unix stream socket; configuration is the channel's first frame.
The process ends when the channel ends, so it never outlives the gateway that started it.
"""

import argparse
import contextlib
import errno
import logging
import resource
import select
import signal
import socket
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

from sip.media.control import SIDES, LocalMedia, MediaError, MediaPorts, MediaStats, Side
from sip.media.relay import Address, Leg, RelayCore, Session
from sip.media.relay_control import (
    ControlFramer,
    RelayConfig,
    frame,
    ports_to,
    remote_from,
    stats_to,
)
from sip.media.rtp import MAX_PACKET_OCTETS

__all__ = ["Relay", "main", "run"]

log = logging.getLogger(__name__)

POLL_EVENTS = 256
PORT_TRIES = 32
"""Ports of the range tried for one socket pair when other programs hold some."""
SOCKET_BUFFER_OCTETS = 1 << 17
CONTROL_BACKLOG_OCTETS = 1 << 22
"""Answers that the parent has not read. More: it hangs, and the relay ends."""

_Receive = Callable[[bytearray], tuple[int, tuple[str, int]]]
_Take = Callable[[memoryview, Address, float, Leg], tuple[bytes, Address] | None]
_Send = Callable[[bytes, Address], int]
_Port = tuple[_Receive, _Take, Leg, _Send]
"""One socket of a call: how it is read, what takes its datagrams, the far leg, how the result is sent."""


class _Pair(NamedTuple):
    """The sockets of one side of a call, and the network that they are in."""

    network: Side
    port: int
    rtp: socket.socket
    rtcp: socket.socket


class Relay:
    """Sockets and ports around a RelayCore."""

    def __init__(self, config: RelayConfig, poll: "select.epoll") -> None:
        self._config = config
        self._poll = poll
        self._core = RelayCore(sessions_max=config.sessions_max, packet_rate_max=config.packet_rate_max)
        first = config.port_min + config.port_min % 2
        # First in, first out: a port given back rests as long as it can, so that late packets of one
        # call do not reach the next. Two hosts have two ranges.
        free_a = deque(range(first, config.port_max, 2))
        free_b = free_a if config.host_a == config.host_b else deque(free_a)
        self._free: dict[Side, deque[int]] = {"a": free_a, "b": free_b}
        self._sockets: dict[str, dict[Side, _Pair]] = {}
        self._ports: dict[int, _Port] = {}
        self._buffer = bytearray(MAX_PACKET_OCTETS + 1)
        self._view = memoryview(self._buffer)
        self.packets = 0
        self.dropped = 0

    def receive(self, fd: int) -> None:
        """Read one datagram that waits on one of the calls' sockets, and send what leaves in its place.

        One alone: a phone sends one in 20 ms, and a second read that finds nothing costs as much as a packet's
        whole work. The poll names the socket again while more waits, after the others had their turn.
        """
        port = self._ports.get(fd)
        if port is None:
            return
        receive, take, far, send = port
        try:
            size, source = receive(self._buffer)
        except OSError:
            # An ICMP error of an earlier datagram: the far side is not there (yet).
            return
        self.packets += 1
        # IPv6 gives four fields; the address is the first two.
        result = take(self._view[:size], source[:2], monotonic(), far)
        if result is not None:
            try:
                send(*result)
            except OSError:
                # Full buffer or unreachable: audio is not waited for.
                self.dropped += 1

    def command(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request of the control channel; its answer."""
        try:
            result = self._commands[request["op"]](self, request)
        except MediaError as error:
            return {"id": request.get("id"), "error": str(error)}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return {"id": request.get("id"), "error": f"malformed request: {type(error).__name__}"}
        return {"id": request.get("id"), "result": result}

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        session = self._core.create(
            request["call_id"], monotonic(), gate_a=request["gate_a"], gate_b=request["gate_b"]
        )
        opened: dict[Side, _Pair] = {}
        try:
            if request["remote"] is not None:
                session.leg(_side(request)).update(remote_from(request["remote"]))
            for side, network in zip(SIDES, _networks(request), strict=True):
                opened[side] = self._open_pair(network)
        except (MediaError, KeyError, TypeError, ValueError, AttributeError):
            self._core.delete(session.call_id)
            self._close_pairs(opened)
            raise
        self._sockets[session.call_id] = opened
        self._watch(session, opened)
        return ports_to(MediaPorts(a=self._told(opened["a"]), b=self._told(opened["b"])))

    def _told(self, pair: _Pair) -> LocalMedia:
        config = self._config
        if pair.network == "a":
            return _local(config.advertise_a or config.host_a, pair.port)
        return _local(config.advertise_b or config.host_b, pair.port)

    def _open_pair(self, network: Side) -> _Pair:
        host = self._config.host_a if network == "a" else self._config.host_b
        free = self._free[network]
        for _ in range(min(PORT_TRIES, len(free))):
            port = free.popleft()
            rtp_socket = None
            try:
                rtp_socket = _bind(host, port)
                return _Pair(network, port, rtp_socket, _bind(host, port + 1))
            except OSError as error:
                if rtp_socket is not None:
                    rtp_socket.close()
                free.append(port)
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise MediaError(
                        f"cannot open a port: {errno.errorcode.get(error.errno or 0)}"
                    ) from error
        raise MediaError("no port left")

    def _close_pairs(self, pairs: dict[Side, _Pair]) -> None:
        for pair in pairs.values():
            for opened in (pair.rtp, pair.rtcp):
                self._ports.pop(opened.fileno(), None)
                opened.close()
            self._free[pair.network].append(pair.port)

    def _watch(self, session: Session, opened: dict[Side, _Pair]) -> None:
        for side, other in (SIDES, SIDES[::-1]):
            leg, far = session.leg(side), session.leg(other)
            _, _, rtp_in, rtcp_in = opened[side]
            _, _, rtp_out, rtcp_out = opened[other]
            self._ports[rtp_in.fileno()] = (rtp_in.recvfrom_into, leg.receive_rtp, far, rtp_out.sendto)
            self._ports[rtcp_in.fileno()] = (rtcp_in.recvfrom_into, leg.receive_rtcp, far, rtcp_out.sendto)
            self._poll.register(rtp_in.fileno(), select.EPOLLIN)
            self._poll.register(rtcp_in.fileno(), select.EPOLLIN)

    def _update(self, request: dict[str, Any]) -> None:
        session = self._core.get(request["call_id"])
        session.leg(_side(request)).update(remote_from(request["remote"]))
        if request["opens"] is not None:
            session.leg(_side(request, "opens")).open = True

    def _gate(self, request: dict[str, Any]) -> None:
        self._core.get(request["call_id"]).leg(_side(request)).open = bool(request["open"])

    def _stats(self, request: dict[str, Any]) -> dict[str, Any]:
        return _stats_of(self._core.get(request["call_id"]))

    def _silent(self, request: dict[str, Any]) -> list[tuple[str, Side]]:
        return self._core.silent(float(request["seconds"]), monotonic())

    def _delete(self, request: dict[str, Any]) -> dict[str, Any]:
        session = self._core.delete(request["call_id"])
        self._close_pairs(self._sockets.pop(session.call_id))
        return _stats_of(session)

    def _ping(self, request: dict[str, Any]) -> dict[str, int]:
        return {"sessions": len(self._core), "packets": self.packets, "dropped": self.dropped}

    _commands: dict[str, Callable[["Relay", dict[str, Any]], Any]] = {  # noqa: RUF012 - a table, never changed
        "create": _create,
        "update": _update,
        "gate": _gate,
        "stats": _stats,
        "silent": _silent,
        "delete": _delete,
        "ping": _ping,
    }


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER_OCTETS)
        if family == socket.AF_INET6:
            # IPv4 in IPv6's clothes would come under an address that no description announces.
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened


def _local(host: str, port: int) -> LocalMedia:
    return LocalMedia(host, port, port + 1)


def _networks(request: dict[str, Any]) -> list[Side]:
    found: list[Side] = ["a" if name == "a" else "b" for name in request["networks"]]
    if len(found) != len(SIDES) or any(name not in SIDES for name in request["networks"]):
        raise ValueError("networks")
    return found


def _side(request: dict[str, Any], key: str = "side") -> Side:
    if request[key] not in SIDES:
        raise ValueError("side is a or b")
    side: Side = request[key]
    return side


def _stats_of(session: Session) -> dict[str, Any]:
    now = monotonic()
    return stats_to(MediaStats(session.a.stats(now), session.b.stats(now), round(now - session.created, 3)))


def run(channel: socket.socket) -> None:
    """Serve until the control channel ends. Its first frame is the configuration."""
    framer = ControlFramer()
    waiting: deque[dict[str, Any]] = deque()
    channel.setblocking(True)
    while not waiting:
        data = channel.recv(65536)
        if not data:
            return
        waiting.extend(framer.feed(data))
    config = RelayConfig(**waiting.popleft())
    channel.setblocking(False)
    answers = bytearray()
    with select.epoll() as poll:
        mask = select.EPOLLIN
        poll.register(channel.fileno(), mask)
        relay = Relay(config, poll)
        answers += frame({"id": 0, "result": relay.command({"op": "ping"})["result"]})
        log.info("relay serves ports %d to %d", config.port_min, config.port_max)
        while True:
            while waiting:
                answers += frame(relay.command(waiting.popleft()))
            if answers and not _send(channel, answers):
                return
            wanted = select.EPOLLIN | select.EPOLLOUT if answers else select.EPOLLIN
            if wanted != mask:
                mask = wanted
                poll.modify(channel.fileno(), mask)
            for fd, _ in poll.poll(maxevents=POLL_EVENTS):
                if fd != channel.fileno():
                    relay.receive(fd)
                    continue
                with contextlib.suppress(BlockingIOError):
                    data = channel.recv(65536)
                    if not data:
                        log.info("control channel ended: the relay ends")
                        return
                    waiting.extend(framer.feed(data))


def _send(channel: socket.socket, answers: bytearray) -> bool:
    """Write what the channel takes; False when the parent is gone or does not read."""
    try:
        del answers[: channel.send(answers)]
    except BlockingIOError:
        return len(answers) <= CONTROL_BACKLOG_OCTETS
    except OSError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> None:
    """Start from the command line: `--fd N`."""
    parser = argparse.ArgumentParser(description="RTP and RTCP relay, controlled over an inherited socket")
    parser.add_argument("--fd", type=int, required=True, help="the control channel's file descriptor")
    arguments = parser.parse_args(argv)
    # The terminal's Ctrl-C reaches the whole group; calls are ended by the gateway, then the channel.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with socket.socket(fileno=arguments.fd) as channel, contextlib.suppress(ConnectionResetError):
        run(channel)


if __name__ == "__main__":
    main()
