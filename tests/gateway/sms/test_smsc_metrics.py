"""What the links count is told when it is asked for, and no longer than they are there."""

from __future__ import annotations

from math import inf

from gateway.records import metrics
from gateway.sms import smsc_metrics
from smpp.constants import CommandStatus
from tests.gateway.carrier import until
from tests.gateway.sms.smscs import Carrier, Smsc, settings


def value(name: str, link: str = "counted", **labels: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(f"ascs_smsc_{name}", {"link": link} | labels)


async def test_they_tell_what_is_now() -> None:
    async with Smsc() as smsc, Carrier(settings("counted", smsc.port, binds=2)) as carrier:
        assert value("binds") == 0
        await carrier.bound()
        smsc.silent = True
        carrier.send()
        await until(lambda: bool(smsc.requests))
        assert (value("binds"), value("unanswered"), value("limit")) == (2, 1, inf)
        assert value("outbinds_total") == 0
    assert value("binds") is None


async def test_they_tell_what_went_wrong() -> None:
    async with Smsc() as smsc, Carrier(settings("counted", smsc.port, rate=10)) as carrier:
        await carrier.bound()
        smsc.status = CommandStatus.ESME_RTHROTTLED
        carrier.send()
        await carrier.answered(1)
        assert (value("throttled_total"), value("limit")) == (1, 5)
        carrier.now += 2
        smsc.status = CommandStatus.ESME_RINVBNDSTS
        carrier.send()
        await carrier.answered(2)
        assert (value("restarts_total", reason="fault"), value("restarts_total", reason="silent")) == (1, 0)


def test_the_families_are_there_without_a_link() -> None:
    names = {family.name for family in smsc_metrics.LinkCollector().collect()}
    assert names == {
        f"ascs_smsc_{name}" for name in ("binds", "unanswered", "limit", "throttled", "restarts", "outbinds")
    }
