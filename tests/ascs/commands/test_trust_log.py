"""`ascs trust log inspect`: what an auditor is shown."""

import asyncio
import sqlite3
from pathlib import Path

from foundation.config import load
from tests.ascs.commands.cli import ascs, done
from trust_party.app import started
from trust_party.settings import TrustSettings


def signed(trust_file: Path) -> TrustSettings:
    """A trust party that ran once, with a key of its own on record."""
    done("trust", "init", trust_file)
    done("pki", "ca", trust_file.parent / "ca")
    done("pki", "party", trust_file.parent / "pki", "ttp", "--ca", trust_file.parent / "ca")
    done("pki", "sign-key", trust_file.parent / "nra")
    key = trust_file.parent / "nra" / "sign.pem"
    done("trust", "regulator", "admit", trust_file, "nra", "--name", "R", "--sign-key", key)
    settings = load(trust_file, TrustSettings)

    async def run() -> None:
        async with started(settings.model_copy(update={"port": 0})):
            pass

    asyncio.run(run())
    return settings


def test_every_leaf_is_accounted_for_and_a_changed_one_is_named(trust_file: Path) -> None:
    settings = signed(trust_file)
    output = done("trust", "log", "inspect", trust_file)
    assert "32 leaves in 1 batches" in output
    assert "every leaf is accounted for" in output
    with sqlite3.connect(settings.database) as conn:
        conn.execute("UPDATE evidence_nodes SET hash = zeroblob(32) WHERE position = 0")
    conn.close()
    result = ascs("trust", "log", "inspect", trust_file)
    assert result.exit_code == 1
    assert "leaf 0: " in result.output
