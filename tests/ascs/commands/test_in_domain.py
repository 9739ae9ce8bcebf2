"""Commands on the carrier's store: it is closed whatever happens, and what an operator can mend is one line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import click
import pytest

from ascs.commands.in_domain import in_domain
from gateway.settings import GatewaySettings
from gateway.store import accounts
from gateway.store.domain import Domain


def test_work_is_done_in_the_gateways_own_store(gateway_file: Path) -> None:
    async def work(settings: GatewaySettings, domain: Domain) -> int:
        assert settings.data_dir == gateway_file.parent
        await domain.store.write(lambda conn: accounts.add_enterprise(conn, "ent-a", "A"))
        return 7

    assert in_domain(gateway_file, work) == 7
    with sqlite3.connect(gateway_file.parent / "carrier.db") as conn:
        assert conn.execute("SELECT id FROM enterprise").fetchall() == [("ent-a",)]


def test_what_is_refused_is_one_line_and_the_store_is_closed(gateway_file: Path) -> None:
    seen: list[Domain] = []

    async def work(_: GatewaySettings, domain: Domain) -> None:
        seen.append(domain)
        raise ValueError("no such thing")

    with pytest.raises(click.ClickException, match="no such thing"):
        in_domain(gateway_file, work)
    assert not (gateway_file.parent / "carrier.db-wal").exists(), "closed in order"
    assert seen
