"""The command line as a whole."""

import subprocess
import sys
from importlib.metadata import version

import click
import pytest

from ascs.main import COMMANDS, main
from tests.ascs.commands.cli import ascs, done


def test_the_version_is_the_packages() -> None:
    assert version("ascs-gateway") in done("--version")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.get_short_help_str()
    assert "Usage: " in done(name, "--help")


def test_a_partys_process_carries_no_other_partys() -> None:
    for command, other in (("gateway", "trust_party.app"), ("trust", "gateway.app")):
        loaded = subprocess.run(
            [sys.executable, "-c", f"import ascs.commands.{command}, sys; print(*sys.modules)"],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout.split()  # fmt: skip
        assert other not in loaded
        assert "ascs.demo.run" not in loaded


def test_an_unknown_command_is_a_usage_error() -> None:
    assert ascs("no-such-command").exit_code == 2


def test_python_m_ascs_is_the_same_program() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "ascs", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert version("ascs-gateway") in said.stdout
