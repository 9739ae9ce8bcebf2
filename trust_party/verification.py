"""May this enterprise contact this AID now? The carrier's question before every message and call.

A grant is answered from memory where the AID is live there. Whatever memory does not grant is decided by
one indexed read of the store for the whole batch, which reads one authorization for each AID, its neighbour's
where there is none: so an AID that is unknown, another's, pending, expired or revoked takes the same time.
Standard: T/ISC 0049-2024, 6.2.1.3 and 6.2.2.3.
"""

import asyncio
import json
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from evidence.merkle import leaf_hash, root
from foundation.store import Store, StoreUnavailable
from gm.keystore import KeyProvider
from interparty import statements
from interparty.edi import EDI_ID_BYTES
from interparty.hot_messages import AskedQuestion
from interparty.messages import ConversionRequest
from interparty.text import b64url_encode
from trust_party.aids import State, Terms, TermsCache, state_at
from trust_party.directory import Directory
from trust_party.guesses import TOO_MANY_UNKNOWN, Guesses
from trust_party.keys import sign_key
from trust_party.store.rows import read_nearest

UNKNOWN_AID: Final = "UNKNOWN_AID"
NOT_OWNER: Final = "NOT_OWNER"
SUSPENDED: Final = "SUSPENDED"
OTHER_CARRIER: Final = "OTHER_CARRIER"
NOT_YET: Final = "NOT_YET"
CHANNEL: Final = "CHANNEL"
ACCESS_NUMBER: Final = "ACCESS_NUMBER"
# A refusal for what the AID is has that state's name: PENDING, EXPIRED, REVOKED, ROTATED.

KNOWN_MAX: Final = 20_000
"""Contacts kept with the grant that they got, about 1.5 KB each."""
LOAD_ROWS: Final = 5_000
"""Authorizations read at once when the live ones are loaded."""

AUTHORIZATION_COLUMNS: Final = (
    "a.aid, a.enterprise, a.state, a.not_before, a.not_after, a.pending_until, a.terms_id,"
    " t.body AS terms, a.confirmed_carrier, a.confirmed_edi_id, e.edi"
)
_JOINS: Final = " JOIN contact_terms t ON t.id = a.terms_id LEFT JOIN edis e ON e.edi_id = a.confirmed_edi_id"
_FROM: Final = f"SELECT {AUTHORIZATION_COLUMNS} FROM authorizations a" + _JOINS  # noqa: S608
BY_AID: Final = _FROM + " WHERE a.aid IN ({})"
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
    suspended: Collection[str],
    now_ms: int,
) -> str | None:
    """Why this contact is refused, None if it is granted. Channel and number None: not asked about."""
    if auth.enterprise != enterprise:
        return NOT_OWNER
    if enterprise in suspended:
        return SUSPENDED
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


class _Known(NamedTuple):
    """How a contact was granted: the same again as long as the live authorization is this one."""

    aid: int
    auth: Authorization
    answer: str
    outcome: str
    leaf: list[bytes]
    """Of a question without content, once there was one."""


class Batch:
    """Questions on their way to their answers."""

    __slots__ = ("answers", "asked", "carrier", "leaves", "now_ms", "open", "suspended")

    def __init__(
        self, carrier: str, asked: Sequence[AskedQuestion], suspended: Collection[str], now_ms: int
    ) -> None:
        self.carrier = carrier
        self.asked = asked
        self.suspended = suspended
        """Enterprises for which nobody may be contacted."""
        self.now_ms = now_ms
        self.answers: list[str] = [""] * len(asked)
        """JSON of each VerifyAnswer, in order."""
        self.leaves: list[bytes] = [b""] * len(asked)
        """Leaf hash of each entry under ASCS-BATCH1."""
        self.open: list[int] = []
        """Which questions memory did not grant: they are for the store."""

    @property
    def answers_json(self) -> str:
        """The member `answers` of a VerifyResponse, once nothing is open."""
        return f'"answers":[{",".join(self.answers)}]'


class Verification:
    """Answers verifications and conversions."""

    def __init__(
        self,
        store: Store,
        live: LiveIndex,
        keys: KeyProvider,
        directory: Directory,
        guesses: Guesses,
        on_signed: Callable[[str, bytes, int, int], None] = lambda *_: None,
    ) -> None:
        """`on_signed` is told of each signed root from any thread: carrier, root, count, milliseconds."""
        self._on_signed = on_signed
        self._guesses = guesses
        self._directory = directory
        self._store = store
        self._live = live
        self._keys = keys
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self.granted = 0
        """Questions granted since the start."""
        self.refused = 0

    async def verify(self, carrier: str, asked: Sequence[AskedQuestion], now_ms: int) -> bytes:
        """The JSON of a VerifyResponse: one answer for each question, in order, and the signed batch head.

        Raises StoreBusy, StoreUnavailable: then nothing may be contacted.
        """
        batch = self.decide(carrier, asked, now_ms)
        if batch.open:
            await self.look_up(batch)
        # Half a millisecond of a core, without the interpreter's lock.
        head = await asyncio.to_thread(self.head, carrier, root(batch.leaves), len(batch.leaves), now_ms)
        return f'{{{batch.answers_json},"batch":{head}}}'.encode()

    def decide(self, carrier: str, asked: Sequence[AskedQuestion], now_ms: int) -> Batch:
        """Grant what memory grants; where `open` is not empty, `look_up` decides the rest.

        Raises StoreUnavailable.
        """
        if self._store.failed:
            # A cancellation may have failed to commit: what memory grants can no longer be relied on.
            raise StoreUnavailable("the store failed")
        batch = Batch(carrier, asked, self._directory.suspended, now_ms)
        answers, leaves = batch.answers, batch.leaves
        live, known, suspended = self._live.get, self._known, batch.suspended
        for at, question in enumerate(asked):
            _, contact, aid_text, enterprise, channel, access_number, digest, template_id, _ = question
            earlier = known.get(contact)
            aid = int(aid_text) if earlier is None else earlier.aid
            auth = live(aid)
            # What is live is ACTIVE until its term is over; refusal() names the reason of whatever fails here.
            if (
                auth is None
                or auth.enterprise != enterprise
                or auth.carrier != carrier
                or not auth.not_before <= now_ms < auth.not_after
                or enterprise in suspended
                or channel not in auth.terms.channels
                or access_number not in auth.terms.access_numbers
            ):
                batch.open.append(at)
                continue
            if earlier is None or earlier.auth is not auth:
                answer, outcome = _grant(auth)
                if len(known) >= KNOWN_MAX:
                    known.popitem(last=False)
                earlier = known[contact] = _Known(aid, auth, answer, outcome, [])
            answers[at] = earlier.answer
            if digest or template_id:
                leaves[at] = _leaf(question, earlier.outcome)
            elif earlier.leaf:
                leaves[at] = earlier.leaf[0]
            else:
                leaves[at] = _leaf(question, earlier.outcome)
                earlier.leaf.append(leaves[at])
        self.granted += len(asked) - len(batch.open)
        return batch

    async def look_up(self, batch: Batch) -> None:
        """Decide what is open in a batch, by one read of the store. Raises StoreBusy, StoreUnavailable."""
        stored = await self._nearest([int(batch.asked[at].aid) for at in batch.open])
        unknown: dict[str, int] = {}
        is_over = {
            name: self._guesses.is_over(batch.carrier, name)
            for name in {batch.asked[at].enterprise for at in batch.open}
        }
        for at in batch.open:
            question = batch.asked[at]
            auth = stored.get(int(question.aid))
            reason = UNKNOWN_AID if auth is None else _refusal(auth, question, batch)
            if auth is None or reason is not None:
                if reason in (UNKNOWN_AID, NOT_OWNER):
                    unknown[question.enterprise] = unknown.get(question.enterprise, 0) + 1
                if is_over[question.enterprise]:
                    reason = TOO_MANY_UNKNOWN
                batch.answers[at], outcome = f'{{"refusal":{{"reason":"{reason}"}}}}', f"R{reason}"
                self.refused += 1
            else:
                batch.answers[at], outcome = _grant(auth)
                self.granted += 1
            batch.leaves[at] = _leaf(question, outcome)
        batch.open.clear()
        for enterprise, count in unknown.items():
            self._guesses.count(batch.carrier, enterprise, count)

    async def _nearest(self, aids: Sequence[int]) -> dict[int, Authorization]:
        """One authorization for each AID, its neighbour's where there is none."""
        rows = await read_nearest(self._store, AUTHORIZATION_COLUMNS, _JOINS, aids)
        return {row["aid"]: self._live.read(row) for row in rows}

    def head(self, carrier: str, root: bytes, count: int, at_ms: int) -> str:
        """The JSON of a BatchHead, signed; any thread may do it."""
        head: dict[str, str | int] = {"root": root.hex(), "count": count, "at": at_ms}
        head["signature"] = statements.sign(sign_key(self._keys), statements.BATCH, head)
        self._on_signed(carrier, root, count, at_ms)
        return json.dumps(head, separators=(",", ":"))

    async def convert(self, carrier: str, asked: ConversionRequest, now_ms: int) -> str | None:
        """The EDI text of an active AID that is sealed to this carrier; None for anything else.

        Raises StoreBusy, StoreUnavailable.
        """
        auth = (await self._nearest([int(asked.aid)])).get(int(asked.aid))
        if auth is None or auth.enterprise != asked.enterprise:
            self._guesses.count(carrier, asked.enterprise, 1)
            return None
        reason = refusal(
            auth,
            enterprise=asked.enterprise,
            carrier=carrier,
            channel=None,
            access_number=None,
            suspended=self._directory.suspended,
            now_ms=now_ms,
        )
        return b64url_encode(auth.sealed[EDI_ID_BYTES:]) if reason is None else None


def _refusal(auth: Authorization, question: AskedQuestion, batch: "Batch") -> str | None:
    return refusal(
        auth,
        enterprise=question.enterprise,
        carrier=batch.carrier,
        channel=question.channel,
        access_number=question.access_number,
        suspended=batch.suspended,
        now_ms=batch.now_ms,
    )


def _leaf(question: AskedQuestion, outcome: str) -> bytes:
    """Leaf hash of the entry that statements.batch_entry makes, without building the messages."""
    _, _, aid, enterprise, channel, access_number, digest, template_id, template_digest = question
    template = f"{template_id}\0{template_digest}\0" if template_id else ""
    return leaf_hash(
        f"{aid}\0{enterprise}\0{channel}\0{access_number}\0{digest}\0{template}{outcome}".encode()
    )


def _grant(auth: Authorization) -> tuple[str, str]:
    """The answer of a grant as JSON, and its outcome in the batch's entry."""
    edi_id = auth.sealed[:EDI_ID_BYTES].hex()
    return (
        f'{{"grant":{{"edi":"{b64url_encode(auth.sealed[EDI_ID_BYTES:])}","edi_id":"{edi_id}",'
        f'"consent":{{{auth.terms.granted},"not_after":{auth.not_after}}}}}}}',
        f"G{edi_id}",
    )
