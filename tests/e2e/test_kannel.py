"""Kannel, a gateway that nobody here wrote, configured as docs/connect.md says: message, receipts, reply."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from ascs.demo.layout import HOST
from tests.e2e import page
from tests.e2e.house import ENT_A, ENT_B, House, until
from tests.e2e.peer_process import running
from tests.ports import free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.peer("bearerbox"),
    pytest.mark.peer("smsbox"),
    pytest.mark.asyncio(loop_scope="session"),
]

ALL_RECEIPTS = 31
TAKEN, REFUSED, DELIVERED = "8", "16", "1"
"""Kannel's types of receipts (user guide, 6.9.3)."""


class Kannel:
    """Both boxes, and the enterprise's web server that they call."""

    def __init__(self, sendsms: int, web_server: int) -> None:
        self._sendsms = URL(f"http://{HOST}:{sendsms}/cgi-bin/sendsms")
        self._web_server = web_server
        self.receipts: list[dict[str, str]] = []
        self.replies: list[dict[str, str]] = []

    async def take_receipt(self, request: web.Request) -> web.Response:
        self.receipts.append(dict(request.query))
        return web.Response()

    async def take_reply(self, request: web.Request) -> web.Response:
        # The text is in the charset that Kannel names beside it.
        fields = dict(field.split("=", 1) for field in request.rel_url.raw_query_string.split("&"))
        octets = unquote_to_bytes(fields["text"].replace("+", " "))
        self.replies.append(dict(request.query) | {"text": octets.decode(fields["charset"])})
        return web.Response()

    async def send(self, aid: str, text: str) -> None:
        """sendsms, with all receipts asked for."""
        receipt = f"http://{HOST}:{self._web_server}/receipt?type=%d&aid=%p&access_number=%P&text=%A"
        query = {
            "username": "courier",
            "password": "change-me",
            "from": ENT_B.access_number,
            "to": aid,
            "coding": "2",
            "charset": "UTF-8",
            "text": text,
            "dlr-mask": str(ALL_RECEIPTS),
            "dlr-url": receipt,
        }
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.get(self._sendsms, params=query) as response,
        ):
            assert response.status == 202, await response.text()

    async def receipt(self, aid: str, kind: str) -> dict[str, str]:
        async def ask() -> dict[str, str] | None:
            return next((each for each in self.receipts if (each["aid"], each["type"]) == (aid, kind)), None)

        found: dict[str, str] = await until(ask, f"a receipt of type {kind}")
        return found

    async def reply(self) -> dict[str, str]:
        async def ask() -> dict[str, str] | None:
            return next(iter(self.replies), None)

        found: dict[str, str] = await until(ask, "the reply")
        return found


@contextlib.asynccontextmanager
async def bound(house: House, folder: Path) -> AsyncIterator[Kannel]:
    """bearerbox and smsbox with the page's file, as soon as they are bound to the gateway and to each other."""
    [text] = page.blocks("### Kannel")
    admin, boxes, sendsms, web_server = (free_port(socket.SOCK_STREAM) for _ in range(4))
    values = page.of_smpp(house, ENT_B) | {
        "admin-port = 13000": f"admin-port = {admin}",
        "smsbox-port = 13001": f"smsbox-port = {boxes}",
        "sendsms-port = 13013": f"sendsms-port = {sendsms}",
        f"{HOST}:8000": f"{HOST}:{web_server}",
    }
    (folder / "kannel.conf").write_text(page.filled(text, values))
    kannel = Kannel(sendsms, web_server)
    app = web.Application()
    app.add_routes([web.get("/receipt", kannel.take_receipt), web.get("/reply", kannel.take_reply)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, web_server).start()
        async with running(folder, "bearerbox", "kannel.conf") as bearerbox:
            await bearerbox.until_said("MAIN: Start-up done", "it is up")
            async with running(folder, "smsbox", "kannel.conf") as smsbox:
                await smsbox.until_said("Connected to bearerbox", "it is connected")
                yield kannel
    finally:
        await runner.cleanup()


async def test_a_message_receipts_and_a_reply(house: House, tmp_path: Path) -> None:
    person = house.people[5]
    aid = await house.active_aid(ENT_B, person)
    async with bound(house, tmp_path) as kannel:
        await kannel.send(aid, "您的账户有一笔入账，详询 5-1-7702。")
        shown = await house.message(person, lambda each: "5-1-7702" in each["text"], "the text")
        assert shown["text"] == "您的账户有一笔入账，详询 5-1-7702。"
        assert shown["sender"].endswith(ENT_B.access_number)
        await kannel.receipt(aid, TAKEN)
        delivered = await kannel.receipt(aid, DELIVERED)
        assert "stat:DELIVRD" in delivered["text"]
        assert delivered["access_number"] == ENT_B.access_number

        await house.handsets.reply(person.msisdn, "好的，明天来取", ENT_B.access_number)
        reply = await kannel.reply()
    assert reply["text"] == "好的，明天来取"
    assert (reply["aid"], reply["access_number"]) == (aid, ENT_B.access_number)
    assert person.msisdn[2:] not in str(kannel.receipts + kannel.replies)


async def test_an_aid_of_another_enterprise_is_refused(house: House, tmp_path: Path) -> None:
    aid = await house.active_aid(ENT_A, house.people[5])
    async with bound(house, tmp_path) as kannel:
        await kannel.send(aid, "您好")
        refused = await kannel.receipt(aid, REFUSED)
    assert [each["type"] for each in kannel.receipts] == [REFUSED]
    assert "NACK" in refused["text"]
