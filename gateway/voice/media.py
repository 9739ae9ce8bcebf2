"""One call's media: anchored in the relay, and described anew to each side."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import lru_cache

from masking.sip_leg import Audio, build_sdp, crossing_audio, remote_media
from sip.media.control import SIDES, MediaControl, MediaPorts, MediaStats, RemoteMedia, Side
from sip.sdp import DIRECTIONS, Session, parse_sdp

_DIRECTIONS = frozenset(f"a={name}".encode() for name in DIRECTIONS)
READ_MAX = 256
"""Descriptions remembered: an offer is read when its call is admitted, and again when it is anchored."""


def other_side(side: Side) -> Side:
    return "b" if side == "a" else "a"


@dataclass(slots=True)
class _Shown:
    """What a side was told last. RFC 3264 8: the version grows when the description changes, and only then."""

    session_id: int
    version: int = 0
    body: bytes = b""
    before: bytes = b""


class CallMedia:
    """Side a is the enterprise, side b the core, whoever called."""

    def __init__(self, control: MediaControl, call_id: str, ports: MediaPorts) -> None:
        self._control = control
        self._ports = ports
        self.call_id = call_id
        self.held = False
        """The last description allowed less than both ways: silence is no sign of a dead call."""
        self._shown: dict[Side, _Shown] = {
            "a": _Shown(secrets.randbits(62)),
            "b": _Shown(secrets.randbits(62)),
        }
        self._remotes: dict[Side, list[RemoteMedia]] = {"a": [], "b": []}
        """What a side announced last, and before."""
        self._known: dict[Side, RemoteMedia] = {}
        """What the relay was told of each side."""
        self._theirs: dict[Side, bytes] = {"a": b"", "b": b""}

    @classmethod
    async def open(
        cls,
        control: MediaControl,
        call_id: str,
        *,
        early_from_core: bool,
        networks: tuple[Side, Side] = SIDES,
        offer: tuple[Side, bytes, str] | None = None,
    ) -> CallMedia:
        """Take ports. Without `early_from_core` what the core sends is withheld until the answer: ring-back tones
        and network announcements can name a person. `offer`: the side whose offer comes first, which `relay` or
        `answer` is given next, the offer, and from where it is signalled. Raises SdpError, MediaError."""
        told = None if offer is None else (offer[0], remote_media(*_read(offer[1]), signalling_host=offer[2]))
        ports = await control.create(call_id, gate_b=early_from_core, networks=networks, told=told)
        media = cls(control, call_id, ports)
        if told is not None:
            media._known[told[0]] = told[1]
        return media

    async def relay(self, side: Side, body: bytes, signalling_host: str, *, talk: bool = False) -> bytes:
        """Take a side's description; the one that the other side is shown. `talk`: the call is answered with it, and
        media of both sides goes through.

        Raises SdpError (a ValueError) for a body that is none, ValueError where nothing in it may cross,
        MediaError.
        """
        theirs, audio = _read(body)
        shown = self._shown[other_side(side)]
        local = self._ports.of(other_side(side))

        def build(version: int) -> bytes:
            return build_sdp(
                theirs,
                audio,
                host=local.host,
                rtp_port=local.rtp_port,
                rtcp_port=local.rtcp_port,
                session_id=shown.session_id,
                version=version,
            ).to_bytes()

        again = build(shown.version) if shown.body else b""
        if again != shown.body or not again:
            again = build(shown.version + 1)
        remote = remote_media(theirs, audio, signalling_host=signalling_host)
        await self._tell(side, remote, opens="b" if talk else None)
        shown.before = shown.body
        if again != shown.body:
            shown.version, shown.body = shown.version + 1, again
        self.held = theirs.audio is None or theirs.direction(theirs.audio) != "sendrecv"
        self._remotes[side] = [*self._remotes[side][-1:], remote]
        self._theirs[side] = body
        return again

    async def answer(self, side: Side, body: bytes, signalling_host: str, *, known: bytes = b"") -> bytes:
        """Take a side's offer and answer it here, while the other side cannot be asked: with all that may cross and,
        where `known` was told to this side before, with nothing that is not in it. Raises as `relay`."""
        theirs, audio = _read(body)
        if audio is not None and known:
            _, before = _read(known)
            told = [] if before is None else before.codecs
            kept = [codec for codec in audio.codecs if any(codec.same_format(each) for each in told)]
            audio = audio._replace(codecs=kept) if kept else None
        shown, local = self._shown[side], self._ports.of(side)

        def build(version: int) -> bytes:
            return build_sdp(
                theirs,
                audio,
                host=local.host,
                rtp_port=local.rtp_port,
                rtcp_port=local.rtcp_port,
                session_id=shown.session_id,
                version=version,
                answers=True,
            ).to_bytes()

        again = build(shown.version)
        if again != shown.body:
            again = build(shown.version + 1)
            shown.version, shown.before, shown.body = shown.version + 1, shown.body, again
        await self.listen(side, body, signalling_host)
        return again

    async def listen(self, side: Side, body: bytes, signalling_host: str) -> None:
        """Where a side listens now; the other side is not told. Raises SdpError, MediaError."""
        remote = remote_media(*_read(body), signalling_host=signalling_host)
        await self._tell(side, remote)
        self._remotes[side] = [*self._remotes[side][-1:], remote]
        self._theirs[side] = body

    async def revert(self, side: Side) -> None:
        """The side's last description was refused: what it said before holds. Raises MediaError."""
        remotes = self._remotes[side]
        if len(remotes) > 1:
            remotes.pop()
            shown = self._shown[other_side(side)]
            shown.body = shown.before
            await self._tell(side, remotes[-1])

    async def _tell(self, side: Side, remote: RemoteMedia, opens: Side | None = None) -> None:
        """Have the relay know where a side listens. Raises MediaError."""
        if opens is not None or self._known.get(side) != remote:
            await self._control.update(self.call_id, side, remote, opens=opens)
            self._known[side] = remote

    def theirs(self, side: Side) -> bytes:
        """What a side said last of itself."""
        return self._theirs[side]

    def shown(self, side: Side) -> bytes:
        """What a side was told last."""
        return self._shown[side].body

    async def close(self) -> MediaStats:
        """Give the ports back; what came from each side. Raises MediaError."""
        return await self._control.delete(self.call_id)


def both_ways(body: bytes) -> bytes:
    """A description without its direction: of who is on hold, for somebody else."""
    kept = [line for line in body.split(b"\n") if line.strip() not in _DIRECTIONS]
    return b"\n".join(kept)


def may_cross(body: bytes) -> bool:
    """Whether an offer holds audio of a kind that is relayed. Raises SdpError."""
    return _read(body)[1] is not None


@lru_cache(maxsize=READ_MAX)
def _read(body: bytes) -> tuple[Session, Audio | None]:
    """A description and what of it crosses; nobody changes either. Raises SdpError."""
    theirs = parse_sdp(body)
    return theirs, crossing_audio(theirs)
