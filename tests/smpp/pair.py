"""Two sessions joined in memory under one clock."""

from __future__ import annotations

from typing import TypeVar

from smpp.config import SessionConfig
from smpp.events import BindRequested, Event
from smpp.pdu import Bind, BindTransceiver
from smpp.session import Session

E = TypeVar("E", bound=Event)


class Pair:
    """An ESME and a message centre; `settle` carries octets until both are silent."""

    def __init__(self, esme: SessionConfig | None = None, mc: SessionConfig | None = None) -> None:
        self.now = 1000.0
        self.esme = Session("esme", esme or SessionConfig(), self.now)
        self.mc = Session("mc", mc or SessionConfig(), self.now)
        self.esme_events: list[Event] = []
        self.mc_events: list[Event] = []
        self.to_mc = b""
        """What the ESME sent since the last look, as the message centre saw it."""
        self.to_esme = b""

    def settle(self) -> None:
        while True:
            # What accept_bind and the like have queued comes with the next timer.
            self.mc_events += self.mc.handle_timer(self.now)
            self.esme_events += self.esme.handle_timer(self.now)
            up, down = self.esme.data_to_send(), self.mc.data_to_send()
            if not up and not down:
                return
            self.to_mc += up
            self.to_esme += down
            self.mc_events += self.mc.receive_data(up, self.now) if up else []
            self.esme_events += self.esme.receive_data(down, self.now) if down else []

    def bind(self, bind: Bind | None = None) -> None:
        self.esme.send_request(bind or BindTransceiver(b"ent-a", b"secret08"), self.now)
        self.settle()
        assert isinstance(self.mc_events[-1], BindRequested)
        self.mc.accept_bind(b"gateway")
        self.settle()
        self.forget()

    def forget(self) -> None:
        self.esme_events.clear()
        self.mc_events.clear()
        self.to_mc = self.to_esme = b""

    def advance(self, seconds: float, *, cut: bool = False) -> None:
        """Lets time pass; `cut` loses what either end sends."""
        self.now += seconds
        self.esme_events += self.esme.handle_timer(self.now)
        self.mc_events += self.mc.handle_timer(self.now)
        if cut:
            self.esme.data_to_send()
            self.mc.data_to_send()
        else:
            self.settle()

    def send_raw_to_mc(self, data: bytes) -> None:
        self.mc_events += self.mc.receive_data(data, self.now)
        self.settle()

    def send_raw_to_esme(self, data: bytes) -> None:
        self.esme_events += self.esme.receive_data(data, self.now)
        self.settle()


def only(events: list[Event], kind: type[E]) -> E:
    """The one event of that kind."""
    found = [event for event in events if isinstance(event, kind)]
    assert len(found) == 1, events
    return found[0]
