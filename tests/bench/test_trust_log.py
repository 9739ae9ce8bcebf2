"""The bench of the log measures a log that holds."""

from pathlib import Path

import pytest

from bench import trust_log


async def test_records_become_leaves(tmp_path: Path) -> None:
    cell = await trust_log.appending(tmp_path, 1000)
    assert cell["leaves"] == 1024
    assert cell["per_s"] > 0


@pytest.mark.parametrize("leaves", [600, 3000])
async def test_a_log_of_any_size_is_proved(
    tmp_path: Path, leaves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust_log, "PROOFS", 3)
    trust_log.grow(tmp_path, leaves)
    cell = await trust_log.proving(tmp_path, leaves)
    assert cell["leaves"] == leaves
    assert cell.keys() == set(trust_log.FIELDS)
