"""A witness of the evidence log: follows it, checks that it only grows and shows everyone the same, and cosigns.

It asks for the candidate, checks the log's signature and the proof that it extends the last checkpoint that it
cosigned, writes it down, and only then signs. It also asks for what the other witnesses cosigned and checks each
against its own. What no honest log does ends it, with both signed checkpoints written down as proof.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

from evidence.log import SignedCheckpoint
from evidence.merkle import HASH_SIZE
from evidence.witness import Verdict, judge
from gm.sm2 import PrivateKey, PublicKey
from interparty import statements, trust_routes
from interparty.client import Peer, PeerProblem, PeerUnavailable
from interparty.evidence_messages import (
    LEAVES_MAX,
    Cosignature,
    Leaves,
    SignedCosignature,
    Views,
    WitnessedCheckpoint,
)
from interparty.key_messages import LogKeys
from interparty.messages import Accepted, CheckpointBody, ConsistencyBody
from interparty.text import b64url_decode, b64url_encode
from trust_client.bundle import Keys, checkpoint_of, cosigners, is_signed
from trust_client.log_chain import chain
from trust_client.mirror import Mirror
from trust_client.witness_store import WitnessStore

FORMAT: Final = "ASCS-MISBEHAVIOUR1"
PAGES_MAX: Final = 64
"""Pages of leaves copied in one step; a witness that is far behind copies on in the next."""
COMPARED_MAX: Final = 1000
"""Views of others that are known to agree with ours, so that each is checked once."""

_log = logging.getLogger(__name__)


class Misbehaviour(Exception):
    """The log did what no honest log does. `proof` is what was written down."""

    def __init__(self, verdict: Verdict, proof: dict[str, Any]) -> None:
        super().__init__(verdict.value)
        self.verdict = verdict
        self.proof = proof


class NotTheLogs(Exception):
    """A checkpoint is not signed by the log that is watched: a wrong key here, or someone else there."""


class Witness:
    """One witness of one log. `others` are the keys of witnesses whose views it compares with its own."""

    def __init__(
        self,
        peer: Peer,
        *,
        party: str,
        sign_key: PrivateKey,
        log_key: PublicKey,
        store: WitnessStore,
        others: Keys,
        now_ms: Callable[[], int],
        mirror: Mirror | None = None,
    ) -> None:
        self._peer = peer
        self._party = party
        self._sign_key = sign_key
        self._log_keys = [log_key]
        """The one that was given, and those that follow it."""
        self._store = store
        self._others = {name: keys for name, keys in others.items() if name != party}
        self._now_ms = now_ms
        self._mirror = mirror
        self._agreeing: dict[tuple[int, int, str], None] = {}

    async def run(self, every_seconds: float, stop: asyncio.Event) -> None:
        """Watch until `stop` is set. Raises Misbehaviour; anything else is logged and tried again."""
        while not stop.is_set():
            try:
                await self.step()
            except (PeerUnavailable, PeerProblem, NotTheLogs) as error:
                _log.warning("not watched this time: %s", error)
            try:
                async with asyncio.timeout(every_seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    async def step(self) -> Cosignature | None:
        """Look once; the cosignature that was handed in, None if there was nothing new.

        Raises Misbehaviour, NotTheLogs, PeerUnavailable, PeerProblem, sqlite3.Error, OSError.
        """
        cosigned = await self._follow()
        if cosigned is not None:
            # At least once a minute: a log that does not grow is signed anew.
            await self._compare_views()
        return cosigned

    async def _follow(self) -> Cosignature | None:
        last = self._store.last()
        if last is not None and not last[2]:
            # Written down, and not handed in before this process ended or the trust party did not answer.
            await self._hand_in(last[0])
        candidate = await self._get(trust_routes.CANDIDATE.path, WitnessedCheckpoint)
        signed = await self._signed(candidate.checkpoint)
        if last is not None:
            if signed.checkpoint == last[0].checkpoint:
                return None
            verdict = await self._check(last[0], signed)
            if verdict is Verdict.STALE:
                _log.info("the candidate is older than what was cosigned: size=%d", signed.checkpoint.size)
                return None
        if self._mirror is not None and not await self._copy(self._mirror, signed):
            return None
        self._store.put(signed, self._now_ms())
        return await self._hand_in(signed)

    async def _copy(self, mirror: Mirror, signed: SignedCheckpoint) -> bool:
        """Copy the leaves up to a checkpoint and make its root; False while there are more to copy.

        Raises as `step`.
        """
        size = signed.checkpoint.size
        for _ in range(PAGES_MAX):
            held = mirror.size
            if held >= size:
                break
            query = f"start={held}&count={min(LEAVES_MAX, size - held)}"
            page = await self._peer.request("GET", trust_routes.LEAVES.path, None, Leaves, query=query)
            try:
                octets = b64url_decode(page.leaves)
            except ValueError:
                octets = b""
            leaves = [octets[at : at + HASH_SIZE] for at in range(0, len(octets), HASH_SIZE)]
            if not leaves or len(leaves) > size - held or len(leaves[-1]) != HASH_SIZE:
                raise PeerUnavailable("the log gives no leaves that could be its own")
            await asyncio.to_thread(mirror.append, leaves)
        if mirror.size < size:
            _log.info("copying the log: %d of %d leaves", mirror.size, size)
            return False
        if mirror.root(size) != signed.checkpoint.root:
            self._caught(Verdict.MISMATCH, [signed], [], Verdict.MISMATCH.value)
        return True

    async def _hand_in(self, signed: SignedCheckpoint) -> Cosignature:
        body = body_of(signed)
        statement = Cosignature.of(body, self._party, self._now_ms())
        signature = await asyncio.to_thread(statements.sign, self._sign_key, statements.COSIGN, statement)
        message = SignedCosignature(statement=statement, signature=signature)
        try:
            await self._peer.request("POST", trust_routes.COSIGN.path, message, Accepted)
        except PeerProblem as problem:
            if problem.status == HTTPStatus.CONFLICT:
                # The log signed this checkpoint and says that it did not.
                self._caught(Verdict.DENIED, [signed], [], Verdict.DENIED.value)
            if problem.status != HTTPStatus.GONE:
                raise
            # Nothing is denied, and nothing escapes: what comes next must extend this one all the same.
            _log.info("what was cosigned is too old to be handed in: size=%d", body.size)
        self._store.posted()
        _log.info("cosigned: size=%d root=%s", signed.checkpoint.size, body.root[:16])
        return statement

    async def _compare_views(self) -> None:
        """Check what the other witnesses cosigned against our own. Raises as `step`."""
        last = self._store.last()
        if last is None or not self._others:
            return
        for view in (await self._get(trust_routes.VIEWS.path, Views)).views:
            if cosigners(view, self._others):
                await self.compare(view.checkpoint)

    async def compare(self, body: CheckpointBody) -> None:
        """Check a checkpoint that someone else was shown against what we cosigned.

        Raises Misbehaviour, NotTheLogs, PeerUnavailable, PeerProblem; LookupError before we cosigned anything.
        """
        known = (body.size, body.time_ms, body.root)
        if known in self._agreeing:
            return
        signed = await self._signed(body)
        own = self._store.of_size(body.size)
        if own is None:
            last = self._store.last()
            if last is None:
                raise LookupError("nothing was cosigned yet")
            own = last[0]
        if self._mirror is not None and body.size <= self._mirror.size:
            # No need to ask: these leaves are the log, or none is.
            if self._mirror.root(body.size) != signed.checkpoint.root:
                self._caught(
                    Verdict.MISMATCH, [own, signed], [], f"{Verdict.MISMATCH.value}; shown to others"
                )
        elif own.checkpoint.size <= body.size:
            await self._check(own, signed, seen_in_order=False)
        else:
            await self._check(signed, own, seen_in_order=False)
        while len(self._agreeing) >= COMPARED_MAX:
            del self._agreeing[next(iter(self._agreeing))]
        self._agreeing[known] = None

    async def _check(
        self, earlier: SignedCheckpoint, later: SignedCheckpoint, *, seen_in_order: bool = True
    ) -> Verdict:
        """Judge two checkpoints with the proof that the log gives. Raises Misbehaviour, and as Peer.request."""
        proof: list[bytes] = []
        first, second = earlier.checkpoint.size, later.checkpoint.size
        if 0 < first < second:
            try:
                answer = await self._peer.request(
                    "GET",
                    trust_routes.CONSISTENCY.path,
                    None,
                    ConsistencyBody,
                    query=f"first={first}&second={second}",
                )
                proof = [bytes.fromhex(node) for node in answer.proof]
            except PeerProblem as problem:
                # It signed logs of both sizes; that it has no such sizes cannot be true.
                if problem.status != HTTPStatus.NOT_FOUND:
                    raise
        verdict = judge(earlier, later, proof)
        if verdict.is_misbehaviour:
            how = "seen one after the other" if seen_in_order else "shown to different parties"
            self._caught(verdict, [earlier, later], proof, f"{verdict.value}; {how}")
        return verdict

    def _caught(
        self, verdict: Verdict, signed: Sequence[SignedCheckpoint], proof: Sequence[bytes], what: str
    ) -> None:
        """Write down and raise Misbehaviour."""
        told: dict[str, Any] = {
            "format": FORMAT,
            "verdict": verdict.name,
            "what": what,
            "found_by": self._party,
            "found_at": self._now_ms(),
            "log_keys": [key.to_bytes().hex() for key in self._log_keys],
            "checkpoints": [body_of(each).fields() for each in signed],
            "proof": [node.hex() for node in proof],
        }
        self._store.caught(told)
        _log.critical("THE LOG MISBEHAVED: %s; both checkpoints are in %s", what, self._store.caught_file)
        raise Misbehaviour(verdict, told)

    async def _signed(self, body: CheckpointBody) -> SignedCheckpoint:
        """A checkpoint whose signature holds. Raises NotTheLogs, and as Peer.request."""
        if not any(is_signed(body, key) for key in self._log_keys):
            # The log may have another key by now: the one that is known says which.
            told = (await self._get(trust_routes.LOG_KEYS.path, LogKeys)).keys
            self._log_keys = chain(self._log_keys, told)
            if not any(is_signed(body, key) for key in self._log_keys):
                raise NotTheLogs("a checkpoint is not signed by the log that is watched")
            _log.info("the log has another key: %s", body.log_id[:16])
        return SignedCheckpoint(checkpoint_of(body), b64url_decode(body.signature))

    async def _get(self, path: str, answer: type[Any]) -> Any:
        return await self._peer.request("GET", path, None, answer)


def body_of(signed: SignedCheckpoint) -> CheckpointBody:
    """A signed checkpoint as it goes over the wire."""
    state = signed.checkpoint
    return CheckpointBody(
        log_id=state.log_id.hex(),
        size=state.size,
        time_ms=state.time_ms,
        root=state.root.hex(),
        signature=b64url_encode(signed.signature),
    )
