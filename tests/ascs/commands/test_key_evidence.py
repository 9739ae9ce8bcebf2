"""What is printed of what became of keys; with every party running: test_ask."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ascs.commands.key_evidence import odd_sequences, show
from interparty.query_messages import KeyEvidenceQuery
from tests.trust_party.world import Party, People, initialise, settings_in
from trust_client.bundle import read
from trust_party.directory import Caller


@pytest.fixture
async def party(tmp_path: Path) -> AsyncIterator[Party]:
    (tmp_path / "trust").mkdir()
    settings, people = settings_in(tmp_path / "trust"), People()
    initialise(settings)
    people.admit(settings)
    party = Party(settings, people)
    await party.directory.refresh()
    yield party
    await party.store.close()


async def test_a_line_an_event_and_a_file_a_page(
    party: Party, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asker = Caller("ttp", "trust party", {})
    page = await party.key_events.page(asker, KeyEvidenceQuery(), 1_790_000_000_000)
    assert page is not None
    assert page.bundle is not None
    show([page.bundle], tmp_path / "out")
    lines = capsys.readouterr().out.splitlines()
    events = [line for line in lines if line.startswith("leaf ")]
    assert len(events) == len(page.bundle.records)
    assert any("its key log/1 was made active, by " in line for line in events)
    assert any("records proved to be in the log of" in line for line in lines)
    assert read((tmp_path / "out" / "keys-1.json").read_text()) == page.bundle


def test_nothing_on_record_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show([], None)
    assert capsys.readouterr().out == "nothing is on record\n"


def test_a_partys_own_count_gives_away_what_it_did_not_tell() -> None:
    def told(*sequences: int) -> list[dict[str, object]]:
        return [{"statement": {"sequence": each}} for each in sequences] + [{"keyid": "CMCC/sign/1"}]

    assert list(odd_sequences(told())) == list(odd_sequences(told(1, 2, 3))) == []
    (missing,) = odd_sequences(told(1, 4, 6))
    assert missing.startswith("NOT TOLD: 2, 3, 5.")
    (twice,) = odd_sequences(told(1, 2, 2, 3))
    assert twice.startswith("TOLD TWICE: 2, 2 different events")
    (many,) = odd_sequences(told(1, 1000))
    assert many.startswith("NOT TOLD: 2, 3, ")
    assert " …" in many
