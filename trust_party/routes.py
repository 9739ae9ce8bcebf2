"""The trust party's routes. Each asks who the caller is, reads the message, and hands it to its subject.

Only authentic requests come here (interparty.server). What fails inside is a 503, never a guess.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundation.store import Store, StoreBusy, StoreUnavailable
from interparty import bodies, messages, query_messages
from interparty.aid import is_aid
from interparty.hot_messages import read_questions, read_reports
from trust_party import evidence_log
from trust_party.admission import Carrier, Directory, Enterprise
from trust_party.cancellations import Cancellations
from trust_party.clock import now_ms
from trust_party.confirmations import Confirmations
from trust_party.deposits import Deposits, SignatureRefused
from trust_party.evidence_queries import EvidenceQueries, NoSuchSize
from trust_party.number_queries import NumberQueries
from trust_party.reports import Reports
from trust_party.restoration import Restoration
from trust_party.revocations import RevocationFeed
from trust_party.rotations import Rotations
from trust_party.sequencer import Sequencer
from trust_party.statuses import statuses
from trust_party.verification import Verification

INDEX_DIGITS_MAX: Final = 16
"""Digits of an index or size in a query of the log."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Routes:
    """The subjects behind the routes."""

    store: Store
    directory: Directory
    sequencer: Sequencer
    deposits: Deposits
    verification: Verification
    restoration: Restoration
    confirmations: Confirmations
    cancellations: Cancellations
    rotations: Rotations
    reports: Reports
    feed: RevocationFeed
    evidence_queries: EvidenceQueries
    number_queries: NumberQueries

    def app(self) -> Starlette:
        """The ASGI application; to be served by interparty.server alone."""
        table: tuple[tuple[str, str, Handler], ...] = (
            ("POST", "/v1/deposits", self._deposit),
            ("GET", "/v1/aids/{aid}", self._status),
            ("POST", "/v1/aids/status", self._statuses),
            ("POST", "/v1/cancellations", self._cancel),
            ("POST", "/v1/rotations", self._rotate),
            ("POST", "/v1/verifications", self._verify),
            ("POST", "/v1/conversions", self._convert),
            ("POST", "/v1/restorations", self._restore),
            ("POST", "/v1/confirmations", self._confirm),
            ("POST", "/v1/reports", self._report),
            ("POST", "/v1/revocations", self._revocations),
            ("POST", "/v1/evidence/queries", self._query),
            ("POST", "/v1/evidence/number-queries", self._query_number),
            ("GET", "/v1/log/checkpoint", self._checkpoint),
            ("GET", "/v1/log/inclusion", self._inclusion),
            ("GET", "/v1/log/consistency", self._consistency),
            ("GET", "/health", self._health),
        )
        return Starlette(
            routes=[Route(path, handler, methods=[method]) for method, path, handler in table],
            exception_handlers={StoreBusy: _unavailable, StoreUnavailable: _unavailable},
        )

    def _enterprise(self, request: Request) -> Enterprise:
        caller = self.directory.enterprises.get(request.state.party)
        if caller is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this route is for enterprises")
        return caller

    def _in_good_standing(self, request: Request) -> Enterprise:
        """An enterprise that is not suspended: one that is may still cancel, and see what it has."""
        caller = self._enterprise(request)
        if caller.id in self.directory.suspended:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this enterprise is suspended")
        return caller

    def _carrier(self, request: Request) -> Carrier:
        caller = self.directory.carriers.get(request.state.party)
        if caller is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this route is for carriers")
        return caller

    async def _deposit(self, request: Request) -> Response:
        caller = self._in_good_standing(request)
        message = await bodies.read(request, messages.DepositRequest)
        try:
            results = await self.deposits.deposit(caller, self.directory.carriers, message, now_ms())
        except SignatureRefused:
            raise HTTPException(HTTPStatus.FORBIDDEN, "signature over the consents does not verify") from None
        return bodies.answer(messages.DepositResponse(results=results))

    async def _status(self, request: Request) -> Response:
        caller = self._enterprise(request)
        aid = request.path_params["aid"]
        if is_aid(aid):
            status = (await statuses(self.store, caller.id, [aid], now_ms()))[0]
            if status.status != "UNKNOWN":
                return bodies.answer(status)
        raise HTTPException(HTTPStatus.NOT_FOUND, "no such AID")

    async def _statuses(self, request: Request) -> Response:
        caller = self._enterprise(request)
        message = await bodies.read(request, messages.StatusRequest)
        found = await statuses(self.store, caller.id, message.aids, now_ms())
        return bodies.answer(messages.StatusResponse(statuses=found))

    async def _cancel(self, request: Request) -> Response:
        caller = self.directory.caller(request.state.party)
        if caller is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this route is for admitted parties")
        message = await bodies.read(request, messages.CancellationRequest)
        results = await self.cancellations.cancel(caller, message.cancellations, now_ms())
        return bodies.answer(messages.CancellationResponse(results=results))

    async def _rotate(self, request: Request) -> Response:
        caller = self._in_good_standing(request)
        message = await bodies.read(request, messages.RotationRequest)
        results = await self.rotations.rotate(caller, message.rotations, now_ms())
        return bodies.answer(messages.RotationResponse(results=results))

    async def _verify(self, request: Request) -> Response:
        caller = self._carrier(request)
        asked = await bodies.read_by(request, read_questions)
        answer = await self.verification.verify(caller.id, asked, now_ms())
        return Response(answer, media_type=bodies.JSON)

    async def _convert(self, request: Request) -> Response:
        caller = self._carrier(request)
        message = await bodies.read(request, messages.ConversionRequest)
        edi = await self.verification.convert(caller.id, message, now_ms())
        if edi is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no such AID")
        return bodies.answer(messages.ConversionResponse(edi=edi))

    async def _restore(self, request: Request) -> Response:
        caller = self._carrier(request)
        message = await bodies.read(request, messages.RestoreRequest)
        answers = await self.restoration.restore(caller.id, message.items, now_ms())
        return bodies.answer(messages.RestoreResponse(answers=answers))

    async def _confirm(self, request: Request) -> Response:
        caller = self._carrier(request)
        message = await bodies.read(request, messages.ConfirmationSubmission)
        results = await self.confirmations.confirm(caller, message.confirmations, now_ms())
        return bodies.answer(messages.ConfirmationResponse(results=results))

    async def _report(self, request: Request) -> Response:
        caller = self._carrier(request)
        reports = await bodies.read_by(request, read_reports)
        accepted = await self.reports.report(caller.id, reports, now_ms())
        return bodies.answer(messages.Accepted(accepted=accepted))

    async def _revocations(self, request: Request) -> Response:
        caller = self._carrier(request)
        message = await bodies.read(request, messages.RevocationsRequest)
        return bodies.answer(await self.feed.after(caller.id, message.epoch, message.after))

    async def _query(self, request: Request) -> Response:
        caller = self.directory.caller(request.state.party)
        if caller is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this route is for admitted parties")
        asked = await bodies.read(request, query_messages.EvidenceQuery)
        if caller.role == "regulator" and asked.case is None:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "a regulator names the case")
        try:
            page = await self.evidence_queries.page(caller, asked, now_ms())
        except NoSuchSize:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "the log has no checkpoint of this size") from None
        if page is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no evidence that the caller may see")
        return bodies.answer(page)

    async def _query_number(self, request: Request) -> Response:
        caller = self.directory.caller(request.state.party)
        if caller is None or caller.role != "regulator":
            raise HTTPException(HTTPStatus.FORBIDDEN, "this route is for regulators")
        asked = await bodies.read(request, query_messages.NumberQueryRequest)
        return bodies.answer(await self.number_queries.ask(caller, asked, now_ms()))

    async def _checkpoint(self, request: Request) -> Response:
        self._member(request)
        return bodies.answer(self._newest())

    async def _inclusion(self, request: Request) -> Response:
        self._member(request)
        index, size = _number(request, "index"), _number(request, "size")
        try:
            proof = await evidence_log.inclusion(self.store, index, self._newest(), size)
        except ValueError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the log has no such entry or size") from None
        return bodies.answer(proof)

    async def _consistency(self, request: Request) -> Response:
        self._member(request)
        first, second = _number(request, "first"), _number(request, "second")
        try:
            proof = await evidence_log.consistency(self.store, first, second, self._newest())
        except ValueError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "the log has no such sizes") from None
        return bodies.answer(proof)

    def _newest(self) -> messages.CheckpointBody:
        newest = self.sequencer.newest
        if newest is None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the log has no checkpoint yet")
        return newest

    async def _health(self, _request: Request) -> Response:
        healthy = not self.store.failed
        body = {"status": "ok" if healthy else "failed", "store_backlog": self.store.backlog}
        return JSONResponse(body, HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE)

    def _member(self, request: Request) -> None:
        """The log is open to every admitted party."""
        if self.directory.sign_keys(request.state.party) is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this route is for admitted parties")


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    if not (0 < len(text) <= INDEX_DIGITS_MAX and text.isascii() and text.isdigit()):
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name} is a number")
    return int(text)


async def _unavailable(_request: Request, _error: Exception) -> Response:
    return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
