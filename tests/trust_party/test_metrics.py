"""What the operator's tools read."""

import asyncio
import urllib.request

from tests.trust_party.world import CARRIER, NOW, Party
from trust_party.metrics import Figures, served
from trust_party.settings import OperationsSettings


async def test_answers_alerts_and_live_aids_are_counted(party: Party) -> None:
    aid, _ = await party.active()
    await party.reason(aid)
    for _ in range(3):
        await party.reason("888100000000000005")
    party.guesses.alerts[(CARRIER, "ent-a")] += 1
    party.witnesses.cosigned_at[CARRIER] = NOW
    figures = Figures(
        party.store, party.live, party.verification, party.guesses, party.sequencer, party.witnesses
    )
    with served(OperationsSettings(port=0), figures) as port:
        url = f"http://127.0.0.1:{port}/metrics"
        text = (await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=5).read())).decode()
    assert party.sequencer.newest is not None
    for line in (
        'ascs_trust_verifications_total{outcome="granted"} 1.0',
        'ascs_trust_verifications_total{outcome="refused"} 3.0',
        'ascs_trust_guess_alerts_total{enterprise="ent-a",party="CMCC"} 1.0',
        "ascs_trust_live_aids 1.0",
        f"ascs_trust_log_leaves {float(party.sequencer.newest.size)}",
        "ascs_trust_log_checkpoint_timestamp_seconds 1.79e+09",
        'ascs_trust_witness_cosigned_timestamp_seconds{witness="CMCC"} 1.79e+09',
    ):
        assert line in text
    assert aid not in text
