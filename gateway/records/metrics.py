"""What the gateway counts, for Prometheus. Labels are accounts, links and statuses: never an AID or a number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()


class Tally(Collector):
    """A counter of few series, cheap enough for every message: one dictionary, no lock, no objects a series.
    Counted from the loop alone."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        """`name` ends in _total, as Prometheus has it."""
        self.name = name
        self.labels = tuple(labels)
        self._documentation = documentation
        self._counts: dict[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def add(self, *values: str, n: int = 1) -> None:
        """Count `n` for the series with these values of the labels, in their order."""
        counts = self._counts
        counts[values] = counts.get(values, 0) + n

    def value(self, *values: str) -> float:
        return self._counts.get(values, 0)

    def describe(self) -> Iterable[Metric]:
        return [CounterMetricFamily(self.name, self._documentation, labels=self.labels)]

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self.name, self._documentation, labels=self.labels)
        for values, count in list(self._counts.items()):
            family.add_metric(values, count)
        return [family]


class Timing(Collector):
    """A histogram of seconds, cheap enough for every message. Observed from the loop alone."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self.name = name
        self._documentation = documentation
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        REGISTRY.register(self)

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def describe(self) -> Iterable[Metric]:
        return [HistogramMetricFamily(self.name, self._documentation)]

    def collect(self) -> Iterable[Metric]:
        buckets, reached = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            reached += count
            buckets.append((bound, float(reached)))
        family = HistogramMetricFamily(self.name, self._documentation)
        family.add_metric([], buckets, self._sum)
        return [family]


SUBMITS = Tally(
    "ascs_sms_submits_total", "messages from enterprises by account and answer", ["account", "status"]
)
BAD_PDUS = Tally(
    "ascs_smpp_bad_pdus_total",
    "PDUs from enterprises that were malformed or out of place, by account and answer",
    ["account", "status"],
)
SENT = Tally("ascs_sms_sent_total", "submit_sm towards the SMSC by SMSC and status", ["link", "status"])
RECEIPTS = Tally("ascs_sms_receipts_total", "receipts from the SMSC by fate", ["fate"])
REPLIES = Tally("ascs_sms_replies_total", "messages from subscribers by fate", ["fate"])
DELIVERED = Tally(
    "ascs_sms_deliveries_total", "deliver_sm to enterprises by account and status", ["account", "status"]
)
GUESS_ALERTS = Tally(
    "ascs_guess_alerts_total", "Times that an enterprise named too many unknown AIDs", ["enterprise"]
)
REFUSALS = Tally("ascs_refusals_total", "refused contacts by channel", ["channel"])
SUBMIT_SECONDS = Timing(
    "ascs_sms_submit_seconds",
    "submit_sm to its response",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
BINDS = Gauge("ascs_smpp_binds", "bound sessions by account", ["account"], registry=REGISTRY)
FRONT_WORKERS = Gauge(
    "ascs_front_workers",
    "front processes that serve; none are where one process is the gateway",
    registry=REGISTRY,
)
FRONT_SESSIONS = Gauge(
    "ascs_front_sessions", "open connections by front process", ["worker"], registry=REGISTRY
)
FRONT_ENDS = Counter(
    "ascs_front_worker_ends_total", "front processes that ended by themselves", registry=REGISTRY
)
CORE_UP = Gauge("ascs_core_peer_up", "1 while the core's peer answers", ["peer"], registry=REGISTRY)
TRUNK_REACHABLE = Gauge(
    "ascs_trunk_reachable",
    "1 while the trunk is registered, or its contact answers",
    ["trunk"],
    registry=REGISTRY,
)
WRONG_ANSWERS = Counter(
    "ascs_trust_wrong_answers", "batches of answers that the trust party did not sign", registry=REGISTRY
)
TRUST_UP = Gauge("ascs_trust_party_up", "1 while the trust party answers", registry=REGISTRY)
LINKS = Gauge("ascs_smsc_link_up", "1 while the link is bound", ["link"], registry=REGISTRY)
CALLS = Tally("ascs_calls_total", "calls by direction and result", ["direction", "result"])
CALLS_UP = Gauge("ascs_calls_up", "calls in progress", registry=REGISTRY)
CONFIRMATIONS = Counter(
    "ascs_confirmations_total", "consents by how their confirmation ended", ["outcome"], registry=REGISTRY
)
EGRESS_ALARMS = Counter(
    "ascs_egress_alarms_total", "fields that the egress guard dropped", ["leg", "field"], registry=REGISTRY
)
STORE_BACKLOG = Gauge("ascs_store_backlog", "operations that wait for the store", registry=REGISTRY)
DIRECTORY_VERSION = Gauge(
    "ascs_directory_version", "which version of accounts and access numbers is in force", registry=REGISTRY
)
