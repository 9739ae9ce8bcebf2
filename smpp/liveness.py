"""The timers of a session that concern its peer being there (3.4, 7.2)."""

from __future__ import annotations

from enum import Enum, auto

from smpp.config import SessionConfig
from smpp.states import BOUND, SessionState


class Stage(Enum):
    """How far the session is, as far as timers care."""

    OPENING = auto()
    """Connected, not bound: session_init_timer."""
    BOUND = auto()
    """enquire_link_timer and inactivity_timer."""
    ENDING = auto()
    """Unbinding or over: neither."""


def stage_of(state: SessionState, unbinding: bool) -> Stage:
    """The stage of a session in that state."""
    if state in BOUND:
        return Stage.ENDING if unbinding else Stage.BOUND
    return Stage.OPENING if state in (SessionState.OPEN, SessionState.OUTBOUND) else Stage.ENDING


class Due(Enum):
    """What a timer asks for."""

    GIVE_UP = auto()
    UNBIND = auto()
    ENQUIRE = auto()


class Liveness:
    """When the peer was last heard, and what its silence calls for."""

    def __init__(self, config: SessionConfig, now: float) -> None:
        self.last_received = now
        """Any octet."""
        self.last_transaction = now
        """A request or response other than the session's own."""
        self.enquiring = False
        """An enquire_link is out and nothing came since."""
        self._opened_at = now
        self.config = config

    def next_due(self, stage: Stage) -> float | None:
        """When `due` is worth asking; None for never."""
        config = self.config
        if stage is Stage.OPENING:
            return self._opened_at + config.session_init_s if config.session_init_s else None
        if stage is Stage.ENDING:
            return None
        due = None
        if config.enquire_link_s and not self.enquiring:
            due = self.last_received + config.enquire_link_s
        if config.inactivity_s:
            inactive = self.last_transaction + config.inactivity_s
            if due is None or inactive < due:
                due = inactive
        return due

    def due(self, stage: Stage, now: float) -> Due | None:
        """What is due now. An enquire_link is due once, until the peer is heard again."""
        config = self.config
        if stage is Stage.OPENING:
            # 7.2, session_init_timer: an ESME that does not bind in time is disconnected.
            over = config.session_init_s and now >= self._opened_at + config.session_init_s
            return Due.GIVE_UP if over else None
        if stage is Stage.BOUND:
            # 7.2, inactivity_timer: a session without transactions for so long may be ended; unbind is the
            # orderly way.
            if config.inactivity_s and now >= self.last_transaction + config.inactivity_s:
                return Due.UNBIND
            silent = config.enquire_link_s and now >= self.last_received + config.enquire_link_s
            if silent and not self.enquiring:
                self.enquiring = True
                return Due.ENQUIRE
        return None
