"""What the operator's tools read."""

import asyncio
import urllib.request

from tests.trust_party.world import CARRIER, Party
from trust_party.metrics import Figures, served
from trust_party.settings import OperationsSettings


async def test_answers_alerts_and_live_aids_are_counted(party: Party) -> None:
    aid, _ = await party.active()
    await party.reason(aid)
    for _ in range(3):
        await party.reason("888100000000000005")
    party.guesses.alerts[(CARRIER, "ent-a")] += 1
    figures = Figures(party.store, party.live, party.verification, party.guesses)
    with served(OperationsSettings(port=0), figures) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        text = (await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read())).decode()
    for line in (
        'ascs_trust_verifications_total{outcome="granted"} 1.0',
        'ascs_trust_verifications_total{outcome="refused"} 3.0',
        'ascs_trust_guess_alerts_total{enterprise="ent-a",party="CMCC"} 1.0',
        "ascs_trust_live_aids 1.0",
    ):
        assert line in text
    assert aid not in text
