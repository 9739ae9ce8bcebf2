"""Whether the trust party answers is known before a message asks."""

import asyncio

import pytest

from gateway.records import metrics
from gateway.trust_watch import ASK_AGAIN_S, ASK_S, DOWN, OK, REFUSES, TrustWatch
from interparty.client import PeerProblem, PeerUnavailable
from tests.gateway.carrier import until


class TrustParty:
    """Answers as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    async def ping(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "state", "up", "again_s"),
    [
        (None, OK, 1, ASK_S),
        (PeerUnavailable("no answer in time"), DOWN, 0, ASK_AGAIN_S),
        (PeerProblem(403, "this route is for admitted parties"), REFUSES, 0, ASK_AGAIN_S),
    ],
)
async def test_a_look_says_what_the_trust_party_does(
    error: Exception | None, state: str, up: int, again_s: float
) -> None:
    watch = TrustWatch(TrustParty(error).ping)
    assert await watch.look() == again_s
    assert watch.state == state
    assert metrics.REGISTRY.get_sample_value("ascs_trust_party_up") == up


async def test_it_is_down_until_it_answered_and_again_when_it_stops_to() -> None:
    party = TrustParty()
    watch = TrustWatch(party.ping)
    assert watch.state == DOWN
    await watch.look()
    party.error = PeerUnavailable("no answer")
    await watch.look()
    assert watch.state == DOWN
    party.error = None
    await watch.look()
    assert watch.state == OK


async def test_it_asks_from_the_start_until_it_is_stopped() -> None:
    party = TrustParty()
    watch = TrustWatch(party.ping)
    watch.start()
    await until(lambda: watch.state == OK)
    await watch.stop()
    assert party.asked == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "trust-watch"]


async def test_one_that_was_never_started_can_be_stopped() -> None:
    await TrustWatch(TrustParty().ping).stop()
