"""`ascs pki`: a development CA, party certificates and SM2 signing keys."""

from __future__ import annotations

from pathlib import Path

import click

from ascs.commands.common import plain_errors
from foundation.atomic import write_atomic
from foundation.pki import make_ca, make_party
from gm.sm2 import PrivateKey

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def pki() -> None:
    """Certificates and keys for development."""


@pki.command("ca")
@click.argument("folder", type=_FOLDER)
@click.option("--name", default="ascs development CA", show_default=True)
def ca(folder: Path, name: str) -> None:
    """Make a certification authority in FOLDER; one that is there stays."""
    with plain_errors():
        make_ca(folder, name)
    click.echo(f"{folder / 'ca.pem'}")


@pki.command("party")
@click.argument("folder", type=_FOLDER)
@click.argument("party_id")
@click.option("--ca", "ca_folder", required=True, type=_FOLDER, help="Folder of the authority.")
@click.option(
    "--host", "hosts", multiple=True, help="DNS name or address of its servers; loopback when none."
)
def party(folder: Path, party_id: str, ca_folder: Path, hosts: tuple[str, ...]) -> None:
    """Make PARTY_ID's certificate and key in FOLDER."""
    with plain_errors():
        make_party(folder, ca_folder, party_id, hosts or ("127.0.0.1", "localhost"))
    click.echo(f"{folder / f'{party_id}.pem'}")


@pki.command("sign-key")
@click.argument("folder", type=_FOLDER)
def sign_key(folder: Path) -> None:
    """Make an SM2 signing key in FOLDER: sign.key (PKCS#8) and sign.pem (public)."""
    with plain_errors():
        write_sign_key(folder)
    click.echo(f"{folder / 'sign.pem'}")


def write_sign_key(folder: Path) -> PrivateKey:
    """Make `sign.key` and `sign.pem`. Raises OSError."""
    key = PrivateKey.generate()
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "sign.key", key.to_pem())
    write_atomic(folder / "sign.pem", key.public_key.to_pem(), mode=0o644)
    return key
