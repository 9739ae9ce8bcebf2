"""The shell on loopback sockets, over each transport and family, with our own agent and with sipp at the other end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from foundation.pki import make_ca, make_party
from sip.agent import AgentConfig
from sip.aio.endpoint import Listener, SipEndpoint, Transport
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
from sip.uri import SipUri, host_reference
from tests.ports import free_port, listening

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
        self.endpoint: SipEndpoint

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

    def dial(self, port: int, body: bytes, transport: Transport = "UDP", host: str = "127.0.0.1") -> None:
        target = SipUri("service", host_reference(host), port)
        self.endpoint.agent.invite(
            target,
            to=NameAddr(target),
            from_=NameAddr(SipUri("alice", "127.0.0.1")),
            flow=Flow(transport, host, port),
            now=self.endpoint.now(),
            body=body,
        )


UDP = (Listener("UDP", "127.0.0.1", 0),)


@asynccontextmanager
async def side(
    react: Callable[[Side, Event], None] | None = None,
    config: AgentConfig | None = None,
    listeners: Sequence[Listener] = UDP,
    client_tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Side]:
    it = Side(react)
    it.endpoint = await SipEndpoint.open(
        listeners, it.on_event, config, client_tls=client_tls, tap=it.heard.append
    )
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
    async with side(config=AgentConfig(values=values)) as alice:
        # A bound socket that never answers.
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        alice.dial(transport.get_extra_info("sockname")[1], offer())
        failed = await alice.wait_for(CallFailed)
        transport.close()
    assert isinstance(failed, CallFailed)
    assert failed.status == 408


def test_timers_that_are_due_at_once_run_on_uvloop() -> None:
    """uvloop gives what is due within half a millisecond no TimerHandle: a handle that knows no time."""
    faults: list[object] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        async with side(answer_calls) as bob:
            values = TimerValues(t1=0.0001, t2=0.0002)
            async with side(config=AgentConfig(values=values)) as alice:
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
                )
                alice.dial(transport.get_extra_info("sockname")[1], offer())
                alice.dial(bob.endpoint.local[1], offer())
                await alice.wait_for(CallFailed)
                transport.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    assert faults == []


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


async def test_the_advertised_address_is_the_one_that_is_told() -> None:
    async with side(listeners=[Listener("UDP", "127.0.0.1", 0, advertise=("203.0.113.7", 0))]) as alice:
        contact = alice.endpoint.agent.contact("a", Flow("UDP", "198.51.100.1", 5060))
        assert str(contact) == f"<sip:a@203.0.113.7:{alice.endpoint.local[1]}>"


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
async def test_a_wildcard_is_never_told(wildcard: str) -> None:
    async with side(listeners=[Listener("UDP", wildcard, 0)]) as alice:
        [address] = alice.endpoint.agent.config.addresses
        assert address.host not in ("0.0.0.0", "::", "")


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's that asks for a certificate, and a client's that has one."""
    make_ca(folder / "ca", "Test CA")
    for party in ("server", "client"):
        make_party(folder / party, folder / "ca", party, hosts=("127.0.0.1", "::1"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context, party in ((server, "server"), (client, "client")):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(folder / party / f"{party}.pem", folder / party / f"{party}.key")
        context.load_verify_locations(folder / "ca" / "ca.pem")
    server.verify_mode = ssl.CERT_OPTIONAL
    return server, client


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
async def test_a_call_over_each_transport_and_family(tmp_path: Path, transport: Transport, host: str) -> None:
    server, client = tls_contexts(tmp_path) if transport == "TLS" else (None, None)
    listeners = [Listener(transport, host, 0, tls=server)]
    async with (
        side(answer_calls, None, listeners, client) as bob,
        side(None, None, listeners, client) as alice,
    ):
        alice.dial(bob.endpoint.local[1], offer(), transport, host)
        answered = await alice.wait_for(CallAnswered)
        assert isinstance(answered, CallAnswered)
        await bob.wait_for(CallEstablished)
        incoming = await bob.wait_for(IncomingCall)
        assert isinstance(incoming, IncomingCall)
        assert incoming.flow.transport == transport
        assert incoming.request.top_via.transport == transport
        named = None if transport == "UDP" else transport.lower()
        uri = incoming.request.contacts[0].uri
        assert isinstance(uri, SipUri)
        assert uri.param("transport") == named
        shown = bob.endpoint.peer_certificate(incoming.flow)
        assert (shown is not None) == (transport == "TLS")
        # The callee's request in the dialog: to the Contact, on a connection of its own where there is none.
        incoming.call.hangup(bob.endpoint.now())
        ended = await alice.wait_for(CallEnded)
        assert isinstance(ended, CallEnded)
        assert ended.cause == "bye"


async def test_where_nobody_listens_the_call_fails_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with side(listeners=[Listener("TCP", "127.0.0.1", 0)]) as alice:
            alice.dial(taken.getsockname()[1], offer(), "TCP")
            failed = await alice.wait_for(CallFailed)
    assert isinstance(failed, CallFailed)
    assert failed.status == 503


async def test_a_server_that_cannot_prove_its_name_is_not_spoken_to(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)
    listeners = [Listener("TLS", "127.0.0.1", 0, tls=server)]
    async with side(answer_calls, None, listeners) as bob, side(None, None, UDP, client) as alice:
        flow = Flow("TLS", *bob.endpoint.local)
        alice.endpoint.expect_name(flow, "another.example")
        alice.dial(flow.port, offer(), "TLS")
        failed = await alice.wait_for(CallFailed)
        assert isinstance(failed, CallFailed)
        assert failed.status == 503
        assert bob.told == []


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
async def test_we_call_sipp(tmp_path: Path) -> None:
    """sipp's own answering side."""

    def react(it: Side, event: Event) -> None:
        if isinstance(event, CallAnswered):
            event.call.hangup(it.endpoint.now())

    port = free_port(socket.SOCK_DGRAM)
    # An INVITE that comes again while sipp is slow to answer is none that its scenario expects.
    values = TimerValues(t1=4.0)
    async with side(react, AgentConfig(values=values)) as alice:
        sipp = asyncio.create_task(
            run_sipp(*("-sn", "uas", "-p", str(port), "-m", str(SIPP_CALLS)), folder=tmp_path)
        )
        await listening(port)
        for _ in range(SIPP_CALLS):
            alice.dial(port, offer())
        await alice.wait_for(CallAnswered, SIPP_CALLS)
        code, output = await sipp
        assert code == 0, output
