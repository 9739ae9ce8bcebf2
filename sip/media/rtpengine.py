"""rtpengine, driven by its NG protocol, as the MediaControl of an installation with more calls than our relay takes.

rtpengine is told addresses alone, in descriptions made for it: which formats a call has is settled in the
signalling, and each description lists every payload type, so that rtpengine passes all of them unchanged
and never transcodes of its own accord. It makes RTCP itself (flag "generate RTCP"), so that no CNAME crosses;
RTP headers it passes as they are, with SSRC, CSRC list and header extension.
"""

import asyncio
import ipaddress
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sip.media.bencode import Value
from sip.media.control import (
    SIDES,
    LocalMedia,
    MediaError,
    MediaPorts,
    MediaStats,
    MediaUnavailable,
    RemoteMedia,
    Side,
    SideStats,
)
from sip.media.ng import NgRequests, TooManyRequests
from sip.sdp import SdpError, media_address, parse_sdp

__all__ = ["RtpengineClient", "RtpengineConfig"]

Family: TypeAlias = Literal["IP4", "IP6"]

PING_S = 5.0
PINGS_LOST_MAX = 2
"""Pings in a row without an answer after which rtpengine is taken for gone; each has ng.DEADLINE_S."""
SESSIONS_MAX = 2000
SILENCE_QUERIES_MAX = 64
"""Calls asked about at one time by one `silent`."""
RTP_HEADER_OCTETS = 12
UNKNOWN_CALL = "unknown call"
PAYLOAD_TYPES = " ".join(str(number) for number in (0, *range(3, 19), *range(96, 128)))
"""RFC 3551, section 6: what audio may bear, static and dynamic."""
NOWHERE: Mapping[Family, str] = {"IP4": "192.0.2.1", "IP6": "2001:db8::1"}
"""RFC 5737, RFC 3849: stands in a description until the side has announced itself; nothing is sent there."""
NULL: Mapping[Family, str] = {"IP4": "0.0.0.0", "IP6": "::"}  # noqa: S104 - says hold, never bound
DISCARD_PORT = 9


@dataclass(frozen=True, slots=True)
class RtpengineConfig:
    """Where rtpengine is asked, and which of its interfaces each side is given."""

    host: str = "127.0.0.1"
    port: int = 22222
    """Of its option listen-ng."""
    interface_a: str | None = None
    """Name of an interface in its option interface; None: its first one. Both or none."""
    interface_b: str | None = None
    family_a: Family = "IP4"
    """Address family of the ports that side a is given."""
    family_b: Family = "IP4"
    sessions_max: int = SESSIONS_MAX

    def __post_init__(self) -> None:
        """Raises ValueError where one side alone has an interface."""
        if (self.interface_a is None) != (self.interface_b is None):
            raise ValueError("interface_a and interface_b: both or none")
        if self.sessions_max < 1:
            raise ValueError("sessions_max: at least 1")

    def family(self, side: Side) -> Family:
        """The address family of this side's ports."""
        return self.family_a if side == "a" else self.family_b


@dataclass(slots=True)
class _Call:
    """What we know of a call that rtpengine carries. Times by the monotonic clock."""

    created: float
    networks: tuple[Side, Side] = SIDES
    remotes: dict[Side, RemoteMedia] = field(default_factory=dict)
    last_rtp: dict[Side, float] = field(default_factory=dict)
    """As of the last answer that told."""


class _Shell(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receive(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there (yet): the deadline tells."""


class RtpengineClient:
    """One rtpengine. Made by `RtpengineClient.start`."""

    def __init__(self, config: RtpengineConfig, on_lost: Callable[[], None] | None) -> None:
        self._config = config
        self._on_lost = on_lost
        self._requests = NgRequests()
        self._answers: dict[str, asyncio.Future[dict[str, Value]]] = {}
        self._calls: dict[str, _Call] = {}
        self._instance = secrets.token_hex(8)
        self._transport: asyncio.DatagramTransport
        self._timer: asyncio.TimerHandle | None = None
        self._pinger: asyncio.Task[None] | None = None
        self._ended = False

    @classmethod
    async def start(
        cls, config: RtpengineConfig, *, on_lost: Callable[[], None] | None = None
    ) -> "RtpengineClient":
        """Wait until rtpengine answers a ping. `on_lost` is called once when it no longer does.

        Raises MediaUnavailable.
        """
        client = cls(config, on_lost)
        try:
            client._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Shell(client._receive), remote_addr=(config.host, config.port)
            )
        except OSError as error:
            raise MediaUnavailable("rtpengine's address cannot be used") from error
        try:
            await client.ping()
        except MediaError as error:
            await client.stop()
            raise MediaUnavailable("rtpengine does not answer") from error
        client._pinger = asyncio.create_task(client._watch(), name="rtpengine-ping")
        return client

    @property
    def running(self) -> bool:
        """Whether rtpengine answers."""
        return not self._ended

    async def create(
        self,
        call_id: str,
        *,
        gate_a: bool = True,
        gate_b: bool = True,
        networks: tuple[Side, Side] = SIDES,
        told: tuple[Side, RemoteMedia] | None = None,
    ) -> MediaPorts:
        """See MediaControl. An offer and an answer that name no address yet have ports taken for both sides."""
        if call_id in self._calls:
            raise MediaError("call id in use")
        if len(self._calls) >= self._config.sessions_max:
            raise MediaError("too many calls")
        call = self._calls[call_id] = _Call(time.monotonic(), networks)
        call.last_rtp = dict.fromkeys(SIDES, call.created)
        try:
            towards_b = await self._describe(call_id, "offer", "a", None)
            towards_a = await self._describe(call_id, "answer", "b", None)
            for side, open in (("a", gate_a), ("b", gate_b)):
                if not open:
                    await self._ask("block media", call_id, **{"from-tag": side})
            if told is not None:
                await self.update(call_id, *told)
        except MediaError:
            await self._abandon(call_id)
            raise
        return MediaPorts(a=towards_a, b=towards_b)

    async def update(
        self, call_id: str, side: Side, remote: RemoteMedia, *, opens: Side | None = None
    ) -> None:
        """See MediaControl.

        Each description lets rtpengine learn the source anew, so the same one is not told again.
        """
        call = self._call(call_id)
        before = call.remotes.get(side)
        if before is None or _addresses(before) != _addresses(remote):
            await self._describe(call_id, "offer", side, remote)
            call.remotes[side] = remote
        if opens is not None:
            await self.gate(call_id, opens, True)

    async def gate(self, call_id: str, side: Side, open: bool) -> None:
        """See MediaControl."""
        self._call(call_id)
        await self._ask("unblock media" if open else "block media", call_id, **{"from-tag": side})

    async def stats(self, call_id: str) -> MediaStats:
        """See MediaControl. Loss and jitter are not among what rtpengine tells of calls it only passes."""
        call = self._call(call_id)
        answer = await self._ask("query", call_id)
        a, b = (self._side_stats(call, side, answer) for side in SIDES)
        return MediaStats(a, b, round(time.monotonic() - call.created, 3))

    async def silent(self, seconds: float) -> list[tuple[str, Side]]:
        """See MediaControl. A call that rtpengine does not know (it was started anew) is silent on both sides.

        Only calls are asked about of which, by the last answer, a side may have been silent for so long.
        """
        limit = time.monotonic() - seconds
        doubtful = [call_id for call_id, call in self._calls.items() if min(call.last_rtp.values()) <= limit]
        for at in range(0, len(doubtful), SILENCE_QUERIES_MAX):
            asked = doubtful[at : at + SILENCE_QUERIES_MAX]
            told = await asyncio.gather(
                *(self.stats(call_id) for call_id in asked if call_id in self._calls), return_exceptions=True
            )
            for error in told:
                if isinstance(error, BaseException) and not _is_unknown_call(error):
                    raise error
        limit = time.monotonic() - seconds
        return [
            (call_id, side)
            for call_id in doubtful
            if (call := self._calls.get(call_id)) is not None
            for side in SIDES
            if call.last_rtp[side] <= limit
        ]

    async def delete(self, call_id: str) -> MediaStats:
        """See MediaControl."""
        call = self._call(call_id)
        try:
            return await self.stats(call_id)
        finally:
            if self._calls.get(call_id) is call:
                await self._abandon(call_id)

    async def ping(self) -> None:
        """Raises MediaUnavailable when rtpengine does not answer."""
        await self._ask("ping", None)

    async def stop(self) -> None:
        """Forget rtpengine, whose calls end by its own timeouts. Idempotent."""
        self._on_lost = None
        if self._pinger is not None:
            self._pinger.cancel()
            await asyncio.gather(self._pinger, return_exceptions=True)
        self._end()

    def _call(self, call_id: str) -> _Call:
        try:
            return self._calls[call_id]
        except KeyError:
            raise MediaError(UNKNOWN_CALL) from None

    async def _abandon(self, call_id: str) -> None:
        """Give the ports back; rtpengine's own timeouts do it where it does not hear of it."""
        self._calls.pop(call_id, None)
        try:
            await self._ask("delete", call_id, **{"delete-delay": 0})
        except MediaError:
            return

    async def _describe(
        self, call_id: str, command: str, side: Side, remote: RemoteMedia | None
    ) -> LocalMedia:
        """Tell what a side announces; what the other side is to be shown."""
        other: Side = "b" if side == "a" else "a"
        config = self._config
        within = dict(zip(SIDES, self._calls[call_id].networks, strict=True))
        # Without "port latching" the ports would change with each address that is announced.
        flags = ["trust address", "strict source", "port latching", "generate RTCP"]
        if remote is not None and not _behind_nat(remote):
            # No learning: packets come from the very address that is announced, or are dropped.
            flags.append("asymmetric")
        command_fields: dict[str, Value] = {
            "from-tag": side,
            "to-tag": other,
            "sdp": _description(config.family(within[side]), remote),
            "flags": flags,
            "ICE": "remove",
            "address family": config.family(within[other]),
        }
        if command == "answer":
            command_fields |= {"from-tag": other, "to-tag": side}
        elif remote is None:
            del command_fields["to-tag"]
        if config.interface_a is not None and config.interface_b is not None:
            # Where the description comes from, then where it goes to.
            names = {"a": config.interface_a, "b": config.interface_b}
            command_fields["direction"] = (names[within[side]], names[within[other]])
        return _local((await self._ask(command, call_id, **command_fields)).get("sdp"))

    def _side_stats(self, call: _Call, side: Side, answer: Mapping[str, Any]) -> SideStats:
        try:
            stream = answer["tags"][side]["medias"][0]["streams"][0]
            packets, octets = int(stream["stats"]["packets"]), int(stream["stats"]["bytes"])
            refused, last = int(stream["stats"]["errors"]), int(stream["last packet"])
            endpoint, known = stream["endpoint"], "confirmed" in stream["flags"]
            latched = f"{endpoint['address']}:{endpoint['port']}" if known else None
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise MediaUnavailable("rtpengine's answer is not understood") from error
        now = time.monotonic()
        if packets:
            # Whole seconds of the day's clock: the packet may have come until that second's end.
            age_s = max(0.0, time.time() - (last + 1))
            call.last_rtp[side] = max(call.last_rtp[side], now - age_s)
        return SideStats(
            packets=packets,
            octets=max(0, octets - RTP_HEADER_OCTETS * packets),
            lost=None,
            jitter_ms=None,
            ssrc_changes=0,
            refused=refused,
            forwarded=packets,
            silent_s=round(now - call.last_rtp[side], 3),
            latched=latched,
        )

    async def _ask(self, command: str, call_id: str | None, **fields: Value) -> dict[str, Value]:
        """One request and its answer. Raises MediaError, MediaUnavailable."""
        if self._ended:
            raise MediaUnavailable("rtpengine is gone")
        body: dict[str, Value] = {"command": command}
        if call_id is not None:
            # Several gateways may share one rtpengine, and an earlier run's calls may still be there.
            body["call-id"] = f"{self._instance}-{call_id}"
        loop = asyncio.get_running_loop()
        try:
            cookie, datagram = self._requests.request(body | fields, loop.time())
        except TooManyRequests:
            raise MediaUnavailable("too many requests") from None
        answer: asyncio.Future[dict[str, Value]] = loop.create_future()
        self._answers[cookie] = answer
        self._transport.sendto(datagram)
        if self._timer is None:
            self._schedule()
        try:
            told = await answer
        finally:
            self._answers.pop(cookie, None)
            self._requests.forget(cookie)
        if told.get("result") not in ("ok", "pong"):
            reason = str(told.get("error-reason", ""))
            if reason.lower() == "unknown call-id":
                raise MediaError(UNKNOWN_CALL)
            raise MediaError("rtpengine refused")
        return told

    def _receive(self, datagram: bytes) -> None:
        answered = self._requests.receive(datagram)
        if answered is not None:
            cookie, told = answered
            future = self._answers.get(cookie)
            if future is not None and not future.done():
                future.set_result(told)

    def _schedule(self) -> None:
        due = self._requests.next_due
        loop = asyncio.get_running_loop()
        self._timer = None if due is None or self._ended else loop.call_at(due, self._repeat)

    def _repeat(self) -> None:
        again, expired = self._requests.advance(asyncio.get_running_loop().time())
        for datagram in again:
            self._transport.sendto(datagram)
        for cookie in expired:
            self._fail(cookie, "rtpengine did not answer")
        self._schedule()

    def _fail(self, cookie: str, reason: str) -> None:
        future = self._answers.get(cookie)
        if future is not None and not future.done():
            future.set_exception(MediaUnavailable(reason))

    async def _watch(self) -> None:
        lost = 0
        while lost < PINGS_LOST_MAX:
            await asyncio.sleep(PING_S)
            try:
                await self.ping()
                lost = 0
            except MediaError:
                lost += 1
        on_lost, self._on_lost = self._on_lost, None
        self._end()
        if on_lost is not None:
            on_lost()

    def _end(self) -> None:
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for cookie in list(self._answers):
            self._fail(cookie, "rtpengine is gone")
        self._transport.close()


def _addresses(remote: RemoteMedia) -> tuple[object, ...]:
    return remote.host, remote.rtp_port, remote.rtcp_port, remote.also_from


def _behind_nat(remote: RemoteMedia) -> bool:
    return any(host != remote.host for host in remote.also_from)


def _is_unknown_call(error: BaseException) -> bool:
    return isinstance(error, MediaError) and error.args == (UNKNOWN_CALL,)


def _unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        raise MediaError("no IP address is announced") from None


def _description(family: Family, remote: RemoteMedia | None) -> str:
    """A description for rtpengine alone: an address, and every payload type."""
    if remote is None:
        host, port, rtcp_port, direction = NOWHERE[family], DISCARD_PORT, None, "inactive"
    elif remote.rtp_port == 0 or _unspecified(remote.host):
        # Port 0 would end the stream for good; the null address is the hold that can be undone.
        host, port, rtcp_port, direction = NULL[family], DISCARD_PORT, None, "sendrecv"
    else:
        host, port, rtcp_port, direction = remote.host, remote.rtp_port, remote.rtcp_port, "sendrecv"
    version = "IP6" if ":" in host else "IP4"
    lines: Sequence[str] = (
        "v=0",
        f"o=- 1 1 IN {version} {host}",
        "s=-",
        f"c=IN {version} {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {PAYLOAD_TYPES}",
        f"a=rtcp:{port + 1 if rtcp_port is None else rtcp_port}",
        f"a={direction}",
    )
    return "\r\n".join(lines) + "\r\n"


def _local(description: Value | None) -> LocalMedia:
    """The address that rtpengine's description shows. Raises MediaUnavailable."""
    try:
        session = parse_sdp(str(description).encode())
        host, port = media_address(session, session.media[0])
        return LocalMedia(host, port, session.media[0].rtcp_port)
    except (SdpError, IndexError) as error:
        raise MediaUnavailable("rtpengine's answer is not understood") from error
