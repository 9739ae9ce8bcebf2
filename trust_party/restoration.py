"""From an EDI's id back to the AID under which an enterprise knows that subscriber.

The carrier asks when a reply or a callback comes in. Standard: T/ISC 0049-2024, 6.3.3.2 and 6.3.3.4.
"""

from collections.abc import Sequence
from typing import Final

from foundation.store import Store
from interparty.messages import RefusalBody, RestoreAnswer, RestoreItem
from trust_party.directory import Directory
from trust_party.store.rows import read_in
from trust_party.verification import AUTHORIZATION_COLUMNS, OTHER_CARRIER, LiveIndex, refusal

UNKNOWN_EDI: Final = "UNKNOWN_EDI"

_BY_EDI_ID: Final = (
    "SELECT asked.edi_id AS asked_id, asked.carrier AS asked_carrier, "  # noqa: S608
    + AUTHORIZATION_COLUMNS
    + " FROM edis asked JOIN authorizations a ON a.aid = asked.aid"
    " JOIN contact_terms t ON t.id = a.terms_id LEFT JOIN edis e ON e.edi_id = a.confirmed_edi_id"
    " WHERE asked.edi_id IN ({})"
)


class Restoration:
    """Answers restorations."""

    def __init__(self, store: Store, live: LiveIndex, directory: Directory) -> None:
        self._directory = directory
        self._store = store
        self._live = live

    async def restore(self, carrier: str, items: Sequence[RestoreItem], now_ms: int) -> list[RestoreAnswer]:
        """The AID of each item, if it is active now, or the reason why not; in order.

        Raises StoreBusy, StoreUnavailable.
        """
        rows = await read_in(self._store, _BY_EDI_ID, [bytes.fromhex(item.edi_id) for item in items])
        found = {row["asked_id"].hex(): row for row in rows}
        answers: list[RestoreAnswer] = []
        for item in items:
            row = found.get(item.edi_id)
            reason: str | None
            if row is None:
                reason = UNKNOWN_EDI
            elif row["asked_carrier"] != carrier:
                reason = OTHER_CARRIER
            else:
                reason = refusal(
                    self._live.read(row),
                    enterprise=item.enterprise,
                    carrier=carrier,
                    channel=None,
                    access_number=item.access_number,
                    suspended=self._directory.suspended,
                    now_ms=now_ms,
                )
            if row is None or reason is not None:
                answers.append(RestoreAnswer(refusal=RefusalBody(reason=reason or UNKNOWN_EDI)))
            else:
                answers.append(RestoreAnswer(aid=str(row["aid"])))
        return answers
