"""Messages and in-memory networks that the SIP tests share."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sip.agent import AgentConfig, UserAgent
from sip.events import Event
from sip.flow import Flow
from sip.headers import NameAddr
from sip.message import Request, Response
from sip.parser import parse
from sip.transaction import TransactionLayer
from sip.uri import SipUri

E = TypeVar("E")

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)
PEER = Flow("UDP", "192.0.2.1", 5060)


def request_text(
    method: str = "OPTIONS",
    *,
    branch: str | None = "z9hG4bKone",
    cseq: int = 1,
    to_tag: str | None = None,
    from_tag: str = "from-1",
    call_id: str = "call-1",
    extra: str = "",
    body: bytes = b"",
    via_params: str = "",
) -> bytes:
    """A request of the peer 192.0.2.1 to us."""
    via_branch = f";branch={branch}" if branch is not None else ""
    tag = f";tag={to_tag}" if to_tag is not None else ""
    head = (
        f"{method} sip:bob@192.0.2.2 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.1:5060{via_branch}{via_params}\r\n"
        "Max-Forwards: 70\r\n"
        f"From: <sip:alice@192.0.2.1>;tag={from_tag}\r\n"
        f"To: <sip:bob@192.0.2.2>{tag}\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\n"
        f"{extra}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def invite_text(**fields: object) -> bytes:
    """An INVITE with a Contact."""
    contact = "Contact: <sip:alice@192.0.2.1:5060>\r\n"
    extra = contact + str(fields.pop("extra", ""))
    return request_text("INVITE", extra=extra, **fields)  # type: ignore[arg-type]


def request_of(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def response_of(data: bytes) -> Response:
    message = parse(data)
    assert isinstance(message, Response)
    return message


def sent(layer: TransactionLayer | UserAgent) -> list[Request | Response]:
    """What went out since the last look, parsed."""
    return [parse(data) for data, _ in layer.datagrams()]


def lines(messages: list[Request | Response]) -> list[str | int]:
    """Methods and statuses, for short assertions."""
    return [item.method if isinstance(item, Request) else item.status for item in messages]


def only(events: list[E]) -> E:
    assert len(events) == 1, events
    return events[0]


def run_until(layer: TransactionLayer | UserAgent, until: float) -> list[tuple[float, str | int]]:
    """Let the timers fire up to a time; gives when what was sent."""
    out: list[tuple[float, str | int]] = []
    while (due := layer.next_timer()) is not None and due <= until:
        layer.handle_timer(due)
        out += [(round(due, 3), line) for line in lines(sent(layer))]
    return out


@dataclass
class Network:
    """Agents joined by a wire that may lose, delay and double what it carries; its draws come from one seed."""

    seed: int = 0
    loss: float = 0.0
    duplicate: float = 0.0
    jitter: float = 0.0
    delay: float = 0.01
    now: float = 0.0
    log: list[str] = field(default_factory=list)
    carried: list[tuple[str, bytes]] = field(default_factory=list)
    """What was sent, by whom, lost or not; copies not counted."""

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.agents: dict[tuple[str, int], UserAgent] = {}
        self.handlers: dict[tuple[str, int], Callable[[Event, float], None]] = {}
        self._wire: list[tuple[float, int, bytes, Flow, tuple[str, int]]] = []
        self._order = 0

    def add(
        self, host: str, handler: Callable[[Event, float], None], config: AgentConfig | None = None
    ) -> UserAgent:
        agent = UserAgent(config or AgentConfig((Flow("UDP", host, 5060),)))
        self.agents[(host, 5060)] = agent
        self.handlers[(host, 5060)] = handler
        return agent

    def carry(self, address: tuple[str, int], data: bytes, flow: Flow) -> None:
        first = data.split(b"\r\n", 1)[0].decode()
        self.log.append(f"{address[0]} > {flow.host} {first}")
        self.carried.append((address[0], data))
        copies = 1 + (self.draw.random() < self.duplicate)
        for _ in range(copies):
            if self.draw.random() >= self.loss:
                self._order += 1
                at = self.now + self.delay + self.draw.random() * self.jitter
                source = Flow("UDP", *address)
                heapq.heappush(self._wire, (at, self._order, data, source, (flow.host, flow.port)))

    def settle(self) -> None:
        """Hand over what the agents have to tell and to send now."""
        busy = True
        while busy:
            busy = False
            for address, agent in self.agents.items():
                for event in agent.events():
                    busy = True
                    self.log.append(f"{address[0]} = {type(event).__name__}")
                    self.handlers[address](event, self.now)
                for data, flow in agent.datagrams():
                    busy = True
                    self.carry(address, data, flow)

    def run(self, until: float) -> None:
        """Let time pass up to ``until`` seconds."""
        self.settle()
        while True:
            timers = [due for agent in self.agents.values() if (due := agent.next_timer()) is not None]
            if self._wire:
                timers.append(self._wire[0][0])
            if not timers or min(timers) > until:
                self.now = until
                return
            self.now = max(self.now, min(timers))
            while self._wire and self._wire[0][0] <= self.now:
                _, _, data, source, target = heapq.heappop(self._wire)
                if target in self.agents:
                    self.agents[target].receive_datagram(data, source, self.now)
            for agent in self.agents.values():
                agent.handle_timer(self.now)
            self.settle()


def address_of(user: str, host: str) -> NameAddr:
    return NameAddr(SipUri(user, host))
