"""Which SIP extensions are spoken with one peer: of a trunk as the operator set it, of the core's peers as configured.

| what a call requires | answer |
|---|---|
| PRACK (100rel) of a side with which it is not spoken | 420 with Unsupported |
| no PRACK of a side that must speak it | 421 with Require |
| preconditions of a side whose are declined | 420 with Unsupported |
| preconditions that are not met yet, and no PRACK to say so | 580 |
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from gateway.settings import CoreSettings, VoiceSettings
from gateway.store.accounts import TrunkRow
from gateway.voice.admission import Rejection
from sip.message import Request
from sip.preconditions import answer_lines, preconditions, refusal, unmet
from sip.sdp import SdpError, parse_sdp

RELIABLE: Final = "100rel"
PRECONDITION: Final = "precondition"
JUDGED: Final = (RELIABLE, PRECONDITION)
"""Option tags that the agents leave to `judge`."""

Reservation = Literal["none", "met", "awaited"]
"""What a call's offer says of preconditions that are answered: none, all met, or some still to come."""


class PeerPolicy(NamedTuple):
    """`reliable_provisional`: no, supported or required (RFC 3262)."""

    reliable_provisional: str
    answers_preconditions: bool


NO_EXTENSIONS: Final = PeerPolicy("no", False)
"""Of a call whose setting up is over."""


def policy_of_trunk(trunk: TrunkRow, settings: VoiceSettings) -> PeerPolicy:
    """As set for it, else as configured for all."""
    return PeerPolicy(
        trunk.reliable_provisional or settings.reliable_provisional, trunk.preconditions == "answer"
    )


def policy_of_peer(peer: CoreSettings, settings: VoiceSettings) -> PeerPolicy:
    """The same of a peer of the core."""
    return PeerPolicy(
        peer.reliable_provisional or settings.reliable_provisional, peer.preconditions == "answer"
    )


def judge(request: Request, policy: PeerPolicy) -> Rejection | None:
    """The refusal of an INVITE that requires what is not spoken with its sender; None when it may go on."""
    refused = [tag for tag in request.require if tag in JUDGED and not _spoken(tag, policy)]
    if refused:
        return Rejection(420, [("Unsupported", ", ".join(refused))])
    if policy.reliable_provisional == "required" and not knows(request, RELIABLE):
        return Rejection(421, [("Require", RELIABLE)])  # RFC 3262 3
    if reservation(request, policy) == "awaited" and not (
        knows(request, RELIABLE) and policy.reliable_provisional != "no"
    ):
        # RFC 3312 11: only a reliable response can carry the answer.
        return Rejection(580, [], refusal(parse_sdp(request.body)).to_bytes())
    return None


def _spoken(tag: str, policy: PeerPolicy) -> bool:
    return policy.answers_preconditions if tag == PRECONDITION else policy.reliable_provisional != "no"


def knows(request: Request, tag: str) -> bool:
    """The sender of a request says that it speaks an extension."""
    return tag in request.supported or tag in request.require


def reservation(request: Request, policy: PeerPolicy) -> Reservation:
    """What there is to answer of an INVITE's preconditions. A description that cannot be read asks for none: who
    judges descriptions refuses it."""
    if not (policy.answers_preconditions and request.body and knows(request, PRECONDITION)):
        return "none"
    return reservation_of(request.body)


def reservation_of(body: bytes) -> Reservation:
    """The same of a description."""
    try:
        offer = parse_sdp(body)
        if not any(preconditions(medium) for medium in offer.media if medium.port):
            return "none"
        return "awaited" if unmet(offer) else "met"
    except SdpError:
        return "none"


def with_preconditions(answer: bytes, offer: bytes) -> bytes:
    """An answer of ours with the lines that its offer's preconditions ask for: here nothing needs to be reserved.

    Raises SdpError.
    """
    ours, theirs = parse_sdp(answer), parse_sdp(offer)
    for medium, asked in zip(ours.media, theirs.media, strict=False):
        if medium.port:
            medium.attributes.extend(answer_lines(asked))
    return ours.to_bytes()
