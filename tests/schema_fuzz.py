"""A party's routes against their OpenAPI document: requests made from the document by schemathesis, signed as the
party's peers sign, and answers held to what the document says.

What is sent is drawn from a seed; a run has a budget of examples a route and role. The signature is made last, over
what is really sent, so that what is generated gets past it.
"""

import asyncio
import contextlib
import copy
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisDeprecationWarning
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from interparty.signed_http import Signer, sign_request

_CHECKS: Final = (
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)

CI_EXAMPLES: Final = 6
"""Requests a route, role and kind in an ordinary run."""
SOAK_EXAMPLES: Final = 400
"""The same in a soak."""
SEED: Final = 9421
SECONDS: Final = 10
"""Longest wait for an answer."""

Mend = Callable[[str, Any], None]
"""Makes a generated body (path, JSON) one that gets deeper: real AIDs, true signatures. Changes it in place."""


@dataclass
class Caller:
    """A peer that asks: its role in the table, certificate files and signing key."""

    role: str
    folder: Path
    """Has ca.pem, <party>.pem and <party>.key."""
    party: str
    signer: Signer

    def session(self) -> requests.Session:
        session = requests.Session()
        session.verify = str(self.folder / "ca.pem")
        session.cert = (str(self.folder / f"{self.party}.pem"), str(self.folder / f"{self.party}.key"))
        session.trust_env = False
        session.mount("https://", HTTPAdapter(pool_connections=1, pool_maxsize=1))
        return session


class Signed(AuthBase):
    """Signs what requests is about to send."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        assert request.url is not None
        assert request.method is not None
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        target = urlsplit(request.path_url)
        path = request.path_url.partition("?")[0]
        request.headers.update(
            sign_request(
                self._signer,
                method=request.method,
                path=path,
                query=target.query,
                body=body,
                created=int(time.time()),
                nonce=secrets.token_urlsafe(16),
            )
        )
        return request


@dataclass
class Tally:
    """Answers by status, of a role at a route."""

    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        """Requests that were not refused."""
        return sum(count for status, count in self.statuses.items() if status < 400)

    def add(self, status: int) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1


@contextlib.contextmanager
def in_thread(served: Callable[[], AbstractAsyncContextManager[int]]) -> Iterator[int]:
    """What `served` serves, in a loop of its own thread, for the time of the `with`; gives its port."""
    loop = asyncio.new_event_loop()
    ports: list[int] = []
    failures: list[BaseException] = []
    up = threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        try:
            async with served() as port:
                ports.append(port)
                up.set()
                await stop.wait()
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            up.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    up.wait(60)
    if failures or not ports:
        raise RuntimeError("did not start") from (failures or [None])[0]
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


def operations(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Method, path and role of everything that can be asked in a request."""
    return [
        (method.upper(), path, role)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "x-websocket" not in operation
        for role in operation["tags"] or ("",)
    ]


def fuzz(
    document: dict[str, Any],
    port: int,
    method: str,
    path: str,
    caller: Caller,
    mend: Mend,
    *,
    examples: int = CI_EXAMPLES,
    start: int = SEED,
) -> Tally:
    """Ask a route what its document allows, and what it forbids. Raises AssertionError, or schemathesis's failures,
    for an answer that is not described: another status, another schema, another media type, a fault inside."""
    schema = schemathesis.openapi.from_dict(_without_signature(document))
    operation = schema[path][method]
    url = f"https://127.0.0.1:{port}"
    tally = Tally()
    with caller.session() as session:
        auth = Signed(caller.signer)

        def ask(drawn: tuple[Case, GenerationMode]) -> None:
            case, mode = drawn
            if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
                mend(path, case.body)
            response = case.call(
                base_url=url,
                session=session,
                auth=auth,
                timeout=SECONDS,
                verify=session.verify,
                allow_redirects=False,
            )
            tally.add(response.status_code)
            assert response.status_code != 500
            assert response.status_code != 401, "the signature was not accepted"
            case.validate_response(response, checks=list(_CHECKS))
            if mode is GenerationMode.NEGATIVE:
                assert response.status_code >= 400, (
                    f"took what its document forbids: {case.query} {case.body!r:.500}"
                )

        modes = [GenerationMode.POSITIVE]
        if operation.definition.raw.get("requestBody") or "{" in path or _has_query(operation):
            modes.append(GenerationMode.NEGATIVE)
        for mode in modes:
            limits = settings(
                max_examples=examples,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )
            drawn = st.tuples(operation.as_strategy(generation_mode=mode), st.just(mode))
            with warnings.catch_warnings():
                # schemathesis does, not we.
                warnings.filterwarnings(
                    "ignore", "Do not use the `random` module inside strategies", HypothesisDeprecationWarning
                )
                seed(start)(limits(given(drawn)(ask)))()
    return tally


def _without_signature(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the fields that are made last, so that they are not drawn."""
    stripped = copy.deepcopy(document)
    del stripped["security"]
    for item in stripped["paths"].values():
        for operation in item.values():
            parameters = operation.get("parameters", [])
            operation.pop("security", None)
            operation["parameters"] = [each for each in parameters if "$ref" not in each]
    return stripped


def _has_query(operation: Any) -> bool:
    return any(each.get("in") == "query" for each in operation.definition.raw.get("parameters", ()))
