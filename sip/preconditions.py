"""Preconditions of a medium: what must be reserved before the callee is alerted (RFC 3312, RFC 4032).

An agent whose user does not list ``precondition`` among its ``supported`` tags declines them: a caller that
requires them gets 420. One that does answers here: its own segment needs no reservation, so it is ready.
"""

from __future__ import annotations

from dataclasses import dataclass

from sip.sdp import Attribute, Media, SdpError, Session

STRENGTHS = ("mandatory", "optional", "none", "failure", "unknown")
SEGMENTS = ("e2e", "local", "remote")
DIRECTIONS = ("none", "send", "recv", "sendrecv")
_NAMES = frozenset(("curr", "des", "conf"))
_ENDS = {"none": frozenset(), "send": frozenset("s"), "recv": frozenset("r"), "sendrecv": frozenset("sr")}
_TURNED = {"none": "none", "send": "recv", "recv": "send", "sendrecv": "sendrecv"}
_OTHER_SEGMENT = {"e2e": "e2e", "local": "remote", "remote": "local"}


@dataclass(slots=True, frozen=True)
class Precondition:
    """One status type of one medium as its sender sees it: ``kind`` is qos and the like, ``segment`` e2e, local
    or remote, ``desired`` and ``current`` directions are none, send, recv or sendrecv."""

    kind: str
    segment: str
    strength: str
    desired: str
    current: str

    @property
    def met(self) -> bool:
        """What is there covers what is wanted, or nobody insists (RFC 3312 5)."""
        return self.strength != "mandatory" or _ENDS[self.desired] <= _ENDS[self.current]


def preconditions(medium: Media) -> list[Precondition]:
    """The desired statuses of a medium with what is current for each (RFC 3312 4).

    :raises SdpError: a line is broken, or of a segment or direction that the RFC does not know.
    """
    current: dict[tuple[str, str], str] = {}
    for kind, segment, direction in (_words(value, 3) for value in _values(medium, "curr")):
        current[kind, segment] = _checked(direction, DIRECTIONS)
    found: list[Precondition] = []
    for kind, strength, segment, direction in (_words(value, 4) for value in _values(medium, "des")):
        _checked(strength, STRENGTHS)
        _checked(segment, SEGMENTS)
        now = current.get((kind, segment), "none")
        found.append(Precondition(kind, segment, strength, _checked(direction, DIRECTIONS), now))
    return found


def unmet(session: Session) -> bool:
    """A medium that is not refused has a mandatory precondition that is not met: no alerting yet, or 580.

    :raises SdpError: as :func:`preconditions`.
    """
    return any(not item.met for medium in session.media if medium.port for item in preconditions(medium))


def answer_lines(medium: Media) -> list[Attribute]:
    """The ``a=curr``, ``a=des`` and ``a=conf`` lines of the answer to an offered medium (RFC 3312 5.1, 7).

    Segments are named from our side. Ours is ready; a confirmation is asked for what is not on theirs.

    :raises SdpError: as :func:`preconditions`.
    """
    lines: list[Attribute] = []
    confirmations: list[Attribute] = []
    for item in preconditions(medium):
        segment, desired = _OTHER_SEGMENT[item.segment], _TURNED[item.desired]
        current = "sendrecv" if segment == "local" else _TURNED[item.current]
        strength = item.strength if item.strength in ("mandatory", "optional", "none") else "none"
        lines.append(("curr", f"{item.kind} {segment} {current}"))
        lines.append(("des", f"{item.kind} {strength} {segment} {desired}"))
        if segment != "local" and not _ENDS[desired] <= _ENDS[current]:
            confirmations.append(("conf", f"{item.kind} {segment} {desired}"))
    return lines + confirmations


def refusal(session: Session) -> Session:
    """The body of a 580: the offer with every unmet mandatory precondition marked ``failure`` and no medium
    accepted (RFC 3312 8).

    :raises SdpError: as :func:`preconditions`.
    """
    media = [
        Media(
            medium.kind,
            0,
            medium.protocol,
            list(medium.formats),
            attributes=[
                ("des", f"{item.kind} failure {_OTHER_SEGMENT[item.segment]} {_TURNED[item.desired]}")
                for item in preconditions(medium)
                if not item.met
            ],
        )
        for medium in session.media
    ]
    return Session(session.origin, media, session.connection)


def strip(medium: Media) -> None:
    """Take all preconditions away, as towards a peer that is not to know of them."""
    medium.attributes = [item for item in medium.attributes if item[0] not in _NAMES]


def _values(medium: Media, name: str) -> list[str]:
    return [value or "" for key, value in medium.attributes if key == name]


def _words(value: str, count: int) -> list[str]:
    words = value.lower().split(" ")
    if len(words) != count or "" in words:
        raise SdpError("bad precondition")
    return words


def _checked(word: str, known: tuple[str, ...]) -> str:
    if word not in known:
        raise SdpError("bad precondition")
    return word
