"""rtpengine as MediaControl: against Debian's rtpengine-daemon, and against a stand-in that misbehaves."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from sip.media import rtcp, rtp, rtpengine
from sip.media.bencode import Value, decode, encode
from sip.media.control import MediaError, MediaPorts, MediaUnavailable, RemoteMedia
from sip.media.endpoint import RtpEndpoint
from sip.media.rtpengine import RtpengineClient, RtpengineConfig
from tests.rtpengine import rtpengine_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of its NG protocol."""
    with rtpengine_daemon(tmp_path_factory.mktemp("rtpengine")) as port:
        yield port


@pytest.fixture
async def client(daemon: int) -> AsyncIterator[RtpengineClient]:
    client = await RtpengineClient.start(RtpengineConfig(port=daemon, sessions_max=4))
    yield client
    await client.stop()


async def until(condition, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is counted has no event
            await asyncio.sleep(0.005)


class Wire:
    """A bare socket pair, for packets that no phone would send."""

    def __init__(self) -> None:
        self.rtp = self._bound()
        self.rtcp = self._bound()

    @staticmethod
    def _bound() -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        return opened

    @property
    def remote(self) -> RemoteMedia:
        return RemoteMedia("127.0.0.1", self.rtp.getsockname()[1], self.rtcp.getsockname()[1])

    def say(self, port: int, number: int, payload_type: int = 0) -> bytes:
        data = rtp.build(rtp.RtpPacket(payload_type, number, number * 160, 0x1111, b"\x55" * 160))
        self.rtp.sendto(data, ("127.0.0.1", port))
        return data

    async def hears(self, seconds: float = 2.0) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.rtp, 2000), seconds)

    async def is_quiet(self, opened: socket.socket | None = None) -> bool:
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(opened or self.rtp, 2000), 0.15)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


@pytest.fixture
def wires() -> Iterator[tuple[Wire, Wire, Wire]]:
    opened = (Wire(), Wire(), Wire())
    yield opened
    for wire in opened:
        wire.close()


async def up(client: RtpengineClient, a: Wire, b: Wire, **gates: bool) -> MediaPorts:
    ports = await client.create("call", **gates)
    await client.update("call", "a", a.remote)
    await client.update("call", "b", b.remote)
    return ports


@pytest.mark.peer("rtpengine")
class TestAgainstTheDaemon:
    async def test_two_phones_talk_and_press_digits_through_it(self, client: RtpengineClient) -> None:
        rtcp_heard: list[bytes] = []
        alice = await RtpEndpoint.open(cname="8613800000001@ims")
        bob = await RtpEndpoint.open(tap_rtcp=rtcp_heard.append)
        ports = await client.create("call")
        assert ports.a.rtcp_port == ports.a.rtp_port + 1
        await client.update("call", "a", RemoteMedia(alice.host, alice.rtp_port))
        await client.update("call", "b", RemoteMedia(bob.host, bob.rtp_port))
        alice.set_remote(ports.a.host, ports.a.rtp_port)
        bob.set_remote(ports.b.host, ports.b.rtp_port)
        alice.start()
        bob.start()
        alice.send_digits("1#")
        await until(lambda: bob.digits == "1#" and alice.stats.rtp_received > 3)
        assert alice.tone_heard()
        sent = await alice.close()
        await until(lambda: bob.stats.rtp_received == sent.rtp_sent)
        await bob.close()
        stats = await client.delete("call")
        assert (stats.a.packets, stats.a.octets) == (sent.rtp_sent, sent.octets_sent)
        assert stats.b.latched == f"127.0.0.1:{bob.rtp_port}"
        assert b"86138" not in b"".join(rtcp_heard)
        with pytest.raises(MediaError, match="unknown call"):
            await client.delete("call")

    async def test_every_payload_type_crosses_unchanged(
        self, client: RtpengineClient, wires: tuple[Wire, Wire, Wire]
    ) -> None:
        """AMR, AMR-WB and EVS have dynamic numbers, settled in the signalling."""
        a, b, _ = wires
        ports = await up(client, a, b)
        for number, payload_type in enumerate((0, 8, 18, 96, 101, 127), 1):
            assert a.say(ports.a.rtp_port, number, payload_type) == await b.hears()

    async def test_an_intruder_is_neither_heard_nor_answered(
        self, client: RtpengineClient, wires: tuple[Wire, Wire, Wire]
    ) -> None:
        a, b, intruder = wires
        ports = await up(client, a, b)
        intruder.say(ports.a.rtp_port, 1)
        assert await b.is_quiet()
        said = a.say(ports.a.rtp_port, 2)
        assert await b.hears() == said
        b.say(ports.b.rtp_port, 1)
        await a.hears()
        intruder.say(ports.a.rtp_port, 3)
        assert await b.is_quiet()
        assert await intruder.is_quiet()

    async def test_behind_nat_the_first_source_is_kept_over_a_session_refresh(
        self, client: RtpengineClient, wires: tuple[Wire, Wire, Wire]
    ) -> None:
        a, b, intruder = wires
        ports = await client.create("call")
        hidden = RemoteMedia("192.0.2.77", 4000, also_from=("127.0.0.1",))
        await client.update("call", "a", hidden)
        await client.update("call", "b", b.remote)
        said = a.say(ports.a.rtp_port, 1)
        assert await b.hears() == said
        await client.update("call", "a", hidden)
        intruder.say(ports.a.rtp_port, 2)
        assert await b.is_quiet()
        said = b.say(ports.b.rtp_port, 1)
        assert await a.hears() == said

    async def test_no_name_crosses_in_rtcp(
        self, client: RtpengineClient, wires: tuple[Wire, Wire, Wire]
    ) -> None:
        a, b, _ = wires
        ports = await up(client, a, b)
        a.say(ports.a.rtp_port, 1)
        await b.hears()
        named = rtcp.build([rtcp.ReceiverReport(0x1111), rtcp.SourceDescription(0x1111, "8613800000001@ims")])
        a.rtcp.sendto(named, ("127.0.0.1", ports.a.rtcp_port))
        assert await b.is_quiet(b.rtcp)

    async def test_a_closed_gate_withholds_what_the_side_sends(
        self, client: RtpengineClient, wires: tuple[Wire, Wire, Wire]
    ) -> None:
        a, b, _ = wires
        ports = await up(client, a, b, gate_b=False)
        b.say(ports.b.rtp_port, 1)
        assert await a.is_quiet()
        said = a.say(ports.a.rtp_port, 1)
        assert await b.hears() == said
        await client.gate("call", "b", True)
        said = b.say(ports.b.rtp_port, 2)
        assert await a.hears() == said
        await client.gate("call", "b", False)
        b.say(ports.b.rtp_port, 3)
        assert await a.is_quiet()

    async def test_ports_stay_when_a_side_holds_moves_and_comes_back(
        self, client: RtpengineClient, wires: tuple[Wire, Wire, Wire]
    ) -> None:
        a, b, moved = wires
        ports = await up(client, a, b)
        for number, held in enumerate((RemoteMedia("0.0.0.0", 4000), RemoteMedia("127.0.0.1", 0)), 1):
            await client.update("call", "b", held)
            a.say(ports.a.rtp_port, number)
            assert await b.is_quiet()
        await client.update("call", "b", moved.remote)
        said = a.say(ports.a.rtp_port, 3)
        assert await moved.hears() == said
        said = moved.say(ports.b.rtp_port, 1)
        assert await a.hears() == said

    async def test_silent_sides_are_named(
        self, client: RtpengineClient, wires: tuple[Wire, Wire, Wire]
    ) -> None:
        a, b, _ = wires
        ports = await up(client, a, b)
        assert await client.silent(60.0) == []
        assert await client.silent(0.0) == [("call", "a"), ("call", "b")]
        a.say(ports.a.rtp_port, 1)
        await b.hears()
        client._calls["call"].last_rtp = {"a": 0.0, "b": 0.0}
        assert await client.silent(30.0) == [("call", "b")]

    async def test_a_call_that_rtpengine_lost_is_silent(self, client: RtpengineClient, daemon: int) -> None:
        """It was started anew: nothing else tells."""
        await client.create("call")
        other = await RtpengineClient.start(RtpengineConfig(port=daemon))
        other._instance = client._instance
        await other._ask("delete", "call", **{"delete-delay": 0})
        await other.stop()
        client._calls["call"].last_rtp = {"a": 0.0, "b": 0.0}
        assert await client.silent(30.0) == [("call", "a"), ("call", "b")]
        with pytest.raises(MediaError, match="unknown call"):
            await client.delete("call")

    async def test_calls_are_bounded_and_ids_are_unique(self, client: RtpengineClient) -> None:
        for number in range(4):
            await client.create(str(number))
        with pytest.raises(MediaError, match="in use"):
            await client.create("0")
        await client.delete("0")
        await client.create("0")
        with pytest.raises(MediaError, match="too many calls"):
            await client.create("4")
        for number in range(4):
            await client.delete(str(number))


class _Stand(asyncio.DatagramProtocol):
    """Answers as it is told: None is silence."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Value] | None] = []
        self.heard: list[dict[str, Value]] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, _, body = data.partition(b" ")
        value = decode(body)
        assert isinstance(value, dict)
        self.heard.append(value)
        answer = self.answers.pop(0) if self.answers else {"result": "pong"}
        if answer is not None:
            self.transport.sendto(cookie + b" " + encode(answer), addr)


@pytest.fixture
async def stand() -> AsyncIterator[tuple[_Stand, RtpengineConfig]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Stand, local_addr=("127.0.0.1", 0))
    yield protocol, RtpengineConfig(port=transport.get_extra_info("sockname")[1])
    transport.close()


async def test_a_lost_datagram_is_sent_again(stand: tuple[_Stand, RtpengineConfig]) -> None:
    protocol, config = stand
    protocol.answers = [None]
    client = await RtpengineClient.start(config)
    assert len(protocol.heard) == 2
    await client.stop()
    await client.stop()


async def test_no_daemon_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.media.ng.REPEAT_S", (0.01,))
    monkeypatch.setattr("sip.media.ng.DEADLINE_S", 0.02)
    with pytest.raises(MediaUnavailable):
        await RtpengineClient.start(RtpengineConfig(port=9))


async def test_a_daemon_that_goes_is_told_once_and_every_wait_ends(
    stand: tuple[_Stand, RtpengineConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol, config = stand
    monkeypatch.setattr(rtpengine, "PING_S", 0.01)
    monkeypatch.setattr("sip.media.ng.REPEAT_S", (0.01,))
    monkeypatch.setattr("sip.media.ng.DEADLINE_S", 0.02)
    told: list[bool] = []
    client = await RtpengineClient.start(config, on_lost=lambda: told.append(True))
    assert client.running
    protocol.answers = [None] * 1000
    await until(lambda: told == [True])
    assert not client.running
    with pytest.raises(MediaUnavailable):
        await client.ping()
    await client.stop()


async def test_what_is_refused_or_not_understood_is_an_error_and_holds_no_call(
    stand: tuple[_Stand, RtpengineConfig],
) -> None:
    protocol, config = stand
    client = await RtpengineClient.start(config)
    protocol.answers = [{"result": "error", "error-reason": "Ran out of ports"}]
    with pytest.raises(MediaError, match="refused"):
        await client.create("call")
    protocol.answers = [{"result": "ok", "sdp": "v=1"}]
    with pytest.raises(MediaUnavailable, match="not understood"):
        await client.create("call")
    assert [value["command"] for value in protocol.heard].count("delete") == 2
    with pytest.raises(MediaError, match="unknown call"):
        await client.stats("call")
    await client.stop()


async def test_each_side_has_its_interface_and_its_family(stand: tuple[_Stand, RtpengineConfig]) -> None:
    protocol, config = stand
    config = RtpengineConfig(
        port=config.port, interface_a="outside", interface_b="inside", family_a="IP6", family_b="IP4"
    )
    client = await RtpengineClient.start(config)
    towards_b = (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\n"
    )
    towards_a = towards_b.replace("IP4 192.0.2.5", "IP6 2001:db8::5").replace("30000", "30010")
    protocol.answers = [{"result": "ok", "sdp": towards_b}, {"result": "ok", "sdp": towards_a}]
    ports = await client.create("call")
    assert (ports.a.host, ports.a.rtp_port, ports.a.rtcp_port) == ("2001:db8::5", 30010, 30011)
    assert (ports.b.host, ports.b.rtp_port) == ("192.0.2.5", 30000)
    offer, answer = protocol.heard[-2:]
    assert (offer["direction"], offer["address family"]) == (["outside", "inside"], "IP4")
    assert (answer["direction"], answer["address family"]) == (["inside", "outside"], "IP6")
    assert "to-tag" not in offer
    assert (answer["from-tag"], answer["to-tag"]) == ("a", "b")
    protocol.answers = [{"result": "ok", "sdp": towards_b}, {"result": "ok", "sdp": towards_b}]
    await client.create("put through", networks=("b", "b"))
    for heard in protocol.heard[-2:]:
        assert (heard["direction"], heard["address family"]) == (["inside", "inside"], "IP4")
    await client.stop()


def test_one_interface_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="both or none"):
        RtpengineConfig(interface_a="outside")


async def test_a_name_instead_of_an_address_is_refused(stand: tuple[_Stand, RtpengineConfig]) -> None:
    client = await RtpengineClient.start(stand[1])
    client._calls["call"] = rtpengine._Call(0.0)
    with pytest.raises(MediaError, match="no IP address"):
        await client.update("call", "a", RemoteMedia("phone.example", 4000))
    await client.stop()
