"""What the trust party counts, for Prometheus: on a port of the operator's own, never on the one that parties ask."""

import contextlib
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from foundation.store import Store
from trust_party.guesses import Guesses
from trust_party.sequencer import Sequencer
from trust_party.settings import OperationsSettings
from trust_party.verification import LiveIndex, Verification
from trust_party.witnesses import Witnesses


class Figures(Collector):
    """Read where they are counted, when somebody looks. No label names an AID or a person."""

    def __init__(
        self,
        store: Store,
        live: LiveIndex,
        verification: Verification,
        guesses: Guesses,
        sequencer: Sequencer,
        witnesses: Witnesses,
    ) -> None:
        self._store = store
        self._live = live
        self._verification = verification
        self._guesses = guesses
        self._sequencer = sequencer
        self._witnesses = witnesses

    def collect(self) -> Iterable[Metric]:
        answers = CounterMetricFamily(
            "ascs_trust_verifications_total", "answered questions", labels=["outcome"]
        )
        answers.add_metric(["granted"], self._verification.granted)
        answers.add_metric(["refused"], self._verification.refused)
        alerts = CounterMetricFamily(
            "ascs_trust_guess_alerts_total",
            "times that a party named too many unknown AIDs for an enterprise",
            labels=["party", "enterprise"],
        )
        for holder, count in list(self._guesses.alerts.items()):
            alerts.add_metric(holder, count)
        cosigned = GaugeMetricFamily(
            "ascs_trust_witness_cosigned_timestamp_seconds",
            "when a witness last cosigned the evidence log",
            labels=["witness"],
        )
        for witness, at in list(self._witnesses.cosigned_at.items()):
            cosigned.add_metric([witness], at / 1000)
        newest = self._sequencer.newest
        return [
            cosigned,
            GaugeMetricFamily(
                "ascs_trust_log_leaves", "leaves of the evidence log", newest.size if newest else 0
            ),
            GaugeMetricFamily(
                "ascs_trust_log_checkpoint_timestamp_seconds",
                "when the evidence log was last signed",
                newest.time_ms / 1000 if newest else 0,
            ),
            answers,
            alerts,
            GaugeMetricFamily("ascs_trust_live_aids", "active AIDs in memory", len(self._live)),
            GaugeMetricFamily("ascs_trust_store_backlog", "operations that wait", self._store.backlog),
        ]


@contextlib.contextmanager
def served(settings: OperationsSettings, figures: Figures) -> Iterator[int]:
    """Serve /metrics over plain HTTP, from a thread of its own; gives the port. Raises OSError."""
    registry = CollectorRegistry()
    registry.register(figures)
    server, thread = start_http_server(settings.port, settings.host, registry)
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
