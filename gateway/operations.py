"""What operators and their tools ask the gateway: is it well, and what has it counted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

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
STOP_S = 2

OK = "ok"
NEEDED = ("store", "trust")
"""Parts without which no message and no call is accepted."""
ONE_OF = ("smsc", "media")
"""Without the first, messages wait and calls go; without the second, messages go."""


@dataclass(frozen=True, slots=True)
class Health:
    """What each part says of itself ("ok", or what is wrong), the state of each SMSC's link by its name, and of each
    peer of the core."""

    parts: Mapping[str, str]
    links: Mapping[str, str]
    core: Mapping[str, str] = field(default_factory=dict)

    @property
    def serves(self) -> bool:
        """Whether a contact that the trust party allows can be accepted now."""
        well = {name for name, state in self.parts.items() if state == OK or state == "degraded"}
        return well.issuperset(NEEDED) and not well.isdisjoint(ONE_OF)

    @property
    def status(self) -> str:
        """ "ok", "degraded" when a part is not, "failed" when nothing can be accepted."""
        if not self.serves:
            return "failed"
        return OK if all(state == OK for state in self.parts.values()) else "degraded"


class Operations:
    """`/health` and `/metrics` over plain HTTP, for the operator's own network."""

    def __init__(self, settings: HttpSettings, health: Callable[[], Health]) -> None:
        self._health = health
        app = Starlette(
            routes=[Route("/health", self._answer_health), Route("/metrics", self._answer_metrics)]
        )
        self._settings = settings
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                limit_concurrency=CONNECTIONS_MAX,
                timeout_graceful_shutdown=STOP_S,
            )
        )
        self._task: asyncio.Task[None] | None = None
        self.port = 0
        """Where it listens, after `start`."""

    async def start(self) -> None:
        """Returns when it listens. Raises OSError."""
        host, port = self._settings.host, self._settings.port
        # Bound here, since uvicorn ends the process when it cannot.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server._serve([listener]), name="operations")
        async with asyncio.timeout(START_S):
            while not self._server.started:
                if self._task.done():
                    self._task.result()
                    raise OSError(f"cannot listen on {host}:{port}")
                await asyncio.sleep(0)

    async def stop(self) -> None:
        if self._task is not None:
            self._server.should_exit = True
            await asyncio.gather(self._task, return_exceptions=True)

    async def _answer_health(self, _: Request) -> Response:
        health = self._health()
        return JSONResponse(
            {
                "status": health.status,
                "parts": dict(health.parts),
                "links": dict(health.links),
                "core": dict(health.core),
            },
            status_code=HTTPStatus.OK if health.serves else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    async def _answer_metrics(self, _: Request) -> Response:
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)
