"""What Prometheus is told: every series has a name of this product's, words about itself, and no person in it."""

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from gateway.records import metrics

FAMILIES = list(metrics.REGISTRY.collect())
LABELS = {"account", "channel", "direction", "fate", "field", "leg", "link", "outcome", "result", "status"}
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
        if hasattr(metric, "_labelnames")
        for label in metric._labelnames
    }
    assert found | declared <= LABELS | {"le"}


def test_times_are_in_seconds_and_reach_the_longest_wait() -> None:
    metrics.SUBMIT_SECONDS.observe(4.9)
    assert b'ascs_sms_submit_seconds_bucket{le="5.0"}' in generate_latest(metrics.REGISTRY)
