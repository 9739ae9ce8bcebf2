"""`ascs trust key` and `ascs gateway key`: a party's keys, and the people who decide about them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import click

from ascs.commands.common import CONFIG_FILE, plain_errors
from foundation.atomic import write_atomic
from gm.sm2 import PrivateKey, PublicKey
from interparty import custody, key_delivery, key_house, key_ledger
from interparty.key_house import House, HouseError, Rotated
from interparty.key_messages import KeyOrder, SignedKeyApproval
from interparty.text import b64url_decode, b64url_encode
from trust_client.bundle import key_event_text
from trust_party.clock import now_ms

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


class OpenHouse(House, Protocol):
    """What the commands need beside a House."""

    def receive(self, sender: str, envelope: str) -> tuple[str, bool]: ...


Opener = Callable[[Path], AbstractAsyncContextManager[OpenHouse]]
"""Opens the house that a configuration file describes."""
Work = Callable[[OpenHouse], Coroutine[Any, Any, None] | None]


def key_commands(opener: Opener, published: Callable[[Path], None], *more: click.Command) -> click.Group:
    """The group `key` of one party, with `more` commands of its own. `published` writes its public keys anew, after a
    change."""

    @click.group()
    def key() -> None:
        """Keys: versions, rotation, delivery; what needs two custodians."""

    def run(config: Path, work: Work) -> None:
        async def main() -> None:
            async with opener(config) as house:
                key_house.reconcile(house, now_ms())
                under_way = work(house)
                if under_way is not None:
                    await under_way

        with plain_errors():
            asyncio.run(main())

    @key.command("list")
    @CONFIG_FILE
    def list_(config: Path) -> None:
        """Print all keys: purpose, version, state, algorithm, id."""

        def work(house: OpenHouse) -> None:
            for each in key_house.listed(house.keys):
                click.echo(
                    f"{each['purpose']}/{each['version']} {each['state']} {each['algorithm']} {each['id']}"
                )

        run(config, work)

    @key.command()
    @CONFIG_FILE
    def events(config: Path) -> None:
        """Print what became of the keys, in order; `waits` is not in the evidence log yet."""

        def work(house: OpenHouse) -> None:
            with house.transaction() as conn:
                told = key_ledger.events(conn)
            for event, is_told in told:
                state = "in the log" if is_told else "waits"
                click.echo(f"{event.sequence} {key_event_text(event.fields())} ({state})")

        run(config, work)

    @key.command()
    @CONFIG_FILE
    @click.argument("purpose")
    @click.option("--id", "id_", default="", help="Carrier key id of a new edi key, 4 characters.")
    def rotate(config: Path, purpose: str, id_: str) -> None:
        """Make another key for PURPOSE, deliver it to whoever must have it, and use it from then on."""

        async def work(house: OpenHouse) -> None:
            _tell(await key_house.rotate(house, purpose, now_ms, id=id_))

        run(config, work)
        published(config)

    @key.command()
    @CONFIG_FILE
    @click.argument("purpose")
    @click.argument("version", type=int)
    def activate(config: Path, purpose: str, version: int) -> None:
        """Use a pre-active key from now on; only when all who must have it do, such as by file."""

        def work(house: OpenHouse) -> None:
            made = key_house.activate(house, purpose, version, now_ms())
            click.echo(f"{made.purpose}/{made.version} is active")

        run(config, work)
        published(config)

    @key.command()
    @CONFIG_FILE
    @click.argument("purpose")
    @click.argument("version", type=int)
    @click.argument("party")
    @click.option("--to-key", required=True, type=_FILE, help="SM2 key of PARTY for envelopes, PEM.")
    @click.option("--out", required=True, type=_OUT)
    def send(config: Path, purpose: str, version: int, party: str, to_key: Path, out: Path) -> None:
        """Write a key as an envelope to PARTY, to go there as a file."""

        def work(house: OpenHouse) -> None:
            name = house.rotation(purpose).announced_as
            if name is None:
                raise HouseError(f"{purpose} is no key for others")
            signed = house.announcer.signed(house.keys.get(purpose, version), name, now_ms(), party)
            envelope = key_delivery.seal(signed, PublicKey.from_pem(to_key.read_bytes()))
            write_atomic(out, key_delivery.to_file(envelope, house.party, party))
            click.echo(str(out))

        run(config, work)

    @key.command()
    @CONFIG_FILE
    @click.argument("file", type=_FILE)
    def receive(config: Path, file: Path) -> None:
        """Take a key that came as a FILE."""

        def work(house: OpenHouse) -> None:
            keyid, new = house.receive(*key_delivery.from_file(file.read_bytes()))
            click.echo(f"{keyid} is {'known from now on' if new else 'known already'}")

        run(config, work)

    @key.group()
    def custodian() -> None:
        """The people of whom two decide about export, destruction, and each other."""

    @custodian.command("add")
    @CONFIG_FILE
    @click.argument("custodian_id")
    @click.option("--name", required=True)
    @click.option("--key", "key_file", required=True, type=_FILE, help="That person's SM2 public key, PEM.")
    @click.option("--out", type=_OUT, help="The order, where two are enrolled already.")
    def custodian_add(config: Path, custodian_id: str, name: str, key_file: Path, out: Path | None) -> None:
        """Enrol a custodian: the first two at once, others by an order that two approve."""

        def work(house: OpenHouse) -> None:
            public = PublicKey.from_pem(key_file.read_bytes())
            if key_house.enrol_first(house, custodian_id, name, public, now_ms()):
                click.echo(f"{custodian_id} is enrolled")
                return
            _write_order(
                house,
                out,
                "enrol",
                custodian=custodian_id,
                name=name,
                custodian_key=public.to_bytes().hex(),
            )

        run(config, work)

    @custodian.command("remove")
    @CONFIG_FILE
    @click.argument("custodian_id")
    @click.option("--out", required=True, type=_OUT, help="The order, for two to approve.")
    def custodian_remove(config: Path, custodian_id: str, out: Path) -> None:
        """Draw up the order that a custodian is one no longer."""

        def work(house: OpenHouse) -> None:
            _write_order(house, out, "dismiss", custodian=custodian_id)

        run(config, work)

    @custodian.command("list")
    @CONFIG_FILE
    def custodian_list(config: Path) -> None:
        """Print who is enrolled."""

        def work(house: OpenHouse) -> None:
            with house.transaction() as conn:
                for each in custody.custodians(conn):
                    click.echo(f"{each.id} {each.name}")

        run(config, work)

    @key.command()
    @CONFIG_FILE
    @click.argument("purpose")
    @click.argument("version", type=int)
    @click.option("--out", required=True, type=_OUT, help="The order, for two to approve.")
    def destroy(config: Path, purpose: str, version: int, out: Path) -> None:
        """Draw up the order that a key is destroyed."""

        def work(house: OpenHouse) -> None:
            house.keys.get(purpose, version)
            _write_order(house, out, "destroy", purpose=purpose, version=version)

        run(config, work)

    @key.command()
    @CONFIG_FILE
    @click.argument("purpose")
    @click.argument("version", type=int)
    @click.option("--to-key", required=True, type=_FILE, help="SM2 public key that alone opens it, PEM.")
    @click.option("--out", required=True, type=_OUT, help="The order, for two to approve.")
    def export(config: Path, purpose: str, version: int, to_key: Path, out: Path) -> None:
        """Draw up the order that a key leaves in an envelope."""

        def work(house: OpenHouse) -> None:
            house.keys.get(purpose, version)
            recipient = PublicKey.from_pem(to_key.read_bytes()).to_bytes().hex()
            _write_order(house, out, "export", purpose=purpose, version=version, recipient=recipient)

        run(config, work)

    @key.command()
    @click.argument("order", type=_FILE)
    @click.option("--as", "custodian_id", required=True, help="Id of the custodian who approves.")
    @click.option("--key", "key_file", required=True, type=_FILE, help="That person's SM2 private key, PEM.")
    @click.option("--out", required=True, type=_OUT)
    def approve(order: Path, custodian_id: str, key_file: Path, out: Path) -> None:
        """Sign an ORDER as one custodian, where that person's key is; needs no configuration."""
        with plain_errors():
            read = KeyOrder.model_validate_json(order.read_bytes())
            _show(read)
            signed = custody.approve(read, custodian_id, PrivateKey.from_pem(key_file.read_bytes()), now_ms())
            write_atomic(out, signed.model_dump_json(exclude_none=True, indent=1).encode() + b"\n")
        click.echo(str(out))

    @key.command("carry-out")
    @CONFIG_FILE
    @click.argument("order", type=_FILE)
    @click.argument("approvals", nargs=-1, required=True, type=_FILE)
    @click.option("--out", type=_OUT, help="Of an export: the envelope.")
    def carry_out(config: Path, order: Path, approvals: tuple[Path, ...], out: Path | None) -> None:
        """Do what an ORDER says, with the APPROVALS of two custodians."""

        def work(house: OpenHouse) -> None:
            read = KeyOrder.model_validate_json(order.read_bytes())
            if read.operation == "export" and out is None:
                raise HouseError("an export needs --out")
            signed = [SignedKeyApproval.model_validate_json(path.read_bytes()) for path in approvals]
            envelope = key_house.carry_out(house, read, signed, now_ms())
            if envelope and out is not None:
                write_atomic(out, b64url_encode(envelope).encode() + b"\n")
            _show(read)
            click.echo("done")

        run(config, work)

    @key.command("open")
    @click.argument("file", type=_FILE)
    @click.option("--key", "key_file", required=True, type=_FILE, help="SM2 private key, PEM.")
    def open_(file: Path, key_file: Path) -> None:
        """Print in hex the key of an exported FILE; where the recipient's key is."""
        with plain_errors():
            secret = PrivateKey.from_pem(key_file.read_bytes())
            click.echo(secret.decrypt(b64url_decode(file.read_text().strip())).hex())

    for command in more:
        key.add_command(command)
    return key


def _write_order(house: OpenHouse, out: Path | None, operation: str, **fields: Any) -> None:
    if out is None:
        raise HouseError("two custodians must approve this: --out FILE for the order")
    order = custody.draw_up(house.party, operation, now_ms(), **fields)
    write_atomic(out, order.model_dump_json(exclude_none=True, indent=1).encode() + b"\n")
    click.echo(f"{out}: for two custodians to approve")


def _show(order: KeyOrder) -> None:
    """What the order does, for whoever is to sign it."""
    click.echo(json.dumps(order.fields(), ensure_ascii=False, indent=1))


def _tell(rotated: Rotated) -> None:
    made = rotated.key
    for party, why in rotated.undelivered.items():
        click.echo(f"{party} does not have it: {why}", err=True)
    if rotated.undelivered:
        raise HouseError(
            f"{made.purpose}/{made.version} stays pre-active: run this again, or send it as a file and activate it"
        )
    click.echo(f"{made.purpose}/{made.version} is active")
