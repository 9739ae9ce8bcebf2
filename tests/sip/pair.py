"""Two user agents in memory, one call between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sip.agent import AgentConfig
from sip.call import Call, CallState
from sip.digest import Credentials
from sip.events import Event, IncomingCall, ModificationReceived
from sip.flow import Flow
from sip.message import Request, Response
from sip.parser import parse
from tests.sip.wire import SDP, Network, address_of

E = TypeVar("E")

ANSWER = SDP.replace(b"192.0.2.1", b"192.0.2.2")
ALICE, BOB = "192.0.2.1", "192.0.2.2"


class Pair:
    """Alice calls Bob. What each is told is kept; ``bob`` may be given reactions by event type."""

    def __init__(
        self,
        *,
        ring_max: float = 180.0,
        calls_max: int = 100,
        alice: dict[str, Any] | None = None,
        bob: dict[str, Any] | None = None,
        **wire: float,
    ) -> None:
        self.network = Network(**wire)  # type: ignore[arg-type]
        fields = {ALICE: alice or {}, BOB: bob or {}}
        self.told: dict[str, list[Event]] = {ALICE: [], BOB: []}
        self.reactions: dict[tuple[str, type[Event]], Callable[[Event, float], None]] = {}
        for host in (ALICE, BOB):
            config = AgentConfig(
                (Flow("UDP", host, 5060),), ring_max=ring_max, calls_max=calls_max, **fields[host]
            )
            self.network.add(host, self._handler(host), config)
        self.alice = self.network.agents[(ALICE, 5060)]
        self.bob = self.network.agents[(BOB, 5060)]

    def _handler(self, host: str) -> Callable[[Event, float], None]:
        def handle(event: Event, now: float) -> None:
            self.told[host].append(event)
            reaction = self.reactions.get((host, type(event)))
            if reaction is not None:
                reaction(event, now)

        return handle

    def on(self, host: str, kind: type[Event], reaction: Callable[[Event, float], None]) -> None:
        self.reactions[(host, kind)] = reaction

    def bob_answers(self, status: int = 200, body: bytes = ANSWER) -> None:
        def react(event: Event, now: float) -> None:
            assert isinstance(event, IncomingCall)
            if status == 200:
                event.call.answer(body, now)
            elif status < 200:
                event.call.ring(now, status)
            else:
                event.call.reject(status, now)

        self.on(BOB, IncomingCall, react)

    def dial(self, body: bytes = SDP, credentials: Credentials | None = None, until: float = 1.0) -> Call:
        bob = address_of("bob", BOB)
        call = self.alice.invite(
            bob.uri,
            to=bob,
            from_=address_of("alice", ALICE),
            flow=Flow("UDP", BOB, 5060),
            now=self.network.now,
            body=body,
            credentials=credentials,
        )
        self.network.run(self.network.now + until)
        return call

    def run(self, seconds: float) -> None:
        self.network.run(self.network.now + seconds)

    @property
    def now(self) -> float:
        return self.network.now

    @property
    def callee(self) -> Call:
        return next(event.call for event in self.told[BOB] if isinstance(event, IncomingCall))

    def names(self, host: str) -> list[str]:
        return [type(event).__name__ for event in self.told[host]]

    def last(self, host: str) -> Event:
        return self.told[host][-1]

    def messages(self, host: str) -> list[str]:
        """What a host sent: methods and statuses."""
        words = [line.split(" ") for line in self.network.log if line.startswith(f"{host} > ")]
        return [word[4] if word[3].startswith("SIP/") else word[3] for word in words]

    def wire(self, host: str, what: str | int) -> list[Request | Response]:
        """The requests of a method, or the responses of a status, that a host sent."""
        parsed = [parse(data) for source, data in self.network.carried if source == host]
        return [
            item for item in parsed if what == (item.method if isinstance(item, Request) else item.status)
        ]

    def all(self, host: str, kind: type[E]) -> list[E]:
        """What a host was told of one kind."""
        return [event for event in self.told[host] if isinstance(event, kind)]

    def accepts(self, host: str, body: bytes = ANSWER) -> None:
        """A host says yes to every change of the session."""

        def react(event: Event, now: float) -> None:
            assert isinstance(event, ModificationReceived)
            event.call.accept_modification(body, now)

        self.on(host, ModificationReceived, react)

    def empty(self) -> bool:
        """Nothing is left anywhere after all timers."""
        self.run(200.0)
        agents = (self.alice, self.bob)
        return all(
            (len(a.layer), len(a.calls), len(a._dialogs), len(a.timers)) == (0, 0, 0, 0) for a in agents
        )


def established(**wire: Any) -> tuple[Pair, Call]:
    pair = Pair(**wire)
    pair.bob_answers()
    call = pair.dial()
    assert call.state is pair.callee.state is CallState.ESTABLISHED
    for told in pair.told.values():
        told.clear() if told is pair.told[ALICE] else told.__delitem__(slice(1, None))
    return pair, call
