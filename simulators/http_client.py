"""A small client of the simulators' JSON APIs."""

import json
from typing import Any

import aiohttp

TIMEOUT_SECONDS = 15.0
"""Deadline of a request, beyond what it asks the server to wait."""


class ApiError(Exception):
    """The API refused or did not answer. `status` is 0 when there was no answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class JsonClient:
    """JSON requests to one address."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, wait: float = 0) -> dict[str, Any]:
        """GET; `wait` is what the path asks the server to wait, in seconds. Raises ApiError."""
        return await self._request("GET", path, None, wait)

    async def post(self, path: str, body: dict[str, Any], wait: float = 0) -> dict[str, Any]:
        """POST; `wait` is how much longer than usual the answer may take. Raises ApiError."""
        return await self._request("POST", path, body, wait)

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """PUT. Raises ApiError."""
        return await self._request("PUT", path, body, 0)

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None, wait: float
    ) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS + wait)
        try:
            async with self._session.request(
                method, self._url + path, json=body, timeout=timeout
            ) as response:
                raw = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, f"no answer from {self._url}: {type(error).__name__}") from error
        try:
            answer = json.loads(raw)
        except ValueError:
            raise ApiError(status, f"{self._url} did not answer in JSON") from None
        if not isinstance(answer, dict):
            raise ApiError(status, f"{self._url} did not answer with an object")
        if status >= 400:
            raise ApiError(status, str(answer.get("error", f"status {status}")))
        return answer
