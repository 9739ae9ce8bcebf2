"""An alert is where an operator looks."""

import json

from foundation import audit
from gateway.alerts import AGAIN_S, AnswerAlert, GuessAlert
from gateway.records import metrics
from gateway.store.domain import Domain


async def test_guessing_is_counted_and_on_the_audit_chain(domain: Domain) -> None:
    before = metrics.GUESS_ALERTS.value("ent-a")
    GuessAlert(domain, "CMCC")("ent-a")
    await domain.store.write(lambda conn: None)
    (row,) = await domain.store.read("SELECT actor, event, success, detail FROM audit")
    assert (row["actor"], row["event"], row["success"]) == ("CMCC", "aid.guessing", 0)
    assert json.loads(row["detail"]) == {"enterprise": "ent-a"}
    assert await domain.store.write(audit.verify) is None
    assert metrics.GUESS_ALERTS.value("ent-a") == before + 1


async def test_answers_that_are_not_signed_are_counted_and_now_and_then_on_the_audit_chain(
    domain: Domain,
) -> None:
    before, times = metrics.WRONG_ANSWERS._value.get(), iter((0.0, AGAIN_S - 1, AGAIN_S))
    alert = AnswerAlert(domain, "CMCC", "ttp", lambda: next(times))
    for _ in range(3):
        alert()
    await domain.store.write(lambda conn: None)
    rows = await domain.store.read("SELECT actor, event, success, detail FROM audit")
    told = ("CMCC", "trust.answers.unsigned", 0, {"trust_party": "ttp"})
    assert [(*row[:3], json.loads(row["detail"])) for row in rows] == [told, told]
    assert metrics.WRONG_ANSWERS._value.get() == before + 3
