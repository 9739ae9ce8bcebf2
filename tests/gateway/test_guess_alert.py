"""An alert about guessing is where an operator looks."""

import json

from foundation import audit
from gateway.guess_alert import GuessAlert
from gateway.records import metrics
from gateway.store.domain import Domain


async def test_it_is_counted_and_on_the_audit_chain(domain: Domain) -> None:
    before = metrics.GUESS_ALERTS.value("ent-a")
    GuessAlert(domain, "CMCC")("ent-a")
    await domain.store.write(lambda conn: None)
    (row,) = await domain.store.read("SELECT actor, event, success, detail FROM audit")
    assert (row["actor"], row["event"], row["success"]) == ("CMCC", "aid.guessing", 0)
    assert json.loads(row["detail"]) == {"enterprise": "ent-a"}
    assert await domain.store.write(audit.verify) is None
    assert metrics.GUESS_ALERTS.value("ent-a") == before + 1
