"""The UDP shell on loopback sockets, with our own agent and with sipp at the other end."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sip.agent import AgentConfig
from sip.aio.udp import UdpEndpoint
from sip.call import CallState
from sip.events import (
    CallAnswered,
    CallEnded,
    CallEstablished,
    CallFailed,
    Event,
    IncomingCall,
    RequestReceived,
)
from sip.flow import Flow
from sip.headers import NameAddr
from sip.sdp import make_answer, make_offer, parse_sdp
from sip.timers import TimerValues
from sip.uri import SipUri

DEADLINE = 10.0
"""Seconds that a test waits for what must come; nothing is timed."""

SIPP_CALLS = 20


class Side:
    """An endpoint, what it was told, and what it received."""

    def __init__(self, react: Callable[[Side, Event], None] | None) -> None:
        self.react = react
        self.told: list[Event] = []
        self.heard: list[bytes] = []
        self.news = asyncio.Event()
        self.endpoint: UdpEndpoint

    def on_event(self, event: Event) -> None:
        self.told.append(event)
        self.news.set()
        if self.react is not None:
            self.react(self, event)

    async def wait_for(self, kind: type[Event], count: int = 1) -> Event:
        async with asyncio.timeout(DEADLINE):
            while True:
                found = [event for event in self.told if isinstance(event, kind)]
                if len(found) >= count:
                    return found[count - 1]
                self.news.clear()
                await self.news.wait()

    def dial(self, port: int, body: bytes) -> None:
        target = SipUri("service", "127.0.0.1", port)
        self.endpoint.agent.invite(
            target,
            to=NameAddr(target),
            from_=NameAddr(SipUri("alice", "127.0.0.1")),
            flow=Flow("UDP", "127.0.0.1", port),
            now=self.endpoint.now(),
            body=body,
        )


@asynccontextmanager
async def side(
    react: Callable[[Side, Event], None] | None = None, config: AgentConfig | None = None
) -> AsyncIterator[Side]:
    it = Side(react)
    it.endpoint = await UdpEndpoint.open("127.0.0.1", 0, it.on_event, config, tap=it.heard.append)
    try:
        yield it
    finally:
        it.endpoint.close()


def offer() -> bytes:
    return make_offer("127.0.0.1", 40000, session_id=1).to_bytes()


def answer_calls(it: Side, event: Event) -> None:
    now = it.endpoint.now()
    if isinstance(event, IncomingCall):
        event.call.ring(now)
        answer = make_answer(parse_sdp(event.request.body), "127.0.0.1", 40002, session_id=2)
        event.call.answer(answer.to_bytes(), now)
    elif isinstance(event, RequestReceived):
        it.endpoint.agent.answer_options(event.transaction, now)


async def test_a_call_over_sockets() -> None:
    async with side(answer_calls) as bob, side() as alice:
        alice.dial(bob.endpoint.local[1], offer())
        answered = await alice.wait_for(CallAnswered)
        assert isinstance(answered, CallAnswered)
        await bob.wait_for(CallEstablished)
        answered.call.hangup(alice.endpoint.now())
        ended = await bob.wait_for(CallEnded)
        assert isinstance(ended, CallEnded)
        assert ended.cause == "bye"
    assert bob.heard[0].startswith(b"INVITE ")
    assert alice.heard[0].startswith(b"SIP/2.0 180 ")


async def test_timers_run_by_themselves() -> None:
    """Nobody listens at the other end: timer B ends the call."""
    values = TimerValues(t1=0.002, t2=0.01)
    async with side(config=AgentConfig("127.0.0.1", 0, values=values)) as alice:
        # A bound socket that never answers.
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        alice.dial(transport.get_extra_info("sockname")[1], offer())
        failed = await alice.wait_for(CallFailed)
        transport.close()
    assert isinstance(failed, CallFailed)
    assert failed.status == 408


async def test_what_cannot_be_sent_fails_the_call() -> None:
    async with side() as alice:
        alice.dial(5060, b"x" * 70_000)
        failed = await alice.wait_for(CallFailed)
    assert isinstance(failed, CallFailed)
    assert failed.status == 503


async def test_a_handler_that_raises_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    def react(it: Side, event: Event) -> None:
        if len(it.told) == 1:
            raise RuntimeError("handler")
        answer_calls(it, event)

    async with side(react) as bob, side() as alice:
        alice.dial(bob.endpoint.local[1], offer())
        failed = await alice.wait_for(CallFailed)
        assert isinstance(failed, CallFailed)
        assert failed.status == 500
        alice.dial(bob.endpoint.local[1], offer())
        await alice.wait_for(CallAnswered)
    assert "event handler failed on IncomingCall" in caplog.text


async def test_closing_says_goodbye() -> None:
    async with side(answer_calls) as bob:
        async with side() as alice:
            alice.dial(bob.endpoint.local[1], offer())
            await bob.wait_for(CallEstablished)
        ended = await bob.wait_for(CallEnded)
        assert isinstance(ended, CallEnded)
        assert ended.call.state is CallState.TERMINATED


async def test_the_configured_address_is_the_one_that_is_told() -> None:
    config = AgentConfig("203.0.113.7", 0)
    async with side(config=config) as alice:
        assert dataclasses.asdict(alice.endpoint.agent.config)["port"] == alice.endpoint.local[1]
        assert str(alice.endpoint.agent.contact("a")) == f"<sip:a@203.0.113.7:{alice.endpoint.local[1]}>"


async def run_sipp(*arguments: str, folder: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        "sipp",
        *arguments,
        *("-i", "127.0.0.1", "-nostdin", "-trace_err", "-timeout", "20s", "-timeout_error"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(30):
            output, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode, output.decode(errors="replace")


@pytest.mark.peer("sipp")
async def test_sipp_calls_us(tmp_path: Path) -> None:
    """sipp's own caller: INVITE, ACK, BYE, each answered to its liking."""
    async with side(answer_calls) as bob:
        code, output = await run_sipp(
            *("-sn", "uac", f"127.0.0.1:{bob.endpoint.local[1]}"),
            *("-m", str(SIPP_CALLS), "-r", "50", "-d", "10"),
            folder=tmp_path,
        )
        assert code == 0, output
        await bob.wait_for(CallEnded, SIPP_CALLS)
        assert [event.cause for event in bob.told if isinstance(event, CallEnded)] == ["bye"] * SIPP_CALLS
        assert not bob.endpoint.agent.calls


@pytest.mark.peer("sipp")
async def test_we_call_sipp(tmp_path: Path, unused_udp_port: int) -> None:
    """sipp's own answering side."""

    def react(it: Side, event: Event) -> None:
        if isinstance(event, CallAnswered):
            event.call.hangup(it.endpoint.now())

    values = TimerValues(t1=0.1)
    async with side(react, AgentConfig("127.0.0.1", 0, values=values)) as alice:
        sipp = asyncio.create_task(
            run_sipp(
                *("-sn", "uas", "-p", str(unused_udp_port), "-m", str(SIPP_CALLS)),
                folder=tmp_path,
            )
        )
        for _ in range(SIPP_CALLS):
            alice.dial(unused_udp_port, offer())
        await alice.wait_for(CallAnswered, SIPP_CALLS)
        code, output = await sipp
        assert code == 0, output
