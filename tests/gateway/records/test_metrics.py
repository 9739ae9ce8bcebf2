"""What Prometheus is told: every series has a name of this product's, words about itself, and no person in it."""

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from gateway.records import metrics

FAMILIES = list(metrics.REGISTRY.collect())
LABELS = {
    "account",
    "channel",
    "direction",
    "enterprise",
    "fate",
    "field",
    "leg",
    "link",
    "peer",
    "outcome",
    "result",
    "status",
    "worker",
    "trunk",
}
"""Each takes few values: an AID, a number or a message's id as a label would be a series a person."""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_metric_is_named_and_described(family: Metric) -> None:
    assert re.fullmatch(r"ascs(_[a-z]+)+", family.name)
    assert family.documentation


def test_labels_are_of_few_values() -> None:
    found = {label for family in FAMILIES for sample in family.samples for label in sample.labels}
    declared = {
        label
        for metric in vars(metrics).values()
        for label in (
            metric.labels if isinstance(metric, metrics.Tally) else getattr(metric, "_labelnames", ())
        )
    }
    assert found | declared <= LABELS | {"le"}


def told(name: str) -> list[str]:
    """What Prometheus gets of one metric."""
    text = generate_latest(metrics.REGISTRY).decode()
    return [line for line in text.splitlines() if line.startswith(name)]


def test_times_are_in_seconds_and_reach_the_longest_wait() -> None:
    metrics.SUBMIT_SECONDS.observe(4.9)
    assert any('ascs_sms_submit_seconds_bucket{le="5.0"}' in line for line in told("ascs_sms_submit_seconds"))


class TestTally:
    """A counter of few series."""

    def test_each_series_counts_its_own(self, request: pytest.FixtureRequest) -> None:
        tally = metrics.Tally("ascs_tally_total", "for this test", ["link", "status"])
        request.addfinalizer(lambda: metrics.REGISTRY.unregister(tally))
        tally.add("a", "0")
        tally.add("a", "0", n=4)
        tally.add("b", "timeout")
        assert (tally.value("a", "0"), tally.value("b", "timeout"), tally.value("b", "0")) == (5, 1, 0)
        assert told("ascs_tally_total") == [
            'ascs_tally_total{link="a",status="0"} 5.0',
            'ascs_tally_total{link="b",status="timeout"} 1.0',
        ]

    def test_nothing_counted_is_nothing_told(self, request: pytest.FixtureRequest) -> None:
        tally = metrics.Tally("ascs_tally_total", "for this test", ["link"])
        request.addfinalizer(lambda: metrics.REGISTRY.unregister(tally))
        assert told("ascs_tally_total") == []

    def test_a_name_is_used_once(self) -> None:
        with pytest.raises(ValueError, match="ascs_sms_sent"):
            metrics.Tally("ascs_sms_sent_total", "again", ["link"])


class TestTiming:
    """A histogram of seconds."""

    def test_a_bucket_holds_what_took_no_longer(self, request: pytest.FixtureRequest) -> None:
        timing = metrics.Timing("ascs_timing_seconds", "for this test", (0.1, 1.0))
        request.addfinalizer(lambda: metrics.REGISTRY.unregister(timing))
        for seconds in (0.05, 0.1, 0.5, 7.0):
            timing.observe(seconds)
        assert told("ascs_timing_seconds") == [
            'ascs_timing_seconds_bucket{le="0.1"} 2.0',
            'ascs_timing_seconds_bucket{le="1.0"} 3.0',
            'ascs_timing_seconds_bucket{le="+Inf"} 4.0',
            "ascs_timing_seconds_count 4.0",
            "ascs_timing_seconds_sum 7.65",
        ]
