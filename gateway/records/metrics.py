"""What the gateway counts, for Prometheus. Labels are accounts, links and statuses: never an AID or a number."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

SUBMITS = Counter(
    "ascs_sms_submits_total", "submit_sm by account and answer", ["account", "status"], registry=REGISTRY
)
SENT = Counter(
    "ascs_sms_sent_total",
    "submit_sm towards the SMSC by link and status",
    ["link", "status"],
    registry=REGISTRY,
)
RECEIPTS = Counter("ascs_sms_receipts_total", "receipts from the SMSC by fate", ["fate"], registry=REGISTRY)
REPLIES = Counter("ascs_sms_replies_total", "messages from subscribers by fate", ["fate"], registry=REGISTRY)
DELIVERED = Counter(
    "ascs_sms_deliveries_total",
    "deliver_sm to enterprises by account and status",
    ["account", "status"],
    registry=REGISTRY,
)
SUBMIT_SECONDS = Histogram(
    "ascs_sms_submit_seconds",
    "submit_sm to its response",
    registry=REGISTRY,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
BINDS = Gauge("ascs_smpp_binds", "bound sessions by account", ["account"], registry=REGISTRY)
TRUST_UP = Gauge("ascs_trust_party_up", "1 while the trust party answers", registry=REGISTRY)
LINKS = Gauge("ascs_smsc_link_up", "1 while the link is bound", ["link"], registry=REGISTRY)
CALLS = Counter(
    "ascs_calls_total", "calls by direction and result", ["direction", "result"], registry=REGISTRY
)
CALLS_UP = Gauge("ascs_calls_up", "calls in progress", registry=REGISTRY)
REFUSALS = Counter("ascs_refusals_total", "refused contacts by channel", ["channel"], registry=REGISTRY)
CONFIRMATIONS = Counter(
    "ascs_confirmations_total", "consents by how their confirmation ended", ["outcome"], registry=REGISTRY
)
EGRESS_ALARMS = Counter(
    "ascs_egress_alarms_total", "fields that the egress guard dropped", ["leg", "field"], registry=REGISTRY
)
STORE_BACKLOG = Gauge("ascs_store_backlog", "operations that wait for the store", registry=REGISTRY)
