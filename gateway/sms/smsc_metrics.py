"""What the SMSC links count, read from plain integers when metrics are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakSet

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.records import metrics
from gateway.sms.smsc_link import SmscLink


class LinkCollector(Collector):
    """Asks the links that are there."""

    def __init__(self) -> None:
        self.links: WeakSet[SmscLink] = WeakSet()

    def collect(self) -> Iterable[Metric]:
        binds = GaugeMetricFamily("ascs_smsc_binds", "binds to an SMSC that are there", labels=["link"])
        unanswered = GaugeMetricFamily(
            "ascs_smsc_unanswered", "requests that wait for an SMSC", labels=["link"]
        )
        limit = GaugeMetricFamily(
            "ascs_smsc_limit",
            "messages a second that may be sent to an SMSC; +Inf: no limit",
            labels=["link"],
        )
        throttled = CounterMetricFamily(
            "ascs_smsc_throttled", "answers of an SMSC that said too fast or queue full", labels=["link"]
        )
        restarts = CounterMetricFamily(
            "ascs_smsc_restarts", "binds ended for want of answers or for a fault", labels=["link", "reason"]
        )
        outbinds = CounterMetricFamily("ascs_smsc_outbinds", "binds that an SMSC asked for", labels=["link"])
        for link in self.links:
            binds.add_metric([link.name], link.bound)
            unanswered.add_metric([link.name], link.unanswered)
            limit.add_metric([link.name], link.pace.limit)
            throttled.add_metric([link.name], link.counts.throttled)
            restarts.add_metric([link.name, "silent"], link.counts.silent)
            restarts.add_metric([link.name, "fault"], link.counts.faulty)
            outbinds.add_metric([link.name], link.counts.outbinds)
        return (binds, unanswered, limit, throttled, restarts, outbinds)


COLLECTOR = LinkCollector()
metrics.REGISTRY.register(COLLECTOR)
