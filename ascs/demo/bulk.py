"""Many consents at once: the apps seal, the network asserts whose session it was, the enterprise deposits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from ascs.demo.enterprise_client import EnterpriseClient
from ascs.demo.layout import Person
from ascs.demo.script import StepFailed
from interparty.edi import edi_id, from_text
from simulators.handsets.client import HandsetClient

BATCH = 500
UNDER_WAY_MAX = 2
"""Batches of one enterprise at a time: the machine has few cores."""
ACTIVE_S = 300.0


async def deposit_all(
    enterprise_id: str, client: EnterpriseClient, handsets: HandsetClient, people: Sequence[Person]
) -> list[str]:
    """Deposit one consent of everybody and wait until all AIDs are ACTIVE; gives the AIDs in order.

    Confirmation is by network assertion, on the same routes as everyone's. Raises StepFailed, ApiError.
    """
    limit = asyncio.Semaphore(UNDER_WAY_MAX)

    async def batch(group: Sequence[Person]) -> list[str]:
        async with limit:
            nonces = await client.nonces(len(group))
            edis = await handsets.seal_batch(
                [
                    {"msisdn": each.msisdn, "enterprise": enterprise_id, "nonce": nonce, "id_type": "IMSI"}
                    for each, nonce in zip(group, nonces, strict=True)
                ]
            )
            now = time.time_ns() // 1_000_000
            await handsets.assert_batch(
                [
                    {"msisdn": each.msisdn, "edi_id": edi_id(from_text(edi)).hex(), "at": now}
                    for each, edi in zip(group, edis, strict=True)
                ]
            )
            results = await client.deposit(
                [{"nonce": nonce, "edis": [edi]} for nonce, edi in zip(nonces, edis, strict=True)]
            )
            refused = [result["error"] for result in results if result["aid"] is None]
            if refused:
                raise StepFailed(f"{len(refused)} deposits refused, the first: {refused[0]}")
            return [result["aid"] for result in results]

    groups = [people[start : start + BATCH] for start in range(0, len(people), BATCH)]
    aids = [aid for made in await asyncio.gather(*(batch(group) for group in groups)) for aid in made]
    for start in range(0, len(aids), BATCH):
        if not await client.until_active(aids[start : start + BATCH], ACTIVE_S):
            raise StepFailed(f"{enterprise_id}: not all consents became ACTIVE within {ACTIVE_S:.0f} s")
    return aids
