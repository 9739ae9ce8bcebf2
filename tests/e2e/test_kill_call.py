"""The gateway is killed while a call is up: started again, it hangs up on both sides and closes the record."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any, TypeVar

import pytest

from ascs.demo.layout import AID_DOMAIN, HOST
from sip.aio.endpoint import Listener, SipEndpoint
from sip.digest import Credentials
from sip.events import CallAnswered, CallEnded, Event
from sip.flow import Flow
from sip.headers import NameAddr
from sip.sdp import make_offer
from sip.uri import SipUri
from tests.e2e.house import ENT_A, WAIT_S, House

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


KindT = TypeVar("KindT", bound=Event)


class Phone:
    """The enterprise's end, which outlives the gateway."""

    def __init__(self) -> None:
        self.endpoint: SipEndpoint
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    @classmethod
    async def open(cls) -> Phone:
        phone = cls()
        phone.endpoint = await SipEndpoint.open([Listener("UDP", HOST, 0)], phone._events.put_nowait)
        return phone

    def call(self, gateway: Flow, aid: str) -> None:
        to = NameAddr(SipUri(aid, AID_DOMAIN))
        self.endpoint.agent.invite(
            to.uri,
            to=to,
            from_=NameAddr(SipUri(ENT_A.access_number, AID_DOMAIN)),
            flow=gateway,
            now=self.endpoint.now(),
            body=make_offer(HOST, 40_000, session_id=7).to_bytes(),
            credentials=Credentials(ENT_A.sip_user, ENT_A.sip_password),
        )

    async def next(self, kind: type[KindT]) -> KindT:
        async with asyncio.timeout(WAIT_S):
            while True:
                event = await self._events.get()
                if isinstance(event, kind):
                    return event


def _rows(house: House, sql: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{house.layout.carrier / 'carrier.db'}?mode=ro", uri=True)) as conn:
        conn.row_factory = sqlite3.Row
        return [dict(row) for row in conn.execute(sql)]


async def test_a_call_that_was_up_at_a_kill_is_released_on_both_legs_and_billed(house: House) -> None:
    person = house.people[5]
    aid = await house.active_aid(ENT_A, person)
    phone = await Phone.open()
    try:
        phone.call(Flow("UDP", HOST, house.ports.sip_enterprise), aid)
        await phone.next(CallAnswered)
        [up] = _rows(house, "SELECT id, answered_at, sealed FROM call")
        assert up["answered_at"] is not None
        # Whom the call is with stands in its row only under seal.
        assert person.msisdn.encode() not in up["sealed"]

        await house.kill_gateway()
        shown = await house.call(person, lambda each: each["state"] == "answered", "a call that is still up")
        await house.start_gateway()

        ended = await phone.next(CallEnded)
        assert ended.request is not None
        assert ended.request.method == "BYE"
        await house.call(
            person,
            lambda each: each["id"] == shown["id"] and each["state"] == "ended",
            "that the call has ended",
        )
    finally:
        phone.endpoint.close()
    [cdr] = _rows(house, f"SELECT * FROM cdr WHERE id = {up['id']}")
    assert cdr["kind"] == "call"
    assert cdr["result"] == "INTERRUPTED"
    assert cdr["answered_at"] == up["answered_at"]
    assert cdr["ended_at"] >= cdr["answered_at"]
    assert _rows(house, "SELECT id FROM call") == []
