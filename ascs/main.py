"""The command line of ascs-gateway."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    name: f"ascs.commands.{name}"
    for name in (
        "config",
        "demo",
        "digest",
        "evidence",
        "gateway",
        "handset",
        "pki",
        "regulator",
        "sim",
        "trust",
    )
}
"""A command to its module, where it has the same name."""


class _Commands(click.Group):
    """A module is read when its command is asked for: a party's process carries no other party's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ascs-gateway")
def main() -> None:
    """Text and call a person who agreed to it, without ever learning the number (T/ISC 0049-2024)."""


if __name__ == "__main__":
    main()
