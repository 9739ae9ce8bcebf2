"""The fleet's HTTP JSON API: what a person does with a phone, for scripts and the command line.

Messages and calls take ``?after=INDEX&wait=SECONDS``: what is newer than INDEX, awaited if there is
nothing yet. A call's index grows with each change of the call.
"""

import re
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from interparty.carrier_messages import Assertion, AssertionRequest
from interparty.client import Peer, PeerProblem, PeerUnavailable
from interparty.edi import IdType
from interparty.messages import ITEMS_MAX, Accepted
from simulators.call_control import act_on_call, set_behaviour
from simulators.handsets.calling import HandsetCalls
from simulators.handsets.fleet import Fleet, Handset
from simulators.handsets.radio import NotSent, Radio
from simulators.handsets.sealing import PhoneApp, SealRefused, SealRequest
from simulators.http_api import BadInput, body_of, items_field, poll_query, route, text_field
from simulators.lines import NoSuchCall
from simulators.usage import usage

LIST_MAX = 1_000_000
SEAL_BATCH_MAX = 1000
_ADDRESS = re.compile(r"\+?[0-9]{3,20}")


class HandsetApi:
    """The routes over one fleet."""

    def __init__(
        self,
        fleet: Fleet,
        radio: Radio | None,
        calls: HandsetCalls,
        app: PhoneApp | None,
        network: Peer | None,
    ) -> None:
        self._fleet = fleet
        self._radio = radio
        self._calls = calls
        self._app = app
        self._network = network

    def routes(self) -> list[Route]:
        """All of them."""
        one = "/handsets/{msisdn}"
        return [
            route("/health", "GET", self.health),
            route("/statistics", "GET", self.statistics),
            route("/handsets", "GET", self.handsets),
            route(one, "GET", self.handset),
            route(f"{one}/messages", "GET", self.messages),
            route(f"{one}/calls", "GET", self.calls),
            route(f"{one}/reply", "POST", self.reply),
            route(f"{one}/call", "POST", self.call),
            route(f"{one}/answer", "POST", self.answer),
            route(f"{one}/reject", "POST", self.reject),
            route(f"{one}/hangup", "POST", self.hangup),
            route(f"{one}/digits", "POST", self.digits),
            route(f"{one}/behaviour", "PUT", self.behaviour),
            route(f"{one}/seal", "POST", self.seal),
            route("/seal-batch", "POST", self.seal_batch),
            route("/assert-batch", "POST", self.assert_batch),
        ]

    async def health(self, _request: Request) -> Any:
        bound = self._radio is not None and self._radio.is_bound
        return {"ready": bound or self._radio is None, "handsets": len(self._fleet), "bound": bound}

    async def statistics(self, _request: Request) -> Any:
        """Calls so far and now, registrations, CPU seconds and memory of this process."""
        registering = self._calls.registering
        return {
            "handsets": len(self._fleet),
            "calls": asdict(self._calls.telephone.counts),
            "registrations": {} if registering is None else registering.states,
            **usage()._asdict(),
        }

    async def handsets(self, request: Request) -> Any:
        """?limit=N&offset=N"""
        query = request.query_params
        try:
            offset, limit = int(query.get("offset", "0")), int(query.get("limit", str(LIST_MAX)))
        except ValueError:
            raise BadInput("offset and limit are numbers") from None
        shown = list(self._fleet)[max(offset, 0) : max(offset, 0) + max(limit, 0)]
        return {"count": len(self._fleet), "handsets": [_describe(handset) for handset in shown]}

    async def handset(self, request: Request) -> Any:
        return _describe(self._handset(request))

    async def messages(self, request: Request) -> Any:
        journal = self._handset(request).inbox.journal
        found = await journal.wait(*poll_query(request))
        return {"messages": [asdict(message) for message in found], "last": journal.last}

    async def calls(self, request: Request) -> Any:
        line = self._handset(request).line
        found = await line.calls.wait(*poll_query(request))
        self._calls.telephone.refresh(line)
        return {"calls": [asdict(record) for record in found], "last": line.calls.last}

    async def reply(self, request: Request) -> Any:
        handset, body = self._handset(request), await body_of(request)
        to = text_field(body, "to", "") or self._last_sender(handset)
        if not _ADDRESS.fullmatch(to):
            raise BadInput("to: a number is expected")
        if self._radio is None:
            raise BadInput("these handsets have no radio", 503)
        try:
            return {"to": to, "message_ids": await self._radio.send(handset, to, text_field(body, "text"))}
        except NotSent as error:
            raise BadInput(str(error), 502) from None

    async def call(self, request: Request) -> Any:
        handset, body = self._handset(request), await body_of(request)
        to = text_field(body, "to")
        if not _ADDRESS.fullmatch(to):
            raise BadInput("to: a number is expected")
        try:
            return asdict(await self._calls.dial(handset, to, text_field(body, "from", "")))
        except NoSuchCall as error:
            raise BadInput(str(error), 409) from None

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
        handset, body = self._handset(request), await body_of(request)
        set_behaviour(handset.line.behaviour, body)
        return _describe(handset)

    async def seal(self, request: Request) -> Any:
        handset, body = self._handset(request), await body_of(request)
        return {"edi": (await self._seal([_seal_request(handset, body)]))[0]}

    async def seal_batch(self, request: Request) -> Any:
        """{"items": [{"msisdn", "enterprise", "nonce", "id_type"}]} → {"edis": [...]}"""
        items = items_field(await body_of(request), "items", SEAL_BATCH_MAX)
        return {"edis": await self._seal([_seal_request(self._named(item), item) for item in items])}

    async def assert_batch(self, request: Request) -> Any:
        """{"items": [{"msisdn", "edi_id", "at"}]} → {"accepted": n}: the network tells the carrier whose
        session it was in which each EDI was made."""
        if self._network is None:
            raise BadInput("no network link is configured", 503)
        items = items_field(await body_of(request), "items", ITEMS_MAX)
        try:
            assertions = [
                Assertion(edi_id=item["edi_id"], msisdn=self._named(item).subscriber.msisdn, at=item["at"])
                for item in items
            ]
        except (KeyError, ValueError):
            raise BadInput("items: msisdn, edi_id (32 hex digits) and at (milliseconds) expected") from None
        try:
            answer = await self._network.request(
                "POST", "/v1/assertions", AssertionRequest(assertions=assertions), Accepted
            )
        except PeerUnavailable as error:
            raise BadInput(f"the carrier is not available: {error}", 503) from None
        except PeerProblem as error:
            raise BadInput(f"the carrier refused: {error}", 502) from None
        return {"accepted": answer.accepted}

    # Inside.

    def _handset(self, request: Request) -> Handset:
        return self._named({"msisdn": request.path_params["msisdn"]})

    def _named(self, item: Any) -> Handset:
        number = item.get("msisdn") if isinstance(item, dict) else None
        handset = self._fleet.find(number) if isinstance(number, str) else None
        if handset is None:
            raise BadInput("no handset has this number", 404)
        return handset

    @staticmethod
    def _last_sender(handset: Handset) -> str:
        received = handset.inbox.journal.since()
        if not received:
            raise BadInput("to: nobody has written to this handset yet", 409)
        return received[-1].sender

    async def _on_call(self, request: Request, action: str) -> Any:
        handset = self._handset(request)
        return act_on_call(self._calls.telephone, handset.line, action, await body_of(request))

    async def _seal(self, requests: list[SealRequest]) -> list[str]:
        if self._app is None:
            raise BadInput("no carrier key is configured for the app", 503)
        try:
            return await self._app.seal_all(requests)
        except SealRefused as error:
            raise BadInput(str(error)) from None


def _describe(handset: Handset) -> dict[str, Any]:
    holder = handset.subscriber
    messages, calls = handset.counts
    return {
        "msisdn": holder.msisdn,
        "imsi": holder.imsi,
        "imei": holder.imei,
        **asdict(handset.behaviour),
        "messages": messages,
        "calls": calls,
    }


def _seal_request(handset: Handset, item: Any) -> SealRequest:
    try:
        nonce = bytes.fromhex(text_field(item, "nonce"))
    except ValueError:
        raise BadInput("nonce: 32 hex digits expected") from None
    name = text_field(item, "id_type", "IMSI")
    if name not in IdType.__members__:
        raise BadInput("id_type: IMSI or IMEI")
    as_of = item.get("as_of")
    if as_of is not None and not isinstance(as_of, int):
        raise BadInput("as_of: YYYYMMDD as a number")
    return SealRequest(handset.subscriber, text_field(item, "enterprise"), nonce, IdType[name], as_of)
