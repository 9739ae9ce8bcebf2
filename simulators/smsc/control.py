"""The SMSC's control API: change how it behaves while it runs, and see what it took.

For tests of an ESME: numbers and texts are told in full, so it belongs on the loopback.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from pydantic import ValidationError
from starlette.requests import Request
from starlette.routing import Route

from simulators.http_api import BadInput, body_of, number_field, route, text_field
from simulators.smsc.dialect import write_id
from simulators.smsc.faults import Disconnect, FaultyConnection
from simulators.smsc.messages import Message
from simulators.smsc.settings import Behaviour
from smpp.constants import MessageState, Npi, Ton
from smpp.pdu import AlertNotification
from smpp.segmentation import UdhError, part_info, user_data
from smpp.text import decode_text

if TYPE_CHECKING:
    from simulators.smsc.app import Smsc

LIST_MAX = 10_000
"""Messages in one answer."""
MO_TEXT_MAX = 1000
_NUMBER = re.compile(r"[0-9]{1,20}")
_HOW = get_args(Disconnect)


class Control:
    """The routes over one SMSC."""

    def __init__(self, smsc: Smsc) -> None:
        self._smsc = smsc
        self._center = smsc.center

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            route("/health", "GET", self.health),
            route("/counters", "GET", self.counters),
            route("/accepted", "GET", self.accepted),
            route("/messages/{serial:int}", "GET", self.message),
            route("/binds", "GET", self.binds),
            route("/behaviour", "GET", self.behaviour),
            route("/behaviour", "PUT", self.behave),
            route("/hang", "POST", self.hang),
            route("/resume", "POST", self.resume),
            route("/disconnect", "POST", self.disconnect),
            route("/mo", "POST", self.mo),
            route("/alert", "POST", self.alert),
            route("/outbind", "POST", self.outbind),
        ]

    async def health(self, _request: Request) -> dict[str, Any]:
        """It runs."""
        return {"status": "ok", "store": self._smsc.settings.store, "port": self._smsc.port}

    async def counters(self, _request: Request) -> dict[str, Any]:
        """Counts since the start, and what is open now."""
        center = self._center
        waiting = {name: len(peer.queue) for name, peer in center.peers.items() if len(peer.queue)}
        return {
            **center.counters.told(),
            "open": len(center.open),
            "waiting_for_store": center.ledger.waiting,
            "waiting_for_peers": waiting,
            "timers": len(center.timers),
        }

    async def accepted(self, request: Request) -> dict[str, Any]:
        """``?after=SERIAL&limit=N``: messages in the order of their acceptance."""
        after, limit = request.query_params.get("after", "0"), request.query_params.get("limit", "1000")
        if not re.fullmatch("[0-9]{1,18}", after) or not re.fullmatch("[0-9]{1,5}", limit):
            raise BadInput("after and limit are numbers")
        count = min(max(int(limit), 1), LIST_MAX)
        await self._center.ledger.flush()
        messages = self._center.recent(await self._center.ledger.accepted(int(after), count))
        return {
            "messages": [self._told(message) for message in messages],
            "last": messages[-1].id if messages else int(after),
        }

    async def message(self, request: Request) -> dict[str, Any]:
        """One message by its serial."""
        serial: int = request.path_params["serial"]
        await self._center.ledger.flush()
        found = self._center.open.get(serial) or await self._center.ledger.find(serial)
        if found is None:
            raise BadInput("no such message", 404)
        return self._told(found)

    async def binds(self, _request: Request) -> dict[str, Any]:
        """Every connection."""
        return {"binds": [_bind(connection) for connection in self._smsc.connections]}

    async def behaviour(self, _request: Request) -> dict[str, Any]:
        """What may be changed, as it is."""
        return self._center.behaviour.model_dump(mode="json")

    async def behave(self, request: Request) -> dict[str, Any]:
        """Replaces the keys given, each as a whole; the others stay."""
        given = await body_of(request)
        try:
            behaviour = Behaviour.model_validate(self._center.behaviour.model_dump() | given)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            raise BadInput(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        if behaviour.faults != self._center.behaviour.faults:
            for connection in self._smsc.connections:
                if connection.context is not None and connection.context.kind == "esme":
                    connection.plan(behaviour.faults, behaviour.seed)
        self._center.refresh()
        self._center.behave(behaviour)
        self._smsc.tell_congestion()
        return behaviour.model_dump(mode="json")

    async def hang(self, request: Request) -> dict[str, Any]:
        """{account?, bind?, seconds?}: those binds, or all of ESMEs, hang; without seconds for good."""
        body = await body_of(request)
        seconds = number_field(body, "seconds", 0)
        if not 0 <= seconds <= 86_400:
            raise BadInput("seconds: 0 to 86400")
        chosen = self._chosen(body)
        for connection in chosen:
            self._smsc.hang(connection, seconds)
        return {"binds": [connection.number for connection in chosen]}

    async def resume(self, request: Request) -> dict[str, Any]:
        """{account?, bind?}: they go on."""
        chosen = self._chosen(await body_of(request))
        for connection in chosen:
            self._smsc.resume(connection)
        return {"binds": [connection.number for connection in chosen]}

    async def disconnect(self, request: Request) -> dict[str, Any]:
        """{account?, bind?, how?}: they end by reset, close or unbind."""
        body = await body_of(request)
        how = text_field(body, "how", "reset")
        if how not in _HOW:
            raise BadInput(f"how: {', '.join(_HOW)}")
        chosen = self._chosen(body)
        for connection in chosen:
            self._smsc.disconnect(connection, cast(Literal["reset"], how))
        return {"binds": [connection.number for connection in chosen]}

    async def mo(self, request: Request) -> dict[str, Any]:
        """{from, to, text}: a phone sends a message."""
        body = await body_of(request)
        number, to, text = text_field(body, "from"), text_field(body, "to"), text_field(body, "text")
        if not _NUMBER.fullmatch(number) or not _NUMBER.fullmatch(to):
            raise BadInput("from and to: 1 to 20 digits")
        if not 0 < len(text) <= MO_TEXT_MAX:
            raise BadInput(f"text: 1 to {MO_TEXT_MAX} characters")
        self._center.refresh()
        parts = self._center.phones.texts(number.encode(), to.encode(), text)
        serials = self._center.phone_sends(parts, None)
        self._center.settle()
        if not serials:
            raise BadInput("to: no account has a route for it", 404)
        return {"serials": serials}

    async def alert(self, request: Request) -> dict[str, Any]:
        """{account, number, to}: alert_notification (3.4 4.12.1) on a bind of the account."""
        body = await body_of(request)
        number, to = text_field(body, "number"), text_field(body, "to")
        if not _NUMBER.fullmatch(number) or not _NUMBER.fullmatch(to):
            raise BadInput("number and to: 1 to 20 digits")
        for connection in self._chosen(body):
            if connection.can_send and connection.window_free:
                connection.request(
                    AlertNotification(Ton.INTERNATIONAL, Npi.ISDN, number.encode(), 0, Npi.ISDN, to.encode())
                )
                return {"bind": connection.number}
        raise BadInput("no bind can receive", 409)

    async def outbind(self, request: Request) -> dict[str, Any]:
        """{account}: call its ESME now."""
        account = text_field(await body_of(request), "account")
        for one in self._smsc.settings.outbinds:
            if one.account == account:
                try:
                    await self._smsc.outbind(one)
                except (OSError, TimeoutError) as error:
                    raise BadInput(f"no connection: {type(error).__name__}", 502) from None
                return {"account": account}
        raise BadInput("account: has no outbind", 404)

    def _chosen(self, body: dict[str, Any]) -> list[FaultyConnection]:
        account, number = body.get("account"), body.get("bind")
        return [
            connection
            for connection in self._smsc.connections
            if connection.context is not None
            and (number is None or connection.number == number)
            and (
                connection.context.system_id == account
                if account is not None
                else number is not None or connection.context.kind == "esme"
            )
        ]

    def _told(self, message: Message) -> dict[str, Any]:
        body = message.body
        peer = self._center.peers.get(message.account)
        told: dict[str, Any] = {
            "serial": message.id,
            "account": message.account,
            "direction": "mo" if message.mobile_originated else "mt",
            "source": body.source_addr.decode("latin-1"),
            "destination": body.destination_addr.decode("latin-1"),
            "esm_class": body.esm_class,
            "data_coding": body.data_coding,
            "registered_delivery": body.registered_delivery,
            "octets": body.short_message.hex(),
            "tlvs": {f"0x{tag:04X}": value.hex() for tag, value in body.tlvs},
            "accepted_at": _moment(message.accepted_at),
            "due_at": _moment(message.due_at),
            "expires_at": _moment(message.expires_at),
            "state": MessageState(message.state).name,
            "error": message.error,
            "final_at": _moment(message.final_at),
            "receipt": ("none", "owed", "answered")[message.receipt],
        }
        if peer is not None:
            told["response_id"] = write_id(message.public_id, peer.dialect.response_id).decode()
            told["receipt_id"] = write_id(message.public_id, peer.dialect.receipt_id).decode()
        try:
            elements, payload = user_data(body)
            part = part_info(body)
            told["text"] = decode_text(body.data_coding, payload, elements)
            if part is not None:
                told["part"] = {"reference": part.reference, "total": part.total, "number": part.sequence}
        except UdhError:
            told["text"] = None
        return told


def _bind(connection: FaultyConnection) -> dict[str, Any]:
    return {
        "bind": connection.number,
        "account": connection.context.system_id if connection.context is not None else None,
        "state": connection.state.value,
        "version": connection.version,
        "requests": connection.requests,
        "unanswered": connection.unanswered,
        "unacknowledged": connection.unacknowledged,
        "hung": connection.is_hung,
    }


def _moment(at_ms: int) -> str | None:
    if not at_ms:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
