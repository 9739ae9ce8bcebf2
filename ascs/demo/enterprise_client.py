"""The script's hands at an enterprise: its systems' control API, whose every word came by SMPP, SIP or HTTPS."""

from __future__ import annotations

import asyncio
from typing import Any

from simulators.http_client import JsonClient


class EnterpriseClient:
    """One enterprise's systems. Methods raise simulators.http_client.ApiError."""

    def __init__(self, url: str) -> None:
        self._http = JsonClient(url)

    async def close(self) -> None:
        await self._http.close()

    async def health(self) -> dict[str, Any]:
        return await self._http.get("/health")

    async def nonces(self, count: int) -> list[str]:
        """Nonces of consent pages that are open now."""
        found: list[str] = (await self._http.post("/nonces", {"count": count}))["nonces"]
        return found

    async def deposit(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the apps on the phones hand over: {"nonce", "edis"} each."""
        found: list[dict[str, Any]] = (await self._http.post("/deposit", {"items": items}, wait=30))[
            "results"
        ]
        return found

    async def statuses(self, aids: list[str]) -> list[str]:
        """The trust party's word on own AIDs, in order."""
        answer = await self._http.post("/aids/status", {"aids": aids})
        return [each["status"] for each in answer["statuses"]]

    async def until_active(self, aids: list[str], seconds: float) -> bool:
        """Wait until all are ACTIVE, as an enterprise would: by asking."""
        pause = 0.02
        try:
            async with asyncio.timeout(seconds):
                while any(status != "ACTIVE" for status in await self.statuses(aids)):
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 0.5)
        except TimeoutError:
            return False
        return True

    async def sms(self, aid: str, text: str) -> dict[str, Any]:
        return await self._http.post("/sms", {"aid": aid, "text": text, "receipt": True})

    async def receipts(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._http.get(f"/receipts?after={after}&wait={wait}", wait))[
            "receipts"
        ]
        return found

    async def replies(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._http.get(f"/replies?after={after}&wait={wait}", wait))[
            "replies"
        ]
        return found

    async def call(self, aid: str) -> dict[str, Any]:
        return await self._http.post("/call", {"aid": aid})

    async def calls(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._http.get(f"/calls?after={after}&wait={wait}", wait))[
            "calls"
        ]
        return found

    async def digits(self, digits: str) -> None:
        await self._http.post("/digits", {"digits": digits})

    async def hangup(self) -> None:
        await self._http.post("/hangup", {})
