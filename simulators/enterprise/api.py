"""The control API of an enterprise's systems: what its staff and its app's backend do, for scripts.

``?after=INDEX&wait=SECONDS`` on receipts, replies and calls: what is newer, awaited if there is nothing
yet. What a text or a call came to is told as SMPP and SIP told it.
"""

import re
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from interparty.client import PeerProblem, PeerUnavailable
from interparty.messages import ITEMS_MAX
from simulators.call_control import act_on_call, set_behaviour
from simulators.enterprise.aids import AidBook
from simulators.enterprise.backend import Backend, ConsentRefused, Given
from simulators.enterprise.esme import Esme, NotSubmitted, status_name
from simulators.enterprise.phone import DeskPhone
from simulators.enterprise.settings import EnterpriseSettings
from simulators.http_api import BadInput, body_of, items_field, number_field, poll_query, route, text_field
from simulators.lines import NoSuchCall

DEPOSITS_MAX = 500
NONCES_MAX = 1000
TEXT_MAX = 1530
_DIALLED = re.compile(r"[0-9]{1,20}")


class EnterpriseApi:
    """The routes over one enterprise's systems."""

    def __init__(
        self, settings: EnterpriseSettings, backend: Backend, book: AidBook, esme: Esme, phone: DeskPhone
    ) -> None:
        self._settings = settings
        self._backend = backend
        self._book = book
        self._esme = esme
        self._phone = phone

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            route("/health", "GET", self.health),
            route("/nonces", "POST", self.nonces),
            route("/deposit", "POST", self.deposit),
            route("/aids", "GET", self.aids),
            route("/aids/status", "POST", self.statuses),
            route("/cancel", "POST", self.cancel),
            route("/bind", "POST", self.bind),
            route("/unbind", "POST", self.unbind),
            route("/sms", "POST", self.sms),
            route("/receipts", "GET", self.receipts),
            route("/replies", "GET", self.replies),
            route("/register", "POST", self.register),
            route("/unregister", "POST", self.unregister),
            route("/call", "POST", self.call),
            route("/calls", "GET", self.calls),
            route("/answer", "POST", self.answer),
            route("/reject", "POST", self.reject),
            route("/hangup", "POST", self.hangup),
            route("/digits", "POST", self.digits),
            route("/behaviour", "PUT", self.behaviour),
        ]

    async def health(self, _request: Request) -> Any:
        registration = self._phone.registration
        bound = self._esme.is_bound
        return {
            "id": self._settings.id,
            "ready": bound and registration == "registered",
            "bound": bound,
            "registration": registration,
        }

    # Consent.

    async def nonces(self, request: Request) -> Any:
        """{"count": n} → {"nonces": [32 hex digits…]}: one for each consent page that is opened."""
        count = number_field(await body_of(request), "count", 1)
        if not isinstance(count, int) or not 1 <= count <= NONCES_MAX:
            raise BadInput(f"count: 1 to {NONCES_MAX}")
        return {"nonces": self._backend.nonces(count)}

    async def deposit(self, request: Request) -> Any:
        """{"items": [{"nonce", "edis"}…]} from the app → {"results": [{"aid", "status", "evidence_id",
        "error", "edi_ids"}…]}"""
        items = items_field(await body_of(request), "items", DEPOSITS_MAX)
        try:
            given = [Given(str(item["nonce"]), [str(edi) for edi in item["edis"]]) for item in items]
        except (KeyError, TypeError):
            raise BadInput("items: nonce and edis expected") from None
        try:
            results = await self._backend.deposit(given)
        except (ConsentRefused, ValueError) as error:
            raise BadInput(str(error)) from None
        except (PeerUnavailable, PeerProblem) as error:
            raise BadInput(f"trust party: {error}", 502) from None
        return {
            "results": [
                {
                    "aid": result.aid,
                    "status": result.status,
                    "evidence_id": result.evidence_id,
                    "error": result.error,
                    "edi_ids": edi_ids,
                }
                for edi_ids, result in results
            ]
        }

    async def aids(self, _request: Request) -> Any:
        return {"aids": self._book.all()}

    async def statuses(self, request: Request) -> Any:
        """{"aids": […]} → {"statuses": [{"aid", "status", "not_before", "not_after", "evidence_id"}…]}"""
        aids = items_field(await body_of(request), "aids", ITEMS_MAX)
        try:
            found = await self._backend.statuses(aids)
        except ValueError:
            raise BadInput("aids: 18 digits each") from None
        except (PeerUnavailable, PeerProblem) as error:
            raise BadInput(f"trust party: {error}", 502) from None
        return {"statuses": [status.fields() for status in found]}

    async def cancel(self, request: Request) -> Any:
        """{"aid"} → {"status": "REVOKED" | "UNKNOWN"}"""
        try:
            result = await self._backend.cancel(text_field(await body_of(request), "aid"))
        except ValueError:
            raise BadInput("aid: 18 digits") from None
        except (PeerUnavailable, PeerProblem) as error:
            raise BadInput(f"trust party: {error}", 502) from None
        return {"status": result.status}

    # SMS.

    async def bind(self, _request: Request) -> Any:
        try:
            await self._esme.bind()
        except TimeoutError:
            raise BadInput("the carrier did not accept the bind in time", 502) from None
        return {"bound": True}

    async def unbind(self, _request: Request) -> Any:
        await self._esme.unbind()
        return {"bound": False}

    async def sms(self, request: Request) -> Any:
        """{"aid", "text", "from", "receipt"} → {"status", "status_name", "message_ids", "elapsed_ms"}"""
        body = await body_of(request)
        source = text_field(body, "from", self._settings.access_numbers[0])
        aid, text = text_field(body, "aid"), text_field(body, "text")
        if not _DIALLED.fullmatch(aid) or not _DIALLED.fullmatch(source):
            raise BadInput("aid and from: 1 to 20 digits")
        if not 0 < len(text) <= TEXT_MAX:
            raise BadInput(f"text: 1 to {TEXT_MAX} characters")
        try:
            sent = await self._esme.send(source, aid, text, receipt=body.get("receipt", True) is True)
        except NotSubmitted as error:
            raise BadInput(str(error), 502) from None
        return {
            "status": sent.status,
            "status_name": status_name(sent.status),
            "message_ids": sent.message_ids,
            "elapsed_ms": round(sent.elapsed_ms, 3),
        }

    async def receipts(self, request: Request) -> Any:
        journal = self._esme.receipts
        found = await journal.wait(*poll_query(request))
        return {"receipts": [asdict(receipt) for receipt in found], "last": journal.last}

    async def replies(self, request: Request) -> Any:
        journal = self._esme.replies
        found = await journal.wait(*poll_query(request))
        return {"replies": [asdict(reply) for reply in found], "last": journal.last}

    # Voice.

    async def register(self, _request: Request) -> Any:
        self._phone.register()
        return {"registration": self._phone.registration}

    async def unregister(self, _request: Request) -> Any:
        self._phone.unregister()
        return {"registration": self._phone.registration}

    async def call(self, request: Request) -> Any:
        """{"aid", "from"} → the call's record; /calls tells how it goes on."""
        body = await body_of(request)
        aid, shown = text_field(body, "aid"), text_field(body, "from", "")
        if not _DIALLED.fullmatch(aid):
            raise BadInput("aid: 1 to 20 digits")
        try:
            return asdict(await self._phone.call(aid, shown or None))
        except NoSuchCall as error:
            raise BadInput(str(error), 409) from None

    async def calls(self, request: Request) -> Any:
        line = self._phone.line
        found = await line.calls.wait(*poll_query(request))
        self._phone.telephone.refresh(line)
        return {"calls": [asdict(record) for record in found], "last": line.calls.last}

    async def answer(self, request: Request) -> Any:
        return await self._on_call(request, "answer")

    async def reject(self, request: Request) -> Any:
        return await self._on_call(request, "reject")

    async def hangup(self, request: Request) -> Any:
        return await self._on_call(request, "hangup")

    async def digits(self, request: Request) -> Any:
        return await self._on_call(request, "digits")

    async def behaviour(self, request: Request) -> Any:
        """The keys of a script: simulators.scripts."""
        return asdict(set_behaviour(self._phone.line.behaviour, await body_of(request)))

    async def _on_call(self, request: Request, action: str) -> Any:
        return act_on_call(self._phone.telephone, self._phone.line, action, await body_of(request))
