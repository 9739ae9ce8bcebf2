"""Client and server transactions over a wire that loses, doubles and reorders: whatever it does, both ends agree in the
end and nothing is left. The runs together have every message arrive in every state that it can arrive in."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from sip.flow import Flow
from sip.message import Request, Response, make_response
from sip.parser import parse
from sip.timers import TimerValues
from sip.transaction import AckArrived, ClientFailed, RequestArrived, ResponseArrived, TransactionLayer
from sip.transaction_client import ClientState, ClientTransaction
from sip.transaction_server import ServerState, ServerTransaction
from sip.uri import SipUri

ALICE, BOB = Flow("UDP", "192.0.2.1", 5060), Flow("UDP", "192.0.2.2", 5060)
SEEDS = range(60)
SOAK_SEEDS = range(1_000, 6_000)
ANSWERS = ((200,), (180, 200), (183, 486), (404,), (100, 180, 180, 603), (181, 302), (), (180,))
"""What the server's user answers, one after the other."""


@dataclass
class Run:
    """One transaction between two layers. ``seen``: which message arrived in which state."""

    seed: int
    method: str
    answers: tuple[int, ...]
    now: float = 0.0
    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    finals: list[int | str] = field(default_factory=list)
    arrived: int = 0
    sent_final: int | None = None
    acknowledged: int = 0

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)
        self._loss = self._draw.choice((0.0, 0.1, 0.3, 0.6))
        self._double = self._draw.choice((0.0, 0.3, 0.7))
        self._spread = self._draw.choice((0.0, 0.2, 3.0, 12.0))
        self.layers = {flow: TransactionLayer((flow,), values=TimerValues()) for flow in (ALICE, BOB)}
        self._wire: list[tuple[float, int, bytes, Flow, Flow]] = []
        self._count = 0
        self._due: list[tuple[float, int]] = []
        self.client: ClientTransaction
        self.server: ServerTransaction | None = None

    def run(self) -> None:
        uri = SipUri("bob", "192.0.2.2")
        head = [
            ("Max-Forwards", 70), ("From", "<sip:alice@192.0.2.1>;tag=1"), ("To", "<sip:bob@192.0.2.2>"),
            ("Call-ID", "one"), ("CSeq", f"1 {self.method}"), ("Contact", "<sip:alice@192.0.2.1>"),
        ]  # fmt: skip
        self.client = self.layers[ALICE].send_request(Request(self.method, uri, head), BOB, 0.0)
        while True:
            self._settle()
            timers = [due for layer in self.layers.values() if (due := layer.next_timer()) is not None]
            timers += [self._wire[0][0]] if self._wire else []
            timers += [self._due[0][0]] if self._due else []
            if not timers:
                return
            self.now = max(self.now, min(timers))
            self._step()

    def _step(self) -> None:
        while self._wire and self._wire[0][0] <= self.now:
            _, _, data, source, target = heapq.heappop(self._wire)
            self._note(data, target)
            self.layers[target].receive_datagram(data, source, self.now)
        while self._due and self._due[0][0] <= self.now:
            _, status = self._due.pop(0)
            assert self.server is not None
            if not self.server.answered:
                self.sent_final = status if status >= 200 else None
                self._answer(status)
        for layer in self.layers.values():
            layer.handle_timer(self.now)

    def _answer(self, status: int) -> None:
        assert self.server is not None
        response = make_response(self.server.request, status, to_tag="2")
        self.layers[BOB].respond(self.server, response, self.now)

    def _note(self, data: bytes, target: Flow) -> None:
        message = parse(data)
        what = message.method if isinstance(message, Request) else f"{message.status // 100}xx"
        what = {"3xx": "refusal", "4xx": "refusal", "6xx": "refusal"}.get(what, what)
        if target == ALICE:
            self.seen["client", self.client.state.value, what] += 1
        elif self.server is not None:
            self.seen["server", self.server.state.value, what] += 1

    def _settle(self) -> None:
        busy = True
        while busy:
            busy = False
            for flow, layer in self.layers.items():
                for event in layer.events():
                    busy = True
                    self._handle(event)
                for data, target in layer.datagrams():
                    busy = True
                    self._carry(data, flow, target)

    def _carry(self, data: bytes, source: Flow, target: Flow) -> None:
        for _ in range(1 + (self._draw.random() < self._double)):
            if self._draw.random() >= self._loss:
                self._count += 1
                at = self.now + 0.01 + self._draw.random() * self._spread
                heapq.heappush(self._wire, (at, self._count, data, source, target))

    def _handle(self, event: object) -> None:
        match event:
            case RequestArrived(transaction=transaction):
                self.arrived += 1
                if self.server is None or self.server.state is ServerState.TERMINATED:
                    self.server, at = transaction, self.now
                    for status in self.answers:
                        at += self._draw.choice((0.0, 0.1, 0.6, 5.0))
                        self._due.append((at, status))
            case ResponseArrived(response=response) if response.status >= 200:
                if not self.finals:
                    self.finals.append(response.status)
                if self.method == "INVITE" and response.status < 300:
                    self._acknowledge(response)
            case ClientFailed(cause=cause):
                self.finals.append(cause)
            case AckArrived():
                self.acknowledged += 1

    def _acknowledge(self, response: Response) -> None:
        """RFC 3261 13.2.2.4: the user acknowledges each 2xx that comes."""
        head = [
            ("From", str(response.from_)),
            ("To", str(response.to)),
            ("Call-ID", "one"),
            ("CSeq", "1 ACK"),
        ]
        self.layers[ALICE].send_stateless(Request("ACK", SipUri("bob", "192.0.2.2"), head), BOB)


def runs(seeds: range, method: str) -> list[Run]:
    done = []
    for seed in seeds:
        run = Run(seed, method, ANSWERS[seed % len(ANSWERS)])
        run.run()
        done.append(run)
    return done


def check(run: Run) -> None:
    """What both ends believe fits together, and nothing is left."""
    assert all(layer.next_timer() is None for layer in run.layers.values())
    assert len(run.layers[ALICE]) == 0
    # How long an INVITE may stay without an answer is its user's to say.
    assert len(run.layers[BOB]) == 0 or (run.method == "INVITE" and max(run.answers, default=0) < 200)
    assert run.client.state is ClientState.TERMINATED
    assert len(run.finals) <= 1
    [outcome] = run.finals or ["none"]
    if isinstance(outcome, int):
        assert outcome == run.sent_final
    else:
        # Nothing final came in time: the client gave up, or (an INVITE that rang) waits for its user to cancel.
        assert outcome in ("timeout", "none")
        assert outcome == "timeout" or run.method == "INVITE"


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_both_ends_agree(method: str) -> None:
    for run in runs(SEEDS, method):
        try:
            if run.finals or method != "INVITE":
                check(run)
        except AssertionError as error:
            raise AssertionError(f"seed {run.seed}, {run.answers}: {run.finals}") from error


@pytest.mark.soak
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_both_ends_agree_for_long(method: str) -> None:
    for run in runs(SOAK_SEEDS, method):
        if run.finals or method != "INVITE":
            check(run)


ARRIVALS = {
    "INVITE": {
        ("client", "calling"): ("1xx", "2xx", "refusal"),
        ("client", "proceeding"): ("1xx", "2xx", "refusal"),
        ("client", "completed"): ("1xx", "refusal"),
        ("client", "accepted"): ("1xx", "2xx"),
        ("server", "proceeding"): ("INVITE",),
        ("server", "completed"): ("INVITE", "ACK"),
        ("server", "confirmed"): ("INVITE", "ACK"),
        ("server", "accepted"): ("INVITE", "ACK"),
        ("server", "terminated"): ("ACK",),
    },
    "OPTIONS": {
        ("client", "trying"): ("1xx", "2xx", "refusal"),
        ("client", "proceeding"): ("1xx", "2xx", "refusal"),
        ("client", "completed"): ("1xx", "2xx", "refusal"),
        ("client", "terminated"): ("2xx", "refusal"),
        ("server", "trying"): ("OPTIONS",),
        ("server", "proceeding"): ("OPTIONS",),
        ("server", "completed"): ("OPTIONS",),
    },
}
"""Which messages can arrive in which state: every one of them does in some run."""


@pytest.mark.parametrize("method", list(ARRIVALS))
def test_every_message_arrives_in_every_state(method: str) -> None:
    seen: Counter[tuple[str, str, str]] = Counter()
    for run in runs(SEEDS, method):
        seen += run.seen
    wanted = {(*state, what) for state, kinds in ARRIVALS[method].items() for what in kinds}
    assert sorted(wanted - set(seen)) == []
