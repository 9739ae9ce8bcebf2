"""Which of the core's peers a call tries, and in what order."""

import random
from collections import Counter

from gateway.settings import CoreSettings
from gateway.voice.core_peers import AVOID_MAX_S, AVOID_S, CorePeer, CorePeers, peers_of
from gateway.voice.probes import PROBES_MISSED
from sip.aio.resolver import Target
from sip.flow import Flow


def peer(last: int, **settings: int) -> CorePeer:
    host = f"192.0.2.{last}"
    of = CoreSettings(host=host, **settings)  # type: ignore[arg-type]
    return peers_of(of, [Target(Flow("UDP", host, 5080))])[0]


def names(peers: list[CorePeer]) -> list[str]:
    return [each.settings.host for each in peers]


def test_the_lower_priority_number_is_tried_first() -> None:
    peers = CorePeers([peer(1, priority=2), peer(2, priority=1), peer(3, priority=3)])
    assert names(peers.order(0.0)) == ["192.0.2.2", "192.0.2.1", "192.0.2.3"]


def test_among_equals_calls_go_as_the_weights_have_it() -> None:
    peers = CorePeers([peer(1, weight=1), peer(2, weight=3)], random.Random(7))
    first = Counter(names(peers.order(0.0))[0] for _ in range(2000))
    assert 0.70 < first["192.0.2.2"] / 2000 < 0.80


def test_one_lost_probe_takes_no_peer_away() -> None:
    one, two = peer(1), peer(2, priority=2)
    peers = CorePeers([one, two])
    assert PROBES_MISSED > 1
    assert not one.missed()
    assert names(peers.order(0.0))[0] == "192.0.2.1"
    assert one.missed()
    assert names(peers.order(0.0)) == ["192.0.2.2", "192.0.2.1"]
    assert peers.states == {"192.0.2.1:5080": "down", "192.0.2.2:5080": "up"}
    assert one.answered()
    assert not one.answered()
    assert names(peers.order(0.0))[0] == "192.0.2.1"


def test_a_503_keeps_calls_away_for_retry_after() -> None:
    one, two = peer(1), peer(2, priority=2)
    peers = CorePeers([one, two])
    one.overloaded(100.0, 30)
    assert names(peers.order(129.9))[0] == "192.0.2.2"
    assert names(peers.order(130.0))[0] == "192.0.2.1"
    one.overloaded(200.0, None)
    assert names(peers.order(200.0 + AVOID_S - 0.1))[0] == "192.0.2.2"
    one.overloaded(300.0, 10**6)
    assert names(peers.order(300.0 + AVOID_MAX_S))[0] == "192.0.2.1"


def test_when_none_is_well_all_are_tried() -> None:
    one, two = peer(1), peer(2)
    for each in (one, two):
        for _ in range(PROBES_MISSED):
            each.missed()
    assert len(CorePeers([one, two]).order(0.0)) == 2


def test_a_message_is_a_peers_by_address_and_over_udp_by_port() -> None:
    one = peer(1)
    peers = CorePeers([one])
    assert peers.of(Flow("UDP", "192.0.2.1", 5080)) is one
    assert peers.of(Flow("UDP", "192.0.2.1", 5081)) is None
    assert peers.of(Flow("TCP", "192.0.2.1", 40123)) is one
    assert peers.of(Flow("TCP", "192.0.2.9", 5080)) is None


def test_an_entry_with_a_name_is_as_many_peers_as_dns_says_and_shares_its_weight_among_them() -> None:
    entry = CoreSettings(host="core.example", priority=2, weight=8)
    flows = [Flow("UDP", f"192.0.2.{last}", 5060) for last in (1, 2, 3)]
    first, second, third = peers_of(
        entry, [Target(flows[0], 1, 30), Target(flows[1], 1, 10), Target(flows[2], 2, 0)]
    )
    assert (first.priority, second.priority, third.priority) == ((2, 1), (2, 1), (2, 2))
    assert (first.weight, second.weight, third.weight) == (6.0, 2.0, 8.0)
    assert first.name == "core.example 192.0.2.1:5060"


def test_without_an_authority_for_its_certificate_nobody_is_called_over_tls() -> None:
    assert peers_of(CoreSettings(host="core.example"), [Target(Flow("TLS", "192.0.2.1", 5061))]) == []


def test_when_a_name_leads_elsewhere_what_is_known_of_those_that_stay_stays() -> None:
    entry = CoreSettings(host="core.example")
    flows = [Flow("UDP", f"192.0.2.{last}", 5060) for last in (1, 2, 3)]
    peers = CorePeers(peers_of(entry, [Target(flows[0]), Target(flows[1])]))
    for _ in range(PROBES_MISSED):
        peers.peers[0].missed()
    [new] = peers.replace(peers_of(entry, [Target(flows[0], 5), Target(flows[2])]))
    assert [each.flow for each in peers.peers] == [flows[0], flows[2]]
    assert new is peers.peers[1]
    assert not peers.peers[0].is_up
    assert peers.peers[0].priority == (1, 5)
