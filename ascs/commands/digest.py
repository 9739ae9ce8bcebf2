"""`ascs digest`: what an enterprise makes to know its message in evidence."""

from __future__ import annotations

from pathlib import Path

import click

from interparty.content_digest import ACCOUNT_KEY_OCTETS, content_digest
from smpp.text import encode_text, encode_text_as

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("message_id")
@click.option("--key-file", type=_FILE, required=True, help="The account key, 64 hex digits.")
@click.option("--text", help="What the message said.")
@click.option(
    "--octets", "octets_file", type=_FILE, help="A file with its octets, without user data headers."
)
@click.option(
    "--data-coding",
    type=click.IntRange(0, 255),
    help="As it was sent; for --text, when not given, 0 if the GSM alphabet has all of it, else 8.",
)
def digest(
    message_id: str, key_file: Path, text: str | None, octets_file: Path | None, data_coding: int | None
) -> None:
    """Print the content digest of a message, as reports and evidence have it.

    MESSAGE_ID is what the submit_sm_resp gave; of a long message that of the part sent first, with the whole text.
    """
    if (text is None) is (octets_file is None):
        raise click.UsageError("either --text or --octets")
    key = _key(key_file)
    if len(message_id) != 16 or not message_id.isascii():
        raise click.UsageError("a message id has 16 characters")
    if octets_file is not None:
        if data_coding is None:
            raise click.UsageError("--octets needs --data-coding")
        octets = octets_file.read_bytes()
    elif data_coding is None:
        data_coding, octets = encode_text(text or "")
    else:
        try:
            octets = encode_text_as(text or "", data_coding)
        except ValueError as error:
            raise click.UsageError(f"data coding {data_coding} does not say this: {error}") from None
    click.echo(content_digest(key, message_id, data_coding, octets).hex())


def _key(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text("ascii"))
    except ValueError:
        key = b""
    if len(key) != ACCOUNT_KEY_OCTETS:
        raise click.ClickException(
            f"{file} does not hold an account key: {2 * ACCOUNT_KEY_OCTETS} hex digits"
        )
    return key
