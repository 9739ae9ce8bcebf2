"""A telephone with audio on `sip/`: what a fleet of handsets and an enterprise's desk phone share.

One SIP address may serve many lines (simulators.lines).
"""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from foundation.tasks import end
from simulators.lines import CallCounts, CallRecord, Line, LiveCall, NoSuchCall
from simulators.scripts import drawn
from sip.agent import AgentConfig
from sip.aio.endpoint import Listener, SipEndpoint
from sip.digest import Credentials
from sip.events import (
    CallAnswered,
    CallCancelled,
    CallEnded,
    CallEstablished,
    CallFailed,
    CallProgress,
    CallRequest,
    Event,
    IncomingCall,
    ModificationReceived,
    RequestReceived,
)
from sip.flow import Flow
from sip.headers import NameAddr
from sip.media.endpoint import RtpEndpoint
from sip.sdp import NoCommonCodec, SdpError, Session, make_answer, make_offer, media_address, parse_sdp
from sip.uri import SipUri, Uri

_log = logging.getLogger(__name__)

LIVE_CALLS_MAX = 5000
"""Calls of one telephone at once; one more is answered 486."""
RING_SECONDS_MAX = 180.0
"""A call that nobody answers is given up by the caller or refused by the called after this."""

CALL_BACKS_MAX = 5000
"""Calls that wait to be returned."""
QUIET_AFTER_KEYS_S = 0.1

CallBack = Callable[[Line, CallRecord], Coroutine[Any, Any, None]]


class Telephone:
    """One SIP address with the lines behind it."""

    def __init__(
        self,
        line_of: Callable[[str], Line | None],
        *,
        media_host: str,
        tap_rtp: Callable[[bytes], None] | None = None,
        tap_rtcp: Callable[[bytes], None] | None = None,
        on_other: Callable[[Event], bool] | None = None,
        seed: int | None = None,
    ) -> None:
        self.counts = CallCounts()
        self.on_call_back: CallBack | None = None
        """Calls back for a line that does so."""
        self._chance = random.Random(seed)
        self._line_of = line_of
        self._media_host = media_host
        self._tap_rtp = tap_rtp
        self._tap_rtcp = tap_rtcp
        self._on_other = on_other
        self._tasks: set[asyncio.Task[None]] = set()
        self._call_backs: set[asyncio.TimerHandle] = set()
        self._endpoint: SipEndpoint

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        line_of: Callable[[str], Line | None],
        *,
        tap_sip: Callable[[bytes], None] | None = None,
        tap_rtp: Callable[[bytes], None] | None = None,
        tap_rtcp: Callable[[bytes], None] | None = None,
        on_other: Callable[[Event], bool] | None = None,
        user_agent: str = "telephone",
        symmetric: bool = False,
        seed: int | None = None,
    ) -> "Telephone":
        """Bind `host`:`port` (0: any). `line_of` finds the line of a called user; what is not a call's
        business goes to `on_other`, which says whether it dealt with it. `seed`: of the times that are drawn."""
        telephone = cls(
            line_of, media_host=host, tap_rtp=tap_rtp, tap_rtcp=tap_rtcp, on_other=on_other, seed=seed
        )
        config = AgentConfig(user_agent=user_agent, calls_max=LIVE_CALLS_MAX, symmetric=symmetric)
        telephone._endpoint = await SipEndpoint.open(
            [Listener("UDP", host, port)], telephone._on_event, config, tap=tap_sip
        )
        return telephone

    @property
    def endpoint(self) -> SipEndpoint:
        """The SIP socket and its agent."""
        return self._endpoint

    async def close(self) -> None:
        """Hang up everything and close all sockets."""
        for waiting in self._call_backs:
            waiting.cancel()
        self._endpoint.agent.close(self._endpoint.now())
        await end(*self._tasks)
        self._endpoint.close()

    # What the person does.

    async def dial(
        self,
        line: Line,
        uri: Uri,
        *,
        to: NameAddr,
        from_: NameAddr,
        flow: Flow,
        headers: Sequence[tuple[str, str]] = (),
        credentials: Credentials | None = None,
    ) -> CallRecord:
        """Call `uri` and return the record, which changes as the call goes on. Raises NoSuchCall when the
        line has no room for another call."""
        if len(line.live) >= line.live_max or self.counts.up >= LIVE_CALLS_MAX:
            raise NoSuchCall("the line is busy")
        peer = to.uri.user or "" if isinstance(to.uri, SipUri) else str(to.uri)
        record = CallRecord(secrets.token_hex(8), "out", peer, str(from_.uri), str(to.uri), started=_now_ms())
        live = self._admit(line, record)
        try:
            live.media = await self._open_media(live)
            offer = make_offer(
                live.media.host, live.media.rtp_port, session_id=secrets.randbits(31), version=1
            )
            live.call = self._endpoint.agent.invite(
                uri,
                to=to,
                from_=from_,
                flow=flow,
                now=self._endpoint.now(),
                body=offer.to_bytes(),
                headers=headers,
                credentials=credentials,
                context=live,
                contact_user=line.user,
            )
        except OverflowError:
            self._over(live, "not-placed")
            raise NoSuchCall("too many calls") from None
        self.counts.placed += 1
        line.calls.put(record)
        return record

    def answer(self, line: Line, call_id: str | None = None) -> CallRecord:
        """Answer a call that rings here. Raises NoSuchCall."""
        live = line.find(call_id, ("ringing",), "in")
        self._spawn(self._answer(live))
        return live.record

    def reject(self, line: Line, call_id: str | None = None, status: int = 603) -> CallRecord:
        """Refuse a call that rings here. Raises NoSuchCall."""
        live = line.find(call_id, ("ringing",), "in")
        assert live.call is not None
        live.call.reject(status, self._endpoint.now())
        live.record.status = status
        self._over(live, "rejected")
        return live.record

    def hangup(self, line: Line, call_id: str | None = None) -> CallRecord:
        """End a call in whatever state it is. Raises NoSuchCall."""
        live = line.find(call_id, ("calling", "ringing", "answered"))
        assert live.call is not None
        live.call.hangup(self._endpoint.now())
        self._over(live, "hangup")
        return live.record

    def press(self, line: Line, digits: str, call_id: str | None = None) -> CallRecord:
        """Press keys in an answered call (RFC 4733). Raises NoSuchCall; ValueError for what is no key."""
        live = line.find(call_id, ("answered",))
        self._press(live, digits)
        return live.record

    def refresh(self, line: Line) -> None:
        """Bring the packet counts of the line's live records up to date."""
        for live in line.live:
            live.note_media()

    # What the network does.

    def _on_event(self, event: Event) -> None:
        live = getattr(getattr(event, "call", None), "context", None)
        now = self._endpoint.now()
        match event:
            case IncomingCall():
                self._incoming(event, now)
            case CallProgress(response=response) if isinstance(live, LiveCall):
                if live.record.state == "calling" and response.status in (180, 183):
                    live.record.state = "ringing"
                    live.line.calls.put(live.record)
            case CallAnswered(response=response) if isinstance(live, LiveCall):
                self._remote_media(live, response.body)
                self._up(live)
            case CallEstablished(ack=ack) if isinstance(live, LiveCall):
                if ack.body:
                    self._remote_media(live, ack.body)
            case CallFailed(status=status) if isinstance(live, LiveCall):
                live.record.status = status
                self._over(live, "failed")
            case CallCancelled() if isinstance(live, LiveCall):
                live.record.status = 487
                self._over(live, "cancelled")
            case CallEnded(cause=cause) if isinstance(live, LiveCall):
                self._over(live, cause)
            case ModificationReceived() if isinstance(live, LiveCall):
                self._modified(live, event, now)
            case CallRequest():
                status = 200 if event.request.method == "INFO" else 405
                self._endpoint.agent.respond(event.transaction, status, now=now)
            case RequestReceived() if event.request.method == "OPTIONS":
                self._endpoint.agent.respond(event.transaction, 200, now=now)
            case _:
                handled = self._on_other is not None and self._on_other(event)
                if not handled and isinstance(event, RequestReceived):
                    self._endpoint.agent.respond(event.transaction, 405, now=now)

    def _incoming(self, event: IncomingCall, now: float) -> None:
        call, request = event.call, event.request
        user = request.uri.user if isinstance(request.uri, SipUri) else None
        line = self._line_of(user or "")
        if line is None:
            return call.reject(404, now)
        shown = request.from_
        peer = (shown.uri.user or "") if isinstance(shown.uri, SipUri) else str(shown.uri)
        record = CallRecord(
            secrets.token_hex(8),
            "in",
            peer,
            str(shown.uri),
            str(request.to.uri),
            request.get("P-Asserted-Identity"),
            "ringing",
            _now_ms(),
        )
        self.counts.taken += 1
        behaviour = line.behaviour
        if behaviour.busy or len(line.live) >= line.live_max or self.counts.up >= LIVE_CALLS_MAX:
            call.reject(486, now)
            record.state, record.ended, record.status, record.cause = "ended", _now_ms(), 486, "busy"
            self.counts.count_end(record)
            line.calls.put(record)
            return self._call_back(line, record)
        live = self._admit(line, record)
        live.call, call.context = call, live
        call.contact_user = line.user
        call.ring(now)
        line.calls.put(record)
        after, refuse = behaviour.answer_after, behaviour.reject
        loop = asyncio.get_running_loop()
        if after is None:
            live.timer = loop.call_later(RING_SECONDS_MAX, self._refuse, live, 480, "no-answer")
        elif refuse is not None:
            live.timer = loop.call_later(drawn(after, self._chance), self._refuse, live, refuse, "rejected")
        else:
            live.timer = loop.call_later(drawn(after, self._chance), lambda: self._spawn(self._answer(live)))

    def _refuse(self, live: LiveCall, status: int, cause: str) -> None:
        if live.over or live.call is None:
            return
        live.call.reject(status, self._endpoint.now())
        live.record.status = status
        self._over(live, cause)

    async def _answer(self, live: LiveCall) -> None:
        if live.over or live.media is not None or live.call is None:
            return
        live.media = await self._open_media(live)
        if live.over:  # cancelled while the socket opened
            await live.media.close()
            return
        body = live.call.request.body
        try:
            answer = self._describe(live.media, body)
        except (SdpError, NoCommonCodec):
            live.call.reject(488, self._endpoint.now())
            live.record.status = 488
            return self._over(live, "no-common-codec")
        if body:
            self._remote_media(live, body)
        live.call.answer(answer.to_bytes(), self._endpoint.now())
        self._up(live)

    @staticmethod
    def _describe(media: RtpEndpoint, offer: bytes) -> Session:
        """Our SDP: the answer to `offer`, or an offer when there is none."""
        session_id = secrets.randbits(31)
        if not offer:
            return make_offer(media.host, media.rtp_port, session_id=session_id, version=1)
        return make_answer(parse_sdp(offer), media.host, media.rtp_port, session_id=session_id, version=1)

    def _modified(self, live: LiveCall, event: ModificationReceived, now: float) -> None:
        """A re-INVITE: a new address, hold or resume."""
        if live.media is None or live.call is None:
            return live.call.reject_modification(488, now) if live.call is not None else None
        try:
            answer = self._describe(live.media, event.request.body)
        except (SdpError, NoCommonCodec):
            return live.call.reject_modification(488, now)
        self._remote_media(live, event.request.body)
        live.call.accept_modification(answer.to_bytes(), now)

    @staticmethod
    def _remote_media(live: LiveCall, body: bytes) -> None:
        """Send audio where the other side's SDP says, or stop when it asks for hold."""
        if live.media is None or not body:
            return
        try:
            session = parse_sdp(body)
        except SdpError:
            return
        audio = next((media for media in session.media if media.kind == "audio" and media.port), None)
        if audio is None or audio.direction in ("sendonly", "inactive"):
            return live.media.pause()
        host, port = media_address(session, audio)
        live.media.set_remote(host, port)
        if live.line.behaviour.audio:
            live.media.start()

    def _up(self, live: LiveCall) -> None:
        behaviour, loop = live.line.behaviour, asyncio.get_running_loop()
        if live.timer is not None:
            live.timer.cancel()
            live.timer = None
        if live.media is not None and behaviour.audio:
            live.media.start()
        live.record.state = "answered"
        live.record.answered = _now_ms()
        self.counts.answered += 1
        live.line.calls.put(live.record)
        if behaviour.hang_up_after is not None:
            live.timer = loop.call_later(drawn(behaviour.hang_up_after, self._chance), self._hang_up, live)
        if behaviour.digits:
            after = drawn(behaviour.digits_after, self._chance)
            live.keys = loop.call_later(after, self._press, live, behaviour.digits)

    def _hang_up(self, live: LiveCall) -> None:
        if not live.over and live.call is not None:
            live.call.hangup(self._endpoint.now())
            self._over(live, "hangup")

    @staticmethod
    def _press(live: LiveCall, digits: str) -> None:
        media = live.media
        if live.over or media is None:
            return
        seconds = media.send_digits(digits)
        if not live.line.behaviour.audio:
            media.start()
            live.keys = asyncio.get_running_loop().call_later(seconds + QUIET_AFTER_KEYS_S, media.pause)

    def _call_back(self, line: Line, record: CallRecord) -> None:
        """Who called is called back, if the line does so."""
        after = line.behaviour.call_back_after
        if after is None or record.direction != "in" or self.on_call_back is None:
            return
        if len(self._call_backs) >= CALL_BACKS_MAX:
            _log.warning("a call is not returned: %d wait", CALL_BACKS_MAX)
            return

        def begin() -> None:
            self._call_backs.discard(handle)
            if self.on_call_back is not None:
                self._spawn(self.on_call_back(line, record))

        handle = asyncio.get_running_loop().call_later(drawn(after, self._chance), begin)
        self._call_backs.add(handle)

    # Inside.

    def _admit(self, line: Line, record: CallRecord) -> LiveCall:
        live = LiveCall(line, record)
        line.live.append(live)
        self.counts.up += 1
        self.counts.most = max(self.counts.most, self.counts.up)
        return live

    def _over(self, live: LiveCall, cause: str) -> None:
        """The call has ended, once, whoever ended it."""
        if live.over:
            return
        live.over = True
        for timer in (live.timer, live.keys):
            if timer is not None:
                timer.cancel()
        live.line.live.remove(live)
        self.counts.up -= 1
        live.record.cause = cause
        live.record.ended = _now_ms()
        self.counts.count_end(live.record)
        self._call_back(live.line, live.record)
        self._spawn(self._close_media(live))

    async def _close_media(self, live: LiveCall) -> None:
        live.note_media()
        if live.media is not None:
            await live.media.close()
            live.note_media()
        live.record.state = "ended"
        live.line.calls.put(live.record)

    async def _open_media(self, live: LiveCall) -> RtpEndpoint:
        def on_digit(digit: str) -> None:
            live.record.digits += digit
            live.line.calls.put(live.record)

        return await RtpEndpoint.open(
            self._media_host, tap_rtp=self._tap_rtp, tap_rtcp=self._tap_rtcp, on_digit=on_digit
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
