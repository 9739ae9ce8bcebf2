"""Status of AIDs, for the enterprise that owns them. Standard: T/ISC 0049-2024, 6.1.2.2."""

from collections.abc import Sequence
from typing import Final

from foundation.store import Store
from interparty.deposit_messages import AidStatus
from trust_party.aids import STATUS, State, state_at
from trust_party.evidence_log import leaf_indices
from trust_party.guesses import Guesses
from trust_party.store.rows import read_nearest

_COLUMNS: Final = "a.aid, a.enterprise, a.state, a.not_before, a.not_after, a.pending_until, a.evidence_id"


def _text(index: int | None) -> str | None:
    return None if index is None else str(index)


async def statuses(
    store: Store, guesses: Guesses, enterprise: str, aids: Sequence[str], now_ms: int
) -> list[AidStatus]:
    """The status of each AID, in order; UNKNOWN alike for one never issued and one of another enterprise.

    Raises StoreBusy, StoreUnavailable, and HTTPException 429 for one who named too many unknown AIDs.
    """
    guesses.check(enterprise, enterprise)
    rows = await read_nearest(store, _COLUMNS, "", [int(aid) for aid in aids])
    own = {row["aid"]: row for row in rows if row["enterprise"] == enterprise}
    guesses.count(enterprise, enterprise, sum(int(aid) not in own for aid in aids))
    leaves = await leaf_indices(store, [row["evidence_id"] for row in own.values()])
    answers: list[AidStatus] = []
    for aid in aids:
        row = own.get(int(aid))
        if row is None:
            answers.append(AidStatus(aid=aid, status="UNKNOWN"))
            continue
        state = state_at(
            State(row["state"]),
            not_after=row["not_after"],
            pending_until=row["pending_until"],
            now_ms=now_ms,
        )
        answers.append(
            AidStatus(
                aid=aid,
                status=STATUS[state],
                not_before=row["not_before"],
                not_after=row["not_after"],
                # Absent for the moment between a deposit's commit and its batch.
                evidence_id=_text(leaves.get(row["evidence_id"])),
            )
        )
    return answers
