"""RFC 4475 and RFC 5118, message by message, at the gateway: the RFC's verdict, and the answer on either side.

Enterprises' requests come from an address that is no trunk's, the core's from one of its peers; None: nothing is sent.
What a bare user agent makes of each, and of mutants of each, is in tests/sip/test_torture.py.
"""

from __future__ import annotations

import random

import pytest

from gateway.voice.egress import CORE_SIDE, ENTERPRISE_SIDE
from sip.aio.endpoint import SipEndpoint
from sip.flow import Flow
from sip.media.control import SIDES, Side
from tests.gateway.voice.conftest import World
from tests.sip.test_torture import FILES, OPTIONS, mutant

# file, clause, the RFC's verdict, answered to an enterprise, answered to the core
TABLE: list[tuple[str, str, str, int | None, int | None]] = [
    ("wsinv", "4475 3.1.1.1", "valid", 481, 481),
    ("intmeth", "4475 3.1.1.2", "valid", 501, 501),
    ("esc01", "4475 3.1.1.3", "valid", 401, 404),
    ("escnull", "4475 3.1.1.4", "valid", 401, 405),
    ("esc02", "4475 3.1.1.5", "valid", 501, 501),
    ("lwsdisp", "4475 3.1.1.6", "valid", 200, 200),
    ("longreq", "4475 3.1.1.7", "valid", 401, 404),
    ("dblreq", "4475 3.1.1.8", "valid", 401, 405),
    ("semiuri", "4475 3.1.1.9", "valid", 200, 200),
    ("transports", "4475 3.1.1.10", "valid", 200, 200),
    ("mpart01", "4475 3.1.1.11", "valid", 405, 405),
    ("unreason", "4475 3.1.1.12", "valid", None, None),
    ("noreason", "4475 3.1.1.13", "valid", None, None),
    ("badinv01", "4475 3.1.2.1", "invalid", 400, 400),
    ("clerr", "4475 3.1.2.2", "invalid", 400, 400),
    ("ncl", "4475 3.1.2.3", "invalid", 400, 400),
    ("scalar02", "4475 3.1.2.4", "invalid", 400, 400),
    ("scalarlg", "4475 3.1.2.5", "invalid", None, None),
    ("quotbal", "4475 3.1.2.6", "invalid", 400, 400),
    ("ltgtruri", "4475 3.1.2.7", "invalid", 400, 400),
    ("lwsruri", "4475 3.1.2.8", "invalid", 400, 400),
    ("lwsstart", "4475 3.1.2.9", "invalid", 400, 400),
    ("trws", "4475 3.1.2.10", "invalid", 400, 400),
    ("escruri", "4475 3.1.2.11", "invalid", 400, 400),
    ("baddate", "4475 3.1.2.12", "invalid", 401, 404),
    ("regbadct", "4475 3.1.2.13", "invalid", 400, 400),
    ("badaspec", "4475 3.1.2.14", "invalid", 400, 400),
    ("baddn", "4475 3.1.2.15", "invalid", 400, 400),
    ("badvers", "4475 3.1.2.16", "invalid", 505, 505),
    ("mismatch01", "4475 3.1.2.17", "invalid", 400, 400),
    ("mismatch02", "4475 3.1.2.18", "invalid", 400, 400),
    ("bigcode", "4475 3.1.2.19", "invalid", None, None),
    ("badbranch", "4475 3.2.1", "invalid", 400, 400),
    ("insuf", "4475 3.3.1", "invalid", 400, 400),
    ("unkscm", "4475 3.3.2", "valid", 416, 416),
    ("novelsc", "4475 3.3.3", "valid", 416, 416),
    ("unksm2", "4475 3.3.4", "valid", 401, 405),
    ("bext01", "4475 3.3.5", "valid", 420, 420),
    ("invut", "4475 3.3.6", "valid", 415, 415),
    ("regaut01", "4475 3.3.7", "valid", 401, 405),
    ("multi01", "4475 3.3.8", "invalid", 400, 400),
    ("mcl01", "4475 3.3.9", "invalid", 400, 400),
    ("bcast", "4475 3.3.10", "not for us", None, None),
    ("zeromf", "4475 3.3.11", "valid", 200, 200),
    ("cparam01", "4475 3.3.12", "valid", 401, 405),
    ("cparam02", "4475 3.3.13", "valid", 401, 405),
    ("regescrt", "4475 3.3.14", "valid", 401, 405),
    ("sdp01", "4475 3.3.15", "valid", 406, 406),
    ("inv2543", "4475 3.4.1", "valid", 400, 400),
    ("ipv6-good", "5118 4.1", "valid", 401, 405),
    ("ipv6-bad", "5118 4.2", "invalid", 400, 400),
    ("port-ambiguous", "5118 4.3", "valid", 401, 405),
    ("port-unambiguous", "5118 4.4", "valid", 401, 405),
    ("via-received-param-with-delim", "5118 4.5", "valid", 481, 481),
    ("via-received-param-no-delim", "5118 4.5", "valid", 200, 200),
    ("ipv6-in-sdp", "5118 4.6", "valid", 401, 404),
    ("mult-ip-in-header", "5118 4.7", "valid", 481, 481),
    ("mult-ip-in-sdp", "5118 4.8", "valid", 401, 404),
    ("ipv4-mapped-ipv6", "5118 4.9", "valid", 401, 404),
    ("ipv6-bug-abnf-3-colons", "5118 4.10", "valid", 200, 200),
    ("ipv6-correct-abnf-2-colons", "5118 4.10", "valid", 200, 200),
]


def test_every_message_is_on_the_table() -> None:
    assert sorted(row[0] for row in TABLE) == sorted(FILES)


def test_nothing_invalid_is_taken() -> None:
    """But a Date that nobody reads (RFC 4475 3.1.2.12 lets it be passed over)."""
    taken = {row[0] for row in TABLE if row[2] == "invalid" and row[3] not in (None, 400, 505)}
    assert taken == {"baddate"}


class Wire:
    """Hands datagrams to the gateway's sides and keeps what they send."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sides = world.service._bridges.endpoints
        self._sources = {ENTERPRISE_SIDE: Flow("UDP", "198.51.100.7", 5060), CORE_SIDE: world.core.flow}
        self._sent: list[bytes] = []
        self._asked = 0
        monkeypatch.setattr(SipEndpoint, "_send", lambda endpoint, data, flow: self._sent.append(data))

    def answer(self, side: Side, data: bytes) -> int | None:
        """The status of what is sent first, at once."""
        self._sent.clear()
        self._sides[side].received(data, self._sources[side])
        return int(self._sent[0].split(b" ")[1]) if self._sent else None

    def is_there(self, side: Side) -> bool:
        """An OPTIONS is still answered."""
        self._asked += 1
        again = f"still-there-{self._asked}".encode()
        return self.answer(side, OPTIONS.replace(b"still-there", again)) == 200


async def test_each_is_answered_as_the_table_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And after each an OPTIONS is answered on both sides."""
    wire = Wire(world, monkeypatch)
    answers: dict[str, list[int | None]] = {}
    for name, *_ in TABLE:
        for side in SIDES:
            answers.setdefault(name, []).append(wire.answer(side, FILES[name].read_bytes()))
            assert wire.is_there(side)
    assert answers == {name: [enterprise, core] for name, _, _, enterprise, core in TABLE}


@pytest.mark.parametrize("count", [4, pytest.param(400, marks=pytest.mark.soak)])
async def test_after_each_mutant_an_options_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    wire, draw = Wire(world, monkeypatch), random.Random(count)
    for name, path in sorted(FILES.items()):
        for _ in range(count):
            data = mutant(path.read_bytes(), draw)
            for side in SIDES:
                wire.answer(side, data)
                assert wire.is_there(side), (name, data)
