"""May this enterprise contact this AID now? The carrier's question before every message and call.

A grant is answered from memory where the AID is live there. Whatever memory does not grant is decided by
one indexed read of the store for the whole batch, which reads one authorization for each AID, its neighbour's
where there is none: so an AID that is unknown, another's, pending, expired or revoked takes the same time.
Standard: T/ISC 0049-2024, 6.2.1.3 and 6.2.2.3.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from evidence.merkle import leaf_hash, root
from foundation.store import Store, StoreUnavailable
from gm.keystore import KeyStore
from interparty import statements
from interparty.edi import EDI_ID_BYTES
from interparty.messages import ConversionRequest, VerifyItem
from interparty.text import b64url_encode
from trust_party.aids import State, Terms, TermsCache, state_at
from trust_party.keys import sign_key
from trust_party.store.rows import padded, read_in

UNKNOWN_AID: Final = "UNKNOWN_AID"
NOT_OWNER: Final = "NOT_OWNER"
OTHER_CARRIER: Final = "OTHER_CARRIER"
NOT_YET: Final = "NOT_YET"
CHANNEL: Final = "CHANNEL"
ACCESS_NUMBER: Final = "ACCESS_NUMBER"
# A refusal for what the AID is has that state's name: PENDING, EXPIRED, REVOKED, ROTATED.

LOAD_ROWS: Final = 5_000
"""Authorizations read at once when the live ones are loaded."""

AUTHORIZATION_COLUMNS: Final = (
    "a.aid, a.enterprise, a.state, a.not_before, a.not_after, a.pending_until, a.terms_id,"
    " t.body AS terms, a.confirmed_carrier, a.confirmed_edi_id, e.edi"
)
_JOINS: Final = " JOIN contact_terms t ON t.id = a.terms_id LEFT JOIN edis e ON e.edi_id = a.confirmed_edi_id"
_FROM: Final = f"SELECT {AUTHORIZATION_COLUMNS} FROM authorizations a" + _JOINS  # noqa: S608
BY_AID: Final = _FROM + " WHERE a.aid IN ({})"
# Not by AID itself, since a miss would skip the joins and the row: the time would tell that an AID never existed.
_NEAREST: Final = (
    f"WITH asked (aid) AS (VALUES {{}}) SELECT {AUTHORIZATION_COLUMNS} FROM asked"  # noqa: S608
    " JOIN authorizations a ON a.aid = COALESCE("
    "(SELECT n.aid FROM authorizations n WHERE n.aid >= asked.aid ORDER BY n.aid LIMIT 1),"
    " (SELECT MAX(aid) FROM authorizations))" + _JOINS
)
_ACTIVE_AFTER: Final = _FROM + " WHERE a.state = 2 AND a.aid > ? ORDER BY a.aid LIMIT ?"


class Authorization(NamedTuple):
    """What decides about an AID."""

    enterprise: str
    state: State
    not_before: int
    not_after: int
    """Not included in the term."""
    pending_until: int
    terms: Terms
    carrier: str | None
    """The carrier that confirmed it, the only one that is granted."""
    sealed: bytes
    """edi_id[16] and EDI[209] that were confirmed; empty before."""


def refusal(
    auth: Authorization,
    *,
    enterprise: str,
    carrier: str,
    channel: str | None,
    access_number: str | None,
    now_ms: int,
) -> str | None:
    """Why this contact is refused, None if it is granted. Channel and number None: not asked about."""
    if auth.enterprise != enterprise:
        return NOT_OWNER
    state = state_at(auth.state, not_after=auth.not_after, pending_until=auth.pending_until, now_ms=now_ms)
    if state is not State.ACTIVE:
        return state.name
    if auth.carrier != carrier:
        return OTHER_CARRIER
    if now_ms < auth.not_before:
        return NOT_YET
    if channel is not None and channel not in auth.terms.channels:
        return CHANNEL
    if access_number is not None and access_number not in auth.terms.access_numbers:
        return ACCESS_NUMBER
    return None


class LiveIndex:
    """Active AIDs in memory, at most `live_max`. Changed only after commits, in their order."""

    def __init__(self, live_max: int) -> None:
        self._max = live_max
        self._live: dict[int, Authorization] = {}
        self._terms = TermsCache()
        # Ids of parties are few: one string each, however many AIDs name it.
        self._names: dict[str, str] = {}
        self.get = self._live.get

    def __len__(self) -> int:
        return len(self._live)

    def put(self, aid: int, auth: Authorization) -> None:
        """Keep an active AID, unless the index is full: then the store answers for it."""
        if aid in self._live or len(self._live) < self._max:
            self._live[aid] = auth

    def drop(self, aid: int) -> None:
        """Forget an AID that is no longer active."""
        self._live.pop(aid, None)

    def read(self, row: sqlite3.Row) -> Authorization:
        """The authorization of a row with AUTHORIZATION_COLUMNS."""
        carrier, edi_id, edi = row["confirmed_carrier"], row["confirmed_edi_id"], row["edi"]
        return Authorization(
            enterprise=self._name(row["enterprise"]),
            state=State(row["state"]),
            not_before=row["not_before"],
            not_after=row["not_after"],
            pending_until=row["pending_until"],
            terms=self._terms.get(row["terms_id"], row["terms"]),
            carrier=None if carrier is None else self._name(carrier),
            sealed=edi_id + edi if edi is not None else b"",
        )

    async def load(self, store: Store) -> None:
        """Take in every active AID; before anything is served."""
        last = 0
        while len(self._live) < self._max:
            rows = await store.read(_ACTIVE_AFTER, (last, LOAD_ROWS))
            for row in rows:
                self.put(row["aid"], self.read(row))
            if len(rows) < LOAD_ROWS:
                break
            last = rows[-1]["aid"]

    def _name(self, name: str) -> str:
        return self._names.setdefault(name, name)


class Verification:
    """Answers verifications and conversions."""

    def __init__(self, store: Store, live: LiveIndex, keys: KeyStore) -> None:
        self._store = store
        self._live = live
        self._keys = keys
        self.granted = 0
        """Items granted since the start."""
        self.refused = 0

    async def verify(self, carrier: str, items: Sequence[VerifyItem], now_ms: int) -> bytes:
        """The JSON of a VerifyResponse: one answer for each item, in order, and the signed batch head.

        Raises StoreBusy, StoreUnavailable: then nothing may be contacted.
        """
        if self._store.failed:
            # A cancellation may have failed to commit: what memory grants can no longer be relied on.
            raise StoreUnavailable("the store failed")
        answers: list[str] = [""] * len(items)
        outcomes: list[str] = [""] * len(items)
        open_items: list[int] = []
        get = self._live.get
        for at, item in enumerate(items):
            auth = get(int(item.aid))
            if auth is None or self._refusal(auth, item, carrier, now_ms) is not None:
                open_items.append(at)
            else:
                answers[at], outcomes[at] = _grant(auth)
        refused = 0
        if open_items:
            marks, asked = padded([int(items[at].aid) for at in open_items])
            rows = await self._store.read(_NEAREST.replace("{}", marks.replace("?", "(?)")), asked)
            stored = {row["aid"]: self._live.read(row) for row in rows}
            for at in open_items:
                auth = stored.get(int(items[at].aid))
                reason = UNKNOWN_AID if auth is None else self._refusal(auth, items[at], carrier, now_ms)
                if auth is None or reason is not None:
                    answers[at], outcomes[at] = f'{{"refusal":{{"reason":"{reason}"}}}}', f"R{reason}"
                    refused += 1
                else:
                    answers[at], outcomes[at] = _grant(auth)
        self.granted += len(items) - refused
        self.refused += refused
        head = self._batch_head(items, outcomes, now_ms)
        return f'{{"answers":[{",".join(answers)}],"batch":{head}}}'.encode()

    async def convert(self, carrier: str, asked: ConversionRequest, now_ms: int) -> str | None:
        """The EDI text of an active AID that is sealed to this carrier; None for anything else.

        Raises StoreBusy, StoreUnavailable.
        """
        rows = await read_in(self._store, BY_AID, [int(asked.aid)])
        if not rows:
            return None
        auth = self._live.read(rows[0])
        reason = refusal(
            auth,
            enterprise=asked.enterprise,
            carrier=carrier,
            channel=None,
            access_number=None,
            now_ms=now_ms,
        )
        return b64url_encode(auth.sealed[EDI_ID_BYTES:]) if reason is None else None

    @staticmethod
    def _refusal(auth: Authorization, item: VerifyItem, carrier: str, now_ms: int) -> str | None:
        return refusal(
            auth,
            enterprise=item.enterprise,
            carrier=carrier,
            channel=item.channel,
            access_number=item.access_number,
            now_ms=now_ms,
        )

    def _batch_head(self, items: Sequence[VerifyItem], outcomes: Sequence[str], now_ms: int) -> str:
        """ASCS-BATCH1 over entries as statements.batch_entry makes them, without building the messages."""
        leaves = [
            leaf_hash(
                f"{item.aid}\0{item.enterprise}\0{item.channel}\0{item.access_number}"
                f"\0{item.content_digest or ''}\0{outcome}".encode()
            )
            for item, outcome in zip(items, outcomes, strict=True)
        ]
        head: dict[str, str | int] = {"root": root(leaves).hex(), "count": len(items), "at": now_ms}
        head["signature"] = statements.sign(sign_key(self._keys), statements.BATCH, head)
        return json.dumps(head, separators=(",", ":"))


def _grant(auth: Authorization) -> tuple[str, str]:
    """The answer of a grant as JSON, and its outcome in the batch's entry."""
    edi_id = auth.sealed[:EDI_ID_BYTES].hex()
    return (
        f'{{"grant":{{"edi":"{b64url_encode(auth.sealed[EDI_ID_BYTES:])}","edi_id":"{edi_id}",'
        f'"consent":{{{auth.terms.granted},"not_after":{auth.not_after}}}}}}}',
        f"G{edi_id}",
    )
