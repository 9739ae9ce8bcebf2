"""The bodies and headers that cross between the two SIP legs of a call: built from typed values."""

import ipaddress
import re
from functools import lru_cache
from typing import Final, NamedTuple

from masking.sip_rules import HEADER_RULES, shown_status
from sip.media.control import RemoteMedia
from sip.message import Request, Response
from sip.sdp import (
    Attribute,
    Codec,
    Media,
    Origin,
    Session,
    connection_of,
    media_address,
    reverse_direction,
)

__all__ = [
    "CODECS",
    "HEADER_RULES",
    "Audio",
    "build_info",
    "build_sdp",
    "core_headers",
    "crossing_audio",
    "enterprise_headers",
    "enterprise_status",
    "remote_media",
]

ADDRESSES_MAX = 1024
"""Hosts of which it is remembered whether they are addresses."""
UNSPECIFIED = "0.0.0.0"  # noqa: S104 - RFC 3264, 8.4: the old form of hold; never bound

_AMR = (
    "octet-align",
    "mode-set",
    "mode-change-period",
    "mode-change-capability",
    "mode-change-neighbor",
    "max-red",
    "crc",
    "robust-sorting",
    "interleaving",
    "channels",
)
_EVS = (
    "evs-mode-switch",
    "hf-only",
    "dtx",
    "dtx-recv",
    "max-red",
    "channels",
    "cmr",
    "br",
    "br-send",
    "br-recv",
    "bw",
    "bw-send",
    "bw-recv",
    "ch-send",
    "ch-recv",
    "ch-aw-recv",
    "mode-set",
    "mode-change-period",
    "mode-change-capability",
    "mode-change-neighbor",
)
_OPUS = (
    "maxplaybackrate",
    "sprop-maxcapturerate",
    "maxaveragebitrate",
    "stereo",
    "sprop-stereo",
    "cbr",
    "useinbandfec",
    "usedtx",
    "minptime",
    "maxptime",
    "ptime",
)

CODECS: Final[dict[str, tuple[str, ...]]] = {
    "PCMU": (),
    "PCMA": (),
    "G722": (),
    "G729": ("annexb",),
    "GSM": (),
    "GSM-EFR": (),
    "iLBC": ("mode",),
    "AMR": _AMR,
    "AMR-WB": _AMR,
    "EVS": _EVS,
    "opus": _OPUS,
    "CN": (),
    "telephone-event": (),
}
"""Formats that cross, with the fmtp parameters that do. Another format, or parameter, is left out."""

_NAME_OF: Final = {name.lower(): name for name in CODECS}
# Switches, modes, rates and bandwidths: small numbers, lists and ranges of them.
_FMTP_VALUE: Final = re.compile(
    r"yes|no|(?:nb|wb|swb|fb)(?:-(?:wb|swb|fb))?|-?[0-9]{1,6}|-?[0-9]{1,3}(?:[.,\-][0-9]{1,3}){1,9}"
)
_EVENTS: Final = re.compile(r"[0-9]{1,3}(?:-[0-9]{1,3})?(?:,[0-9]{1,3}(?:-[0-9]{1,3})?){0,7}")
_KINDS: Final = frozenset(("audio", "video", "text", "application", "message", "image"))
_PLAIN_RTP: Final = "RTP/AVP"
_SHAPING: Final = frozenset(
    (
        "octet-align",
        "mode-set",
        "crc",
        "robust-sorting",
        "interleaving",
        "channels",
        "hf-only",
        "evs-mode-switch",
    )
)
_PROTOCOLS: Final = frozenset(
    (
        "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "udptl",
        "TCP/MSRP", "TCP/TLS/MSRP", "UDP/BFCP", "UDP/DTLS/SCTP",
    )
)  # fmt: skip
_PTIMES: Final = range(5, 201)
CLOCK_RATES: Final = frozenset((8000, 12000, 16000, 24000, 32000, 48000))


_CROSSING: Final = frozenset(name for name, rule in HEADER_RULES.items() if rule.crosses)
"""Of most messages it is known at once that they have none of these."""


def enterprise_status(status: int) -> tuple[int, str]:
    """What the enterprise is shown for a status of the core: see masking.sip_rules."""
    return shown_status(status)


def enterprise_headers(core: Request | Response) -> list[tuple[str, str]]:
    """The headers that a core message gives to the enterprise's leg."""
    if core.lacks(_CROSSING):
        return []
    return [
        (name, built)
        for name, value in core.items()
        if (rule := HEADER_RULES.get(name)) is not None
        and rule.build is not None
        and rule.to_enterprise
        and (built := rule.build(value)) is not None
    ]


def core_headers(enterprise: Request | Response) -> list[tuple[str, str]]:
    """The headers that an enterprise's message gives to the core's leg."""
    if enterprise.lacks(_CROSSING):
        return []
    return [
        (name, built)
        for name, value in enterprise.items()
        if (rule := HEADER_RULES.get(name)) is not None
        and rule.build is not None
        and rule.to_core
        and (built := rule.build(value)) is not None
    ]


class Audio(NamedTuple):
    """The stream of a description that crosses, with the formats of it that do."""

    medium: Media
    codecs: list[Codec]


def crossing_audio(theirs: Session) -> Audio | None:
    """The first audio stream with a format on the list; None where there is none."""
    for medium in theirs.media:
        if medium.kind == "audio" and medium.port and medium.protocol == _PLAIN_RTP:
            codecs = _codecs(medium)
            if codecs:
                return Audio(medium, codecs)
    return None


def build_sdp(
    theirs: Session,
    audio: Audio | None,
    *,
    host: str,
    rtp_port: int,
    rtcp_port: int,
    session_id: int,
    version: int,
    answers: bool = False,
) -> Session:
    """One leg's description as the other leg is shown it, offer or answer.

    `audio` is what `crossing_audio` chose of it: codecs on the list, direction, ptime. Every other stream stays in its
    place with port 0, since an answer has as many streams as its offer (RFC 3264, section 6). Origin,
    name, times and addresses are ours; no other line has a form here. With `answers` it goes back to the
    very leg, as our own answer: the direction is mirrored. Raises ValueError when no audio stream is left
    that may cross.
    """
    if audio is None:
        raise ValueError("no audio stream that may cross")
    media = [
        _stream(theirs, medium, audio.codecs, rtp_port, rtcp_port, answers)
        if medium is audio.medium
        else _refused(medium)
        for medium in theirs.media
    ]
    connection = connection_of(host)
    return Session(Origin("-", session_id, version, connection), media, connection)


def _codecs(medium: Media) -> list[Codec]:
    kept = []
    for codec in medium.codecs:
        name = _NAME_OF.get(codec.name.lower())
        if name is None or codec.rate not in CLOCK_RATES or not 1 <= codec.channels <= 2:
            continue
        try:
            fmtp = _fmtp(name, codec.fmtp)
        except ValueError:
            continue
        kept.append(Codec(codec.payload_type, name, codec.rate, codec.channels, fmtp))
    # Digits and comfort noise alone are no conversation.
    return kept if any(codec.name not in ("telephone-event", "CN") for codec in kept) else []


def _fmtp(name: str, text: str | None) -> str | None:
    """What crosses of a format's parameters. Raises ValueError where one without which its packets would be read
    wrongly has a value that does not."""
    if text is None:
        return None
    if name == "telephone-event":
        return text.strip() if _EVENTS.fullmatch(text.strip()) else None
    kept = []
    for parameter in text.split(";"):
        key, _, value = "".join(parameter.split()).lower().partition("=")
        if key in CODECS[name] and _FMTP_VALUE.fullmatch(value):
            kept.append(f"{key}={value}")
        elif key in _SHAPING:
            raise ValueError(key)
    return "; ".join(kept) or None


def _stream(
    theirs: Session, medium: Media, codecs: list[Codec], rtp_port: int, rtcp_port: int, answers: bool
) -> Media:
    attributes: list[Attribute] = []
    for codec in codecs:
        attributes.append(("rtpmap", codec.rtpmap))
        if codec.fmtp:
            attributes.append(("fmtp", f"{codec.payload_type} {codec.fmtp}"))
    if medium.ptime in _PTIMES:
        attributes.append(("ptime", str(medium.ptime)))
    maxptime = medium.attribute("maxptime")
    if maxptime and re.fullmatch("[0-9]{1,3}", maxptime) and int(maxptime) in _PTIMES:
        attributes.append(("maxptime", str(int(maxptime))))
    if rtcp_port != rtp_port + 1:
        attributes.append(("rtcp", str(rtcp_port)))
    direction = _direction(theirs, medium)
    attributes.append((reverse_direction(direction) if answers else direction, None))
    formats = [str(codec.payload_type) for codec in codecs]
    return Media("audio", rtp_port, _PLAIN_RTP, formats, attributes=attributes)


def _direction(theirs: Session, medium: Media) -> str:
    # RFC 2543's hold by a null address is told in today's form; the relay sends nothing there anyway.
    if media_address(theirs, medium)[0] == UNSPECIFIED and theirs.direction(medium) == "sendrecv":
        return "sendonly"
    return theirs.direction(medium)


def _refused(medium: Media) -> Media:
    # RFC 3264 6: who refuses names the stream as it was offered.
    kind = medium.kind if medium.kind in _KINDS else "application"
    protocol = medium.protocol if medium.protocol in _PROTOCOLS else _PLAIN_RTP
    return Media(kind, 0, protocol, ["0"])


def remote_media(theirs: Session, audio: Audio | None, *, signalling_host: str | None) -> RemoteMedia:
    """Where a side listens, for MediaControl.update. Nothing is sent where it names no IP address."""
    if audio is None:
        return RemoteMedia(UNSPECIFIED, 0)
    medium = audio.medium
    host, port = media_address(theirs, medium)
    if not _is_address(host):
        # The relay asks no name server: the host that signals stands in.
        host = signalling_host if signalling_host and _is_address(signalling_host) else UNSPECIFIED
    elif _is_multicast(host):
        host = UNSPECIFIED  # a call is with one: nobody makes the relay send to many
    also = (signalling_host,) if signalling_host and signalling_host != host else ()
    return RemoteMedia(
        host=host,
        rtp_port=port,
        # rtcp-mux is never accepted by build_sdp, so RTCP has a port of its own (RFC 5761, 5.1.1).
        rtcp_port=medium.rtcp_port if medium.attribute("rtcp") is not None else min(port + 1, 65535),
        also_from=also,
        clock_rates={codec.payload_type: codec.rate for codec in audio.codecs},
    )


@lru_cache(maxsize=ADDRESSES_MAX)
def _is_multicast(address: str) -> bool:
    return ipaddress.ip_address(address).is_multicast


@lru_cache(maxsize=ADDRESSES_MAX)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_SIGNAL: Final = re.compile(rb"\s*signal\s*=\s*([0-9*#A-D])\s*", re.IGNORECASE)
_DURATION: Final = re.compile(rb"\s*duration\s*=\s*([0-9]{1,5})\s*", re.IGNORECASE)
_DIGIT: Final = re.compile(rb"\s*([0-9*#A-D])\s*", re.IGNORECASE)
DURATION_MS: Final = (40, 5000)
DEFAULT_DURATION_MS: Final = 160


def build_info(body: bytes, content_type: str) -> tuple[str, bytes] | None:
    """A pressed key, as INFO carries it: (content type, body) built from the digit; None for anything else."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/dtmf":
        match = _DIGIT.fullmatch(body)
        return (kind, match[1].upper()) if match else None
    if kind != "application/dtmf-relay":
        return None
    signal, duration = None, DEFAULT_DURATION_MS
    for line in body.splitlines():
        if match := _SIGNAL.fullmatch(line):
            signal = match[1].upper()
        elif match := _DURATION.fullmatch(line):
            duration = min(max(int(match[1]), DURATION_MS[0]), DURATION_MS[1])
    if signal is None:
        return None
    return kind, b"Signal=%s\r\nDuration=%d\r\n" % (signal, duration)
