"""A client of the fleet's HTTP API, for the command line and for scripts."""

from typing import Any, Self

from simulators.http_client import JsonClient


class HandsetClient:
    """One fleet. Methods return the API's JSON; errors are simulators.http_client.ApiError."""

    def __init__(self, url: str) -> None:
        """`url` is the API's address, such as http://127.0.0.1:8071"""
        self._http = JsonClient(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def health(self) -> dict[str, Any]:
        """{"ready", "handsets", "bound"}"""
        return await self._http.get("/health")

    async def handsets(self, limit: int | None = None, offset: int = 0) -> list[dict[str, Any]]:
        """Numbers, identifiers and behaviour."""
        query = f"?offset={offset}" + (f"&limit={limit}" if limit is not None else "")
        found: list[dict[str, Any]] = (await self._http.get(f"/handsets{query}"))["handsets"]
        return found

    async def inbox(self, msisdn: str, *, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        """Messages newer than index `after`, awaited for up to `wait` seconds."""
        path = f"/handsets/{msisdn}/messages?after={after}&wait={wait}"
        found: list[dict[str, Any]] = (await self._http.get(path, wait))["messages"]
        return found

    async def calls(self, msisdn: str, *, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        """Calls changed after index `after`, awaited for up to `wait` seconds."""
        path = f"/handsets/{msisdn}/calls?after={after}&wait={wait}"
        found: list[dict[str, Any]] = (await self._http.get(path, wait))["calls"]
        return found

    async def reply(self, msisdn: str, text: str, to: str | None = None) -> dict[str, Any]:
        """Send a message to `to`, or to whoever wrote last."""
        body = {"text": text} if to is None else {"text": text, "to": to}
        return await self._http.post(f"/handsets/{msisdn}/reply", body)

    async def call(self, msisdn: str, to: str) -> dict[str, Any]:
        """Call an access number."""
        return await self._http.post(f"/handsets/{msisdn}/call", {"to": to})

    async def answer(self, msisdn: str) -> dict[str, Any]:
        """Answer the call that rings."""
        return await self._http.post(f"/handsets/{msisdn}/answer", {})

    async def reject(self, msisdn: str) -> dict[str, Any]:
        """Refuse the call that rings."""
        return await self._http.post(f"/handsets/{msisdn}/reject", {})

    async def hangup(self, msisdn: str) -> dict[str, Any]:
        """End the call."""
        return await self._http.post(f"/handsets/{msisdn}/hangup", {})

    async def digits(self, msisdn: str, digits: str) -> dict[str, Any]:
        """Press keys in the call."""
        return await self._http.post(f"/handsets/{msisdn}/digits", {"digits": digits})

    async def behave(
        self,
        msisdn: str,
        *,
        answer_after: float | None = None,
        never: bool = False,
        busy: bool = False,
        script: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What it does from now on when it is called; `script`: by the keys of simulators.scripts.Script."""
        if script is not None:
            body = script
        elif busy:
            body = {"busy": True}
        elif never:
            body = {"never": True}
        else:
            body = {"answer_after": answer_after}
        return await self._http.put(f"/handsets/{msisdn}/behaviour", body)

    async def statistics(self) -> dict[str, Any]:
        """Calls so far and now, registrations, CPU seconds and memory of the fleet."""
        return await self._http.get("/statistics")

    async def seal(self, msisdn: str, enterprise: str, nonce: str, id_type: str = "IMSI") -> str:
        """The app on the phone seals the phone's identifier for one consent; an EDI as text."""
        body = {"enterprise": enterprise, "nonce": nonce, "id_type": id_type}
        edi: str = (await self._http.post(f"/handsets/{msisdn}/seal", body))["edi"]
        return edi

    async def seal_batch(self, items: list[dict[str, Any]]) -> list[str]:
        """As `seal`, for many: items {"msisdn", "enterprise", "nonce", "id_type"}."""
        edis: list[str] = (await self._http.post("/seal-batch", {"items": items}, 60))["edis"]
        return edis

    async def assert_batch(self, items: list[dict[str, Any]]) -> int:
        """The network asserts sessions to the carrier: items {"msisdn", "edi_id", "at"}; how many it took."""
        accepted: int = (await self._http.post("/assert-batch", {"items": items}, 60))["accepted"]
        return accepted
