"""A small loopback JSON API, as each simulator offers to scripts."""

import asyncio
import contextlib
import functools
import json
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BODY_MAX = 4 << 20
"""Bytes of a request's body."""
CONNECTIONS_MAX = 256
"""Connections at once."""

Handler = Callable[[Request], Awaitable[Any]]


class BadInput(Exception):
    """The request asks for what cannot be done; the message says what is wrong with it."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body; empty when there is no body. Raises BadInput."""
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > BODY_MAX:
                raise BadInput("body is too long", 413)
    except ClientDisconnect:
        raise BadInput("body was cut short") from None
    try:
        value = json.loads(bytes(raw) or b"{}")
    except ValueError:
        raise BadInput("body is not JSON") from None
    if not isinstance(value, dict):
        raise BadInput("body is not a JSON object")
    return value


def text_field(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A field that must be a string. Raises BadInput."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise BadInput(f"{name}: a string is expected")
    return value


def number_field(body: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A field that must be a number. Raises BadInput."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{name}: a number is expected")
    return value


def items_field(body: Mapping[str, Any], name: str, items_max: int) -> list[Any]:
    """A field that must be a list of 1 to `items_max` items. Raises BadInput."""
    value = body.get(name)
    if not isinstance(value, list) or not 0 < len(value) <= items_max:
        raise BadInput(f"{name}: a list of 1 to {items_max} is expected")
    return value


def poll_query(request: Request) -> tuple[int, float]:
    """(after, wait) of a journal request: ``?after=index&wait=seconds``. Raises BadInput."""
    after, wait = request.query_params.get("after", "0"), request.query_params.get("wait", "0")
    if not re.fullmatch(r"[0-9]{1,18}", after) or not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", wait):
        raise BadInput("after and wait are numbers")
    return int(after), float(wait)


def route(path: str, method: str, handler: Handler) -> Route:
    """A route whose handler returns the JSON value of its answer."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await handler(request))
        except BadInput as error:
            return JSONResponse({"error": str(error)}, error.status)

    return Route(path, endpoint, methods=[method])


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def application(routes: list[Route]) -> Starlette:
    """The ASGI application of these routes; errors are JSON too."""
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})


class _TappedProtocol(HttpToolsProtocol):
    """Hands every byte received to a tap."""

    def __init__(self, *args: Any, tap: Callable[[bytes], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tap = tap

    def data_received(self, data: bytes) -> None:
        self._tap(data)
        super().data_received(data)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are the process's business


class HttpApi:
    """An API that listens."""

    def __init__(self, server: _Server, task: asyncio.Task[None], port: int) -> None:
        self._server = server
        self._task = task
        self.port = port

    async def stop(self) -> None:
        """Stop listening and close every connection; readers that wait are cut off."""
        self._server.should_exit = True
        self._server.force_exit = True
        await self._task


async def serve(
    routes: list[Route], host: str, port: int, tap: Callable[[bytes], None] | None = None
) -> HttpApi:
    """Serve `routes`; returns when it listens. Port 0 takes a free one. Raises OSError."""
    protocol = functools.partial(_TappedProtocol, tap=tap) if tap is not None else HttpToolsProtocol
    config = uvicorn.Config(
        application(routes),
        http=protocol,  # type: ignore[arg-type]  # uvicorn calls it; a class is not needed
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
    )
    listener = socket.create_server((host, port), backlog=CONNECTIONS_MAX)
    listener.setblocking(False)
    bound: int = listener.getsockname()[1]
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"api:{bound}")
    while not server.started:
        if task.done():
            task.result()
            raise OSError("server did not start")
        await asyncio.sleep(0)
    return HttpApi(server, task, bound)
