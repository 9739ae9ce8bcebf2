"""`ascs demo`: what it is asked, and how it ends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ascs.commands import demo as command
from ascs.demo.layout import DemoRefused
from ascs.demo.parties import OtherCore, OtherSmsc
from ascs.demo.run import DemoFailed, Options
from tests.ascs.commands.cli import ascs


class Prepared:
    """A demo that is never set up; ends as told."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def run(self, _: asyncio.Event) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    return ends_with(monkeypatch, None)


def ends_with(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> list[Options]:
    options: list[Options] = []

    def prepare(given: Options) -> Any:
        options.append(given)
        return Prepared(error)

    monkeypatch.setattr(command.demo_run, "prepare", prepare)
    return options


def test_without_options_it_tells_its_script_and_stays(asked: list[Options]) -> None:
    result = ascs("demo")
    assert result.exit_code == 0
    assert "passed" not in result.output
    assert asked == [Options(Path("var"), once=False, script=True)]


def test_once_says_that_the_script_passed(asked: list[Options]) -> None:
    assert "the demo's script passed" in ascs("demo", "--once").output
    assert asked[0].once


def test_someone_elses_smsc_or_core_leaves_the_script_out(asked: list[Options]) -> None:
    ascs("demo", "--smsc", "me:secret@192.0.2.1:2775")
    ascs("demo", "--core", "192.0.2.2:5060")
    ascs("demo", "--no-script")
    assert [each.script for each in asked] == [False] * 3
    assert asked[0].smsc == OtherSmsc("me", "secret", "192.0.2.1", 2775)
    assert asked[1].core == OtherCore("192.0.2.2", 5060)


@pytest.mark.parametrize(
    "words",
    [
        ("--smsc", "192.0.2.1:2775"),
        ("--smsc", "a-name-of-16-chars:x@192.0.2.1:2775"),
        ("--smsc", "me:longer-than-8@192.0.2.1:2775"),
        ("--core", "192.0.2.1"),
        ("--subscribers", "500001"),
        ("--subscribers", "-1"),
    ],
)
def test_what_is_written_wrongly_is_a_usage_error(asked: list[Options], words: tuple[str, ...]) -> None:
    assert ascs("demo", *words).exit_code == 2
    assert asked == []


@pytest.mark.parametrize("error", [DemoFailed("2 numbers left the carrier domain"), DemoRefused("not empty")])
def test_a_demo_that_failed_says_why_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    ends_with(monkeypatch, error)
    result = ascs("demo", "--once")
    assert result.exit_code == 1
    assert f"demo failed: {error}" in result.output
    assert "passed" not in result.output
