"""SMSCs over loopback, and the gateway's links to them with a clock that tests move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.sms.links import SmscLinks
from gateway.sms.smsc_link import Answer
from gateway.sms_settings import SmscSettings
from smpp.aio.connection import Connection
from smpp.events import RequestReceived
from smpp.pdu import Body, CancelSm, CancelSmResp, Pdu, QuerySm, QuerySmResp, SubmitSm, SubmitSmResp
from tests.gateway.carrier import submit_frame, until
from tests.smpp.aio.centre import Centre


class Smsc(Centre):
    """Answers each submit_sm with `status`; cancels and tells what it is asked."""

    status = 0

    def answer(self, connection: Connection, event: RequestReceived) -> None:
        number = event.pdu.sequence_number
        if isinstance(event.pdu.body, SubmitSm) and self.status:
            connection.respond(number, SubmitSmResp(), self.status)
        elif isinstance(event.pdu.body, CancelSm):
            connection.respond(number, CancelSmResp())
        elif isinstance(event.pdu.body, QuerySm):
            connection.respond(number, QuerySmResp(event.pdu.body.message_id, message_state=2))
        else:
            super().answer(connection, event)

    def bodies(self, kind: type[Body] = SubmitSm) -> list[Any]:
        return [each.pdu.body for each in self.requests if isinstance(each.pdu.body, kind)]

    @property
    def here(self) -> list[Connection]:
        """The connections that are bound now."""
        return [each for each in self.bound if each.is_bound]


def settings(name: str, port: int, **fields: Any) -> SmscSettings:
    """Of an SMSC on loopback whose links come back soon."""
    values: dict[str, Any] = {
        "name": name,
        "port": port,
        "system_id": "gateway",
        "password": "secret08",
        "backoff_min_s": 0.01,
        "backoff_max_s": 0.05,
    }
    return SmscSettings.model_validate(values | fields)


class Carrier:
    """Links to some SMSCs, and what the gateway hears from them."""

    def __init__(self, *smscs: SmscSettings, **options: Any) -> None:
        self.now = 1_000.0
        self.requests: list[tuple[str, Connection, Pdu]] = []
        self.room = 0
        self.answers: list[tuple[str, Any, Answer]] = []
        self.sent = 0
        self.links = SmscLinks(
            smscs,
            self._asked,
            self._has_room,
            on_answer=lambda name, context, answer: self.answers.append((name, context, answer)),
            **({"clock": lambda: self.now} | options),
        )

    def _asked(self, name: str, connection: Connection, requests: Sequence[tuple[int, Body, bytes]]) -> None:
        self.requests += ((name, connection, Pdu(body, number)) for number, body, _ in requests)

    def _has_room(self) -> None:
        self.room += 1

    def send(self) -> bool:
        """A message whose context is its number, from 0."""
        taken = self.links.send([(submit_frame(), self.sent)])
        self.sent += taken
        return taken == 1

    def by_link(self) -> list[str]:
        """Which link each answer came from, in the order of the messages."""
        return [name for name, _, _ in sorted(self.answers, key=lambda answer: answer[1])]

    async def bound(self, count: int | None = None) -> None:
        """Wait for that many binds, or all that are configured."""
        whole = sum(len(peer.binds) for peer in self.links.peers)
        await until(
            lambda: sum(peer.bound for peer in self.links.peers) == (whole if count is None else count)
        )

    async def answered(self, count: int) -> None:
        await until(lambda: len(self.answers) == count)

    async def __aenter__(self) -> Carrier:
        await self.links.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.links.stop(drain_s=0.2)
