"""`ascs gateway trunk`: what an operator sets for a trunk, and what is printed of it."""

from pathlib import Path

import pytest

from tests.ascs.commands.cli import ENTERPRISE, ascs, done


@pytest.fixture
def config(gateway_file: Path) -> Path:
    """A gateway with one enterprise, whose trunk is pbx-a."""
    done("gateway", "enterprise", "add", gateway_file, *ENTERPRISE)
    return gateway_file


def trunk(*arguments: object) -> str:
    return done("gateway", "trunk", *arguments)


def test_a_trunk_is_listed_and_shown_without_its_password(config: Path) -> None:
    assert trunk("list", config) == "pbx-a ent-a\n"
    shown = trunk("show", config, "pbx-a")
    assert "username: pbx-a" in shown
    assert "ha1" not in shown


def test_what_is_given_changes_and_the_rest_stays(config: Path) -> None:
    trunk("set", config, "pbx-a", "--address", "192.0.2.0/24", "--rate", "2.5", "--max-calls", "7")
    trunk(
        "set", config, "pbx-a", "--ring", "45", "--talk", "600", "--prack", "no", "--preconditions", "answer"
    )
    shown = trunk("show", config, "pbx-a")
    for line in ("ring_s: 45.0", "talk_s: 600.0", "reliable_provisional: no", "preconditions: answer"):
        assert line in shown
    for line in ("addresses: 192.0.2.0/24", "rate: 2.5", "max_calls: 7", "certificates: -"):
        assert line in shown
    trunk("set", config, "pbx-a", "--address", "any", "--rate", "default", "--prack", "default")
    shown = trunk("show", config, "pbx-a")
    assert "addresses: -" in shown
    assert "rate: -" in shown
    assert "reliable_provisional: -" in shown
    assert "max_calls: 7" in shown


@pytest.mark.parametrize(
    "wrong",
    [
        ("--address", "here"),
        ("--contact", "tel:1"),
        ("--max-calls", "-1"),
        ("--certificate", "x"),
        ("--burst", "0"),
        ("--ring", "0"),
        ("--talk", "-1"),
        ("--prack", "maybe"),
    ],
)
def test_what_cannot_be_is_refused(config: Path, wrong: tuple[str, str]) -> None:
    assert ascs("gateway", "trunk", "set", config, "pbx-a", *wrong).exit_code != 0


def test_nobodys_trunk_is_not_there(config: Path) -> None:
    assert ascs("gateway", "trunk", "set", config, "nobody", "--max-calls", "1").exit_code != 0
