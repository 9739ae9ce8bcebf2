"""What operators and their tools ask the gateway: is it well, and what has it counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.records import metrics
from gateway.settings import HttpSettings

CONNECTIONS_MAX = 64
START_S = 5.0


class Operations:
    """`/health` and `/metrics` over plain HTTP, for the operator's own network."""

    def __init__(self, settings: HttpSettings, health: Callable[[], dict[str, str]]) -> None:
        self._health = health
        app = Starlette(
            routes=[Route("/health", self._answer_health), Route("/metrics", self._answer_metrics)]
        )
        self._settings = settings
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                log_config=None,
                access_log=False,
                lifespan="off",
                limit_concurrency=CONNECTIONS_MAX,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it listens. Raises OSError."""
        self._task = asyncio.create_task(self._server._serve(), name="operations")
        async with asyncio.timeout(START_S):
            while not self._server.started:
                if self._task.done():
                    self._task.result()
                    raise OSError(f"cannot listen on {self._settings.host}:{self._settings.port}")
                await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._task is not None:
            self._server.should_exit = True
            await asyncio.gather(self._task, return_exceptions=True)

    async def _answer_health(self, _: Request) -> Response:
        parts = self._health()
        well = all(state == "ok" for state in parts.values())
        return JSONResponse(
            {"status": "ok" if well else "degraded", "parts": parts}, status_code=200 if well else 503
        )

    async def _answer_metrics(self, _: Request) -> Response:
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)
