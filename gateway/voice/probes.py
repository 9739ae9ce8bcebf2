"""OPTIONS to those who should be there (RFC 3261 11): the core's peers, and the trunks' configured contacts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from sip.aio.endpoint import SipEndpoint
from sip.flow import Flow, local_address
from sip.headers import NameAddr
from sip.transaction_client import ClientTransaction
from sip.uri import SipUri, host_reference

_log = logging.getLogger(__name__)

PROBE_S: Final = 4.0
"""How long an OPTIONS may take; it is sent four times in it."""


PROBES_MISSED: Final = 2
"""Probes in a row without an answer, after which somebody is down: one lost packet takes nobody away."""


class Probed:
    """Who is asked, and whether it is there."""

    __slots__ = ("_missed", "flow", "name")

    def __init__(self, name: str, flow: Flow) -> None:
        """`name`: for logs and metrics."""
        self.name = name
        self.flow = flow
        self._missed = 0

    @property
    def is_up(self) -> bool:
        return self._missed < PROBES_MISSED

    def answered(self) -> bool:
        """It gave a sign of life; True when it had been down."""
        was_down = not self.is_up
        self._missed = 0
        return was_down

    def missed(self) -> bool:
        """A probe had no answer; True when it is down by that."""
        self._missed += 1
        return self._missed == PROBES_MISSED


class Probe:
    """One OPTIONS under way: the context of its transaction."""

    __slots__ = ("_probes", "target")

    def __init__(self, probes: Probes, target: Probed) -> None:
        self._probes = probes
        self.target = target

    def over(self, sent: ClientTransaction, status: int | None) -> None:
        """Its answer came, or None: there is none. Any answer is a sign of life, but 503."""
        sent.context = None
        self._probes.judge(self.target, status is not None and status != 503)


class Probes:
    """Asks all of them, again and again. `on_judged` is told whom a probe was about, when that is known."""

    def __init__(
        self,
        endpoint: SipEndpoint,
        interval_s: float,
        targets: Callable[[], Iterable[Probed]],
        on_judged: Callable[[Probed], None],
    ) -> None:
        """`interval_s` 0: nobody is asked."""
        self._endpoint = endpoint
        self._interval_s = interval_s
        self._targets = targets
        self._on_judged = on_judged
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Ask now, and then in turn."""
        if not self._interval_s:
            return
        loop = asyncio.get_running_loop()
        self._next = loop.call_later(self._interval_s, self.start)
        for target in self._targets():
            try:
                sent = self._ask(target)
            except OverflowError:
                return
            loop.call_later(min(PROBE_S, self._interval_s), self._late, sent)

    def _ask(self, target: Probed) -> ClientTransaction:
        endpoint, flow = self._endpoint, target.flow
        to = NameAddr(SipUri(None, host_reference(flow.host), flow.port))
        own = local_address(endpoint.agent.config.addresses, flow)
        return endpoint.agent.send_request(
            "OPTIONS",
            to.uri,
            to=to,
            from_=NameAddr(SipUri(None, host_reference(own.host), own.port)),
            flow=flow,
            now=endpoint.now(),
            context=Probe(self, target),
        )

    @staticmethod
    def _late(sent: ClientTransaction) -> None:
        probe = sent.context
        if isinstance(probe, Probe):
            sent.abandon()
            probe.over(sent, None)

    def judge(self, target: Probed, is_there: bool) -> None:
        """Note what a probe showed."""
        if is_there:
            if target.answered():
                _log.info("%s is back", target.name)
        elif target.missed():
            _log.warning("%s does not answer", target.name)
        self._on_judged(target)

    def stop(self) -> None:
        """Ask nobody any more."""
        if self._next is not None:
            self._next.cancel()
