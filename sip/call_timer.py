"""The session timer of a call: armed by each 2xx, refreshed by one side, the end of who vanished (RFC 4028)."""

from __future__ import annotations

from sip.call_base import CallBase
from sip.events import CallEnded
from sip.message import Request, Response
from sip.session_timer import Agreed, agreed, answer, request_headers

REFRESH_RETRY = 2.0
"""Seconds until a refresh that could not be sent, or was refused, is tried again."""


class TimedSession(CallBase):
    """What keeps a session's interval. Nothing of it happens where the agent uses no session timers."""

    __slots__ = ()

    def _refresh_session(self, now: float) -> None:
        raise NotImplementedError

    @property
    def _interval(self) -> int:
        return self.agent.config.session_expires if self._agreed is None else self._agreed.interval

    def _ask_interval(self, request: Request) -> None:
        """Our INVITE or UPDATE names the interval, and the roles as they are (7.4)."""
        if self.agent.config.session_expires:
            refresher = None if self._agreed is None else "uac" if self._agreed.ours else "uas"
            for name, value in request_headers(self._interval, self.agent.config.min_se, refresher):
                request.set(name, value)

    def _agree_as_callee(self, request: Request, response: Response, now: float) -> None:
        """Our 2xx names the interval (9)."""
        config = self.agent.config
        if config.session_expires:
            taken, headers = answer(request, config.session_expires, config.min_se)
            for name, value in headers:
                response.add(name, value)
            self._arm_session(taken, now)

    def _agree_as_caller(self, response: Response, now: float) -> None:
        """Their 2xx names the interval (7.2)."""
        if self.agent.config.session_expires:
            self._arm_session(agreed(response, self._interval), now)

    def _arm_session(self, taken: Agreed, now: float) -> None:
        self._stop_session()
        self._agreed = taken
        end = self.agent.timers.set(now + taken.ends_after, self._session_ended)
        self._session_timers = (end,)
        if taken.ours:
            self._refresh_at(now + taken.refresh_after)

    def _refresh_at(self, at: float) -> None:
        end, *earlier = self._session_timers
        for timer in earlier:
            timer.cancel()
        self._session_timers = (end, self.agent.timers.set(at, self._refresh_session))

    def _session_ended(self, now: float) -> None:
        # 10: no refresh came, or none of ours was answered.
        if not self.over:
            self._bye(now)
            self._finish(CallEnded(self._self(), "session-expired"), keep_dialog=True)
