"""The command line as a whole."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from ascs.main import main
from tests.ascs.commands.cli import ascs, done


def test_the_version_is_the_packages() -> None:
    assert version("ascs-gateway") in done("--version")


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_says_what_it_does(name: str) -> None:
    assert main.commands[name].get_short_help_str()
    assert "Usage: " in done(name, "--help")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert ascs("no-such-command").exit_code == 2


def test_python_m_ascs_is_the_same_program() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "ascs", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert version("ascs-gateway") in said.stdout
