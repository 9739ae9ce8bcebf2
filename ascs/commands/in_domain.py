"""Commands that work on the carrier's store, beside a running gateway or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from ascs.commands.common import load_settings, plain_errors
from gateway import app
from gateway.settings import GatewaySettings
from gateway.store.domain import Domain

T = TypeVar("T")


def in_domain(config: Path, work: Callable[[GatewaySettings, Domain], Coroutine[Any, Any, T]]) -> T:
    """What `work` returns, done in the store of the gateway that `config` describes."""
    settings = load_settings(config, GatewaySettings)

    async def main() -> T:
        domain, _ = app.open_domain(settings)
        try:
            return await work(settings, domain)
        finally:
            await domain.store.close()

    with plain_errors():
        return asyncio.run(main())
