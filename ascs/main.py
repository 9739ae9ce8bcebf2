"""The command line of ascs-gateway."""

from __future__ import annotations

import click

from ascs.commands.config import config
from ascs.commands.demo import demo
from ascs.commands.digest import digest
from ascs.commands.evidence import evidence
from ascs.commands.evidence_query import query
from ascs.commands.gateway import gateway
from ascs.commands.handset import handset
from ascs.commands.key_evidence import keys
from ascs.commands.pki import pki
from ascs.commands.regulator import regulator
from ascs.commands.sim import sim
from ascs.commands.trust import trust


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ascs-gateway")
def main() -> None:
    """Text and call a person who agreed to it, without ever learning the number (T/ISC 0049-2024)."""


evidence.add_command(query)
evidence.add_command(keys)
for command in (gateway, trust, evidence, regulator, digest, sim, pki, config, handset, demo):
    main.add_command(command)

if __name__ == "__main__":
    main()
