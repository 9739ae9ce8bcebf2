"""The trust party's handlers: one for each operation of interparty.trust_routes.

Only authentic requests of parties in the right role come here (interparty.server, interparty.operations). What fails
inside is a 503, never a guess.
"""

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from foundation.store import Store
from interparty import (
    deposit_messages,
    evidence_messages,
    key_messages,
    messages,
    query_messages,
    trust_routes,
    verify_messages,
)
from interparty.aid import is_aid
from interparty.hot_messages import read_questions, read_reports
from interparty.key_delivery import DeliveryError
from interparty.operations import HEALTH, Nothing, Role, application, bind, bind_bytes
from interparty.text import b64url_encode
from trust_party import evidence_log
from trust_party.cancellations import Cancellations
from trust_party.clock import now_ms
from trust_party.confirmations import Confirmations
from trust_party.deposits import Deposits, SignatureRefused
from trust_party.directory import Caller, Directory, Enterprise
from trust_party.evidence_queries import EvidenceQueries
from trust_party.guesses import Guesses
from trust_party.key_events import EventsRefused, KeyEvents, TooManyEvents
from trust_party.key_exchange import KeyExchange
from trust_party.number_queries import NumberQueries
from trust_party.reports import Reports
from trust_party.restoration import Restoration
from trust_party.revocations import RevocationFeed
from trust_party.rotations import Rotations
from trust_party.sequencer import Sequencer
from trust_party.statuses import statuses
from trust_party.verification import Verification
from trust_party.witnesses import CosignatureRefused, ForgottenCheckpoint, UnknownCheckpoint, Witnesses


@dataclass(frozen=True, slots=True)
class Routes:
    """The subjects behind the routes."""

    store: Store
    directory: Directory
    sequencer: Sequencer
    witnesses: Witnesses
    deposits: Deposits
    verification: Verification
    restoration: Restoration
    confirmations: Confirmations
    cancellations: Cancellations
    rotations: Rotations
    reports: Reports
    feed: RevocationFeed
    key_exchange: KeyExchange
    key_events: KeyEvents
    guesses: Guesses
    evidence_queries: EvidenceQueries
    number_queries: NumberQueries

    def app(self) -> Starlette:
        """The ASGI application; to be served by interparty.server alone."""
        return application(
            trust_routes.OPERATIONS,
            (
                bind(trust_routes.DEPOSIT, self._deposit),
                bind(trust_routes.STATUS, self._status),
                bind(trust_routes.STATUSES, self._statuses),
                bind(trust_routes.CANCEL, self._cancel),
                bind(trust_routes.ROTATE, self._rotate),
                bind_bytes(trust_routes.VERIFY, self._verify),
                bind(trust_routes.CONVERT, self._convert),
                bind(trust_routes.RESTORE, self._restore),
                bind(trust_routes.CONFIRM, self._confirm),
                bind_bytes(trust_routes.REPORT, self._report),
                bind(trust_routes.REVOCATIONS, self._revocations),
                bind(trust_routes.QUERY_EVIDENCE, self._query),
                bind(trust_routes.QUERY_KEYS, self._query_keys),
                bind(trust_routes.QUERY_NUMBER, self._query_number),
                bind(trust_routes.CHECKPOINT, self._checkpoint),
                bind(trust_routes.CANDIDATE, self._candidate),
                bind(trust_routes.COSIGN, self._cosign),
                bind(trust_routes.VIEWS, self._views),
                bind(trust_routes.LEAVES, self._leaves),
                bind(trust_routes.INCLUSION, self._inclusion),
                bind(trust_routes.CONSISTENCY, self._consistency),
                bind(trust_routes.KEYS, self._keys),
                bind(trust_routes.DELIVER_KEY, self._deliver_key),
                bind(trust_routes.REPORT_KEY_EVENTS, self._report_key_events),
                bind(trust_routes.LOG_KEYS, self._log_keys),
                bind(HEALTH, self._health),
            ),
            self._roles,
        )

    def _roles(self, party: str) -> Collection[Role]:
        caller = self.directory.caller(party)
        return () if caller is None else (caller.role,)

    def _caller(self, party: str) -> Caller:
        caller = self.directory.caller(party)
        if caller is None:  # no longer
            raise HTTPException(HTTPStatus.FORBIDDEN, "this route is for admitted parties")
        return caller

    def _in_good_standing(self, party: str) -> Enterprise:
        """An enterprise that is not suspended: one that is may still cancel, and see what it has."""
        if party in self.directory.suspended:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this enterprise is suspended")
        return self.directory.enterprises[party]

    async def _deposit(
        self, party: str, asked: deposit_messages.DepositRequest
    ) -> deposit_messages.DepositResponse:
        caller, carriers = self._in_good_standing(party), self.directory.carriers
        try:
            results = await self.deposits.deposit(caller, carriers, asked, now_ms())
        except SignatureRefused:
            raise HTTPException(HTTPStatus.FORBIDDEN, "signature over the consents does not verify") from None
        return deposit_messages.DepositResponse(results=results)

    async def _status(self, party: str, asked: messages.AidPath) -> deposit_messages.AidStatus:
        if is_aid(asked.aid):
            status = (await statuses(self.store, self.guesses, party, [asked.aid], now_ms()))[0]
            if status.status != "UNKNOWN":
                return status
        raise HTTPException(HTTPStatus.NOT_FOUND, "no such AID")

    async def _statuses(
        self, party: str, asked: deposit_messages.StatusRequest
    ) -> deposit_messages.StatusResponse:
        return deposit_messages.StatusResponse(
            statuses=await statuses(self.store, self.guesses, party, asked.aids, now_ms())
        )

    async def _cancel(
        self, party: str, asked: deposit_messages.CancellationRequest
    ) -> deposit_messages.CancellationResponse:
        caller = self._caller(party)
        results = await self.cancellations.cancel(caller, asked.cancellations, now_ms())
        return deposit_messages.CancellationResponse(results=results)

    async def _rotate(
        self, party: str, asked: deposit_messages.RotationRequest
    ) -> deposit_messages.RotationResponse:
        caller = self._in_good_standing(party)
        return deposit_messages.RotationResponse(
            results=await self.rotations.rotate(caller, asked.rotations, now_ms())
        )

    async def _verify(self, party: str, body: bytes) -> bytes:
        return await self.verification.verify(party, read_questions(body), now_ms())

    async def _convert(self, party: str, asked: messages.ConversionRequest) -> messages.ConversionResponse:
        edi = await self.verification.convert(party, asked, now_ms())
        if edi is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such AID")
        return messages.ConversionResponse(edi=edi)

    async def _restore(self, party: str, asked: messages.RestoreRequest) -> messages.RestoreResponse:
        return messages.RestoreResponse(answers=await self.restoration.restore(party, asked.items, now_ms()))

    async def _confirm(
        self, party: str, asked: deposit_messages.ConfirmationSubmission
    ) -> deposit_messages.ConfirmationResponse:
        caller = self.directory.carriers[party]
        results = await self.confirmations.confirm(caller, asked.confirmations, now_ms())
        return deposit_messages.ConfirmationResponse(results=results)

    async def _report(self, party: str, body: bytes) -> bytes:
        accepted = await self.reports.report(party, read_reports(body), now_ms())
        return messages.Accepted(accepted=accepted).model_dump_json().encode()

    async def _revocations(
        self, party: str, asked: verify_messages.RevocationsRequest
    ) -> verify_messages.RevocationsResponse:
        return await self.feed.after(party, asked.epoch, asked.after)

    async def _query(self, party: str, asked: query_messages.EvidenceQuery) -> query_messages.EvidencePage:
        caller = self._caller(party)
        self._take_query(party)
        enterprise = party if caller.role == "enterprise" else ""
        self.guesses.check(party, enterprise)
        if caller.role == "regulator" and asked.case is None:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "a regulator names the case")
        page = await self.evidence_queries.page(caller, asked, now_ms())
        if page is None:
            self.guesses.count(party, enterprise, 1)
            raise HTTPException(HTTPStatus.NOT_FOUND, "no evidence that the caller may see")
        return page

    async def _query_keys(
        self, party: str, asked: query_messages.KeyEvidenceQuery
    ) -> query_messages.KeyEvidencePage:
        caller = self._caller(party)
        self._take_query(party)
        if caller.role == "regulator" and asked.case is None:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "a regulator names the case")
        page = await self.key_events.page(caller, asked, now_ms())
        if page is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no party that the caller may ask about")
        return page

    def _take_query(self, party: str) -> None:
        if not self.evidence_queries.take(party):
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS, "too many queries for evidence", {"Retry-After": "1"}
            )

    async def _query_number(
        self, party: str, asked: query_messages.NumberQueryRequest
    ) -> query_messages.NumberQueryResponse:
        self._take_query(party)
        return await self.number_queries.ask(self._caller(party), asked, now_ms())

    async def _checkpoint(
        self, _party: str, asked: evidence_messages.CheckpointQuery
    ) -> evidence_messages.WitnessedCheckpoint:
        if asked.cosigned is None:
            return await self.witnesses.witnessed(self._newest())
        best = await self.witnesses.best(0, asked.cosigned)
        if best is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no checkpoint has so many cosignatures")
        return best

    async def _candidate(self, _party: str, _asked: Nothing) -> evidence_messages.WitnessedCheckpoint:
        return await self.witnesses.witnessed(self.witnesses.candidate(now_ms()) or self._newest())

    async def _cosign(self, party: str, asked: evidence_messages.SignedCosignature) -> messages.Accepted:
        try:
            await self.witnesses.cosign(party, self._caller(party).sign_keys, asked, now_ms())
        except UnknownCheckpoint as unknown:
            raise HTTPException(HTTPStatus.CONFLICT, str(unknown)) from None
        except ForgottenCheckpoint as forgotten:
            raise HTTPException(HTTPStatus.GONE, str(forgotten)) from None
        except CosignatureRefused as refused:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(refused)) from None
        return messages.Accepted(accepted=1)

    async def _views(self, _party: str, _asked: Nothing) -> evidence_messages.Views:
        return await self.witnesses.views()

    async def _leaves(self, _party: str, asked: evidence_messages.LeavesQuery) -> evidence_messages.Leaves:
        count = min(asked.count, evidence_messages.LEAVES_MAX)
        found = await evidence_log.leaves(self.store, asked.start, count, self._newest())
        return evidence_messages.Leaves(start=asked.start, leaves=b64url_encode(b"".join(found)))

    async def _inclusion(self, _party: str, asked: messages.InclusionQuery) -> messages.InclusionBody:
        try:
            return await evidence_log.inclusion(self.store, asked.index, self._newest(), asked.size)
        except ValueError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the log has no such entry or size") from None

    async def _consistency(self, _party: str, asked: messages.ConsistencyQuery) -> messages.ConsistencyBody:
        try:
            return await evidence_log.consistency(self.store, asked.first, asked.second, self._newest())
        except ValueError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the log has no such sizes") from None

    def _newest(self) -> messages.CheckpointBody:
        newest = self.sequencer.newest
        if newest is None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the log has no checkpoint yet")
        return newest

    async def _keys(self, _party: str, _asked: Nothing) -> key_messages.PublicKeys:
        return await self.key_exchange.public()

    async def _deliver_key(self, party: str, asked: key_messages.KeyDelivery) -> key_messages.KeyReceipt:
        try:
            return await self.key_exchange.take(self._caller(party), asked)
        except DeliveryError as refused:
            raise HTTPException(HTTPStatus.CONFLICT, str(refused)) from None

    async def _report_key_events(self, party: str, asked: key_messages.KeyEventReport) -> messages.Accepted:
        try:
            accepted = await self.key_events.take(self._caller(party), asked.events, now_ms())
        except EventsRefused as refused:
            raise HTTPException(HTTPStatus.CONFLICT, str(refused)) from None
        except TooManyEvents:
            raise HTTPException(
                HTTPStatus.TOO_MANY_REQUESTS, "too many key events", {"Retry-After": "60"}
            ) from None
        return messages.Accepted(accepted=accepted)

    async def _log_keys(self, _party: str, _asked: Nothing) -> key_messages.LogKeys:
        return await self.key_exchange.log_keys()

    async def _health(self, _party: str, _asked: Nothing) -> messages.HealthBody:
        if self.store.failed:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the store has failed")
        return messages.HealthBody(status="ok")
