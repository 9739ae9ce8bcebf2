"""What an operator can mend is one line on stderr; what is a defect keeps its traceback."""

import asyncio
import logging
from pathlib import Path

import click
import pytest

from ascs.commands.common import load_settings, plain_errors, run_process
from foundation.config import Config
from gm.errors import KeyStoreError
from interparty.client import PeerProblem, PeerUnavailable


class Settings(Config):
    port: int


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "/srv/x.pem"), "/srv/x.pem: No such file or directory"),
        (OSError("voice: the relay did not start"), "voice: the relay did not start"),
        (KeyStoreError("wrong passphrase"), "wrong passphrase"),
        (PeerUnavailable("no answer in time"), "no answer in time"),
        (PeerProblem(403, "not admitted"), "403 not admitted"),
        (ValueError("a system_id has 1 to 15 characters"), "a system_id has 1 to 15 characters"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_what_can_be_mended_is_said_plainly(error: Exception, said: str) -> None:
    with pytest.raises(click.ClickException) as raised, plain_errors():
        raise error
    assert raised.value.message == said


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(KeyError), plain_errors():
        raise KeyError("defect")


def test_settings_come_from_the_file_or_its_fault_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("port = 1\n")
    assert load_settings(file, Settings) == Settings(port=1)
    file.write_text('\nport = "many"\n')
    with pytest.raises(click.ClickException, match=r"x\.toml:2: port: "):
        load_settings(file, Settings)


@pytest.mark.usefixtures("own_logs")
def test_a_process_logs_to_its_folder_and_ends_with_what_it_runs(tmp_path: Path) -> None:
    ran: list[asyncio.Event] = []

    async def main(stop: asyncio.Event) -> None:
        logging.getLogger(__name__).info("calling 8613800000001")
        ran.append(stop)

    run_process("part", tmp_path, "INFO", main)
    assert len(ran) == 1
    written = (tmp_path / "part.log").read_text()
    assert "calling" in written
    assert "8613800000001" not in written


@pytest.mark.usefixtures("own_logs")
def test_a_process_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    async def main(_: asyncio.Event) -> None:
        raise OSError(98, "Address already in use")

    with pytest.raises(click.ClickException, match="Address already in use"):
        run_process("part", tmp_path, "INFO", main)
