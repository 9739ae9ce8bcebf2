"""`ascs trust ask`: every operation of the trust party's table, asked as the party whose configuration is given.

The commands are made from the table, so that there is one for each operation.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from pydantic import ValidationError

from ascs.commands.asker import AskerSettings
from ascs.commands.common import CONFIG_FILE, load_settings, plain_errors
from foundation.pki import client_context
from gateway import keys as carrier_keys
from gateway.settings import GatewaySettings
from gm.sm2 import PrivateKey, PublicKey
from interparty import key_delivery, statements, trust_routes
from interparty.bodies import describe
from interparty.client import KEYS_PATH, Peer
from interparty.deposit_messages import (
    CancellationRequest,
    ConfirmationSubmission,
    DepositRequest,
    RotationRequest,
)
from interparty.evidence_messages import SignedCosignature
from interparty.key_messages import KeyDelivery, KeyEventReport, KeyNotice, KeyReceipt, PublicKeys
from interparty.messages import Consent, Message
from interparty.operations import Nothing, Operation
from interparty.party_link import connect, sign_key_of
from interparty.trust_routes import VERIFY_STREAM
from interparty.verify_messages import LeaseNonce
from simulators.enterprise.settings import EnterpriseSettings

BEAT_S: Final = 1.0
"""Between two lease nonces of `feed`."""
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TAGS: Final[dict[type[Message], str]] = {
    CancellationRequest: statements.CANCEL,
    ConfirmationSubmission: statements.CONFIRM,
    RotationRequest: statements.ROTATE,
    SignedCosignature: statements.COSIGN,
    KeyEventReport: statements.KEYEVENT,
}
"""Under which tag the statements in a request are signed."""


@dataclass(frozen=True)
class Asker:
    """The party that asks."""

    id: str
    peer: Peer
    sign_key: Callable[[], PrivateKey]
    """For statements. Raises ValueError where there is none."""
    keyid: str
    """Under which it is known."""
    trust_party: str
    known: dict[str, PublicKey] | None = None
    """The trust party's sign keys by keyid, as its configuration has them; None for a carrier."""


def asker_of(config: Path) -> Asker:
    """The party that a gateway.toml, enterprise.toml or regulator.toml describes. Raises what is in OPERATOR_ERRORS."""
    with config.open("rb") as file:
        tables = tomllib.load(file).keys()
    if "carrier" in tables:
        settings = load_settings(config, GatewaySettings)
        keys = carrier_keys.open_store(settings)
        tls, trust = settings.tls, settings.trust
        peer = Peer(
            trust.url,
            client_context(tls.ca, tls.cert, tls.key),
            lambda: carrier_keys.request_signer(settings, keys),
            carrier_keys.PeerKeys(settings, keys),
            party=trust.id,
        )
        keyid = carrier_keys.key_id(settings, keys.current(carrier_keys.SIGN))
        return Asker(settings.carrier.id, peer, lambda: keys.current(carrier_keys.SIGN).sm2, keyid, trust.id)
    is_asker = "log_keys" in tables
    party = load_settings(config, AskerSettings) if is_asker else load_settings(config, EnterpriseSettings)

    def sign_key() -> PrivateKey:
        key = sign_key_of(party.trust)
        if not isinstance(key, PrivateKey):
            raise ValueError("trust.sign_key: statements are signed with SM2")
        return key

    link = party.trust
    known = {keyid: PublicKey.from_pem(path.read_bytes()) for keyid, path in link.peer_keys.items()}
    return Asker(party.id, connect(link), sign_key, link.sign_key_id, link.party, known)


def _body(model: type[Message], pairs: dict[str, str], asker: Asker) -> dict[str, Any]:
    """A message from FIELD=VALUE: its own fields, or those of the one item of its list."""
    fields = _properties(model)
    lists = [name for name, field in model.model_fields.items() if _item(model, name) is not None]
    if lists and not set(pairs) <= set(fields):
        item = _item(model, lists[0])
        assert item is not None
        return {lists[0]: [_body(item, pairs, asker)]}
    if "statement" in fields and "statement" not in pairs:
        inner = model.model_fields["statement"].annotation
        assert isinstance(inner, type)
        named = {"keyid": asker.keyid} if "keyid" in fields else {}
        return {"statement": _body(inner, pairs, asker)} | named
    if unknown := set(pairs) - set(fields):
        raise click.BadParameter(
            f"no such field: {', '.join(sorted(unknown))}; there are {', '.join(fields)}"
        )
    made = {name: _typed(fields[name], value) for name, value in pairs.items()}
    if "at" in fields and "at" not in made:
        made["at"] = time.time_ns() // 1_000_000
    return made


def _properties(model: type[Message]) -> dict[str, Any]:
    schema = model.model_json_schema()
    defined = schema.get("$defs", {})

    def resolved(field: dict[str, Any]) -> dict[str, Any]:
        for each in field.get("anyOf", (field,)):
            name = each.get("$ref", "").rpartition("/")[2]
            if each.get("type") != "null":
                found: dict[str, Any] = defined[name] if name else each
                return found
        return field

    return {name: resolved(field) for name, field in schema.get("properties", {}).items()}


def _item(model: type[Message], name: str) -> type[Message] | None:
    """What a list field holds, if that is a message."""
    arguments = getattr(model.model_fields[name].annotation, "__args__", ())
    inner = arguments[0] if arguments else None
    return inner if isinstance(inner, type) and issubclass(inner, Message) else None


def _typed(field: dict[str, Any], text: str) -> Any:
    kind = field.get("type")
    if kind == "integer":
        return int(text)
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text.split(",") if kind == "array" else text


def _signed(model: type[Message], body: dict[str, Any], asker: Asker) -> dict[str, Any]:
    """The body with the signatures that it lacks."""
    if model is DepositRequest and "signature" not in body:
        consents = [Consent.model_validate(each["consent"]) for each in body["deposits"]]
        listed = statements.consent_list(consents)
        return body | {"signature": statements.sign(asker.sign_key(), statements.CONSENT, listed)}
    tag = _TAGS.get(model)
    if tag is None:
        return body
    lists = [value for value in body.values() if isinstance(value, list)]
    for each in lists[0] if lists else [body]:
        if isinstance(each, dict) and "signature" not in each:
            each["signature"] = statements.sign(asker.sign_key(), tag, each["statement"])
    return body


async def ask(operation: Operation[Any, Any], asker: Asker, body: dict[str, Any]) -> Message:
    """Ask and give the answer. Raises PeerUnavailable, PeerProblem; ValueError for what the route does not take."""
    try:
        message = operation.asks.model_validate_json(json.dumps(_signed(operation.asks, body, asker)))
    except ValidationError as error:
        raise ValueError(describe(error, "not what this route takes")) from None
    try:
        if operation.method == "POST":
            answer: Message = await asker.peer.request("POST", operation.path, message, operation.answers)
            return answer
        path, query = operation.path, []
        for name, value in message.fields().items():
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(value))
            else:
                query.append(f"{name}={value}")
        got: Message = await asker.peer.request(
            "GET", path, None, operation.answers, query="&".join(query), unsigned=not operation.signed
        )
        return got
    finally:
        await asker.peer.close()


def _pairs(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise click.BadParameter(f"FIELD=VALUE expected: {text}")
        pairs[name] = value
    return pairs


def _command(operation: Operation[Any, Any]) -> click.Command:
    name = "".join(f"-{char.lower()}" if char.isupper() else char for char in operation.id)
    takes_fields = operation.asks is not Nothing

    @click.command(name, help=f"{operation.summary}.\n\nFor: {', '.join(operation.callers) or 'all'}.")
    @CONFIG_FILE
    @click.argument("pairs", nargs=-1, metavar="[FIELD=VALUE]...", callback=_pairs)
    @click.option("--body", type=_FILE, help="The message as JSON; signatures that it lacks are made.")
    def command(config: Path, pairs: dict[str, str], body: Path | None) -> None:
        if (pairs or body) and not takes_fields:
            raise click.UsageError("this operation takes nothing")
        with plain_errors():
            asker = asker_of(config)
            given = json.loads(body.read_bytes()) if body is not None else _body(operation.asks, pairs, asker)
            answer = asyncio.run(ask(operation, asker, given))
        click.echo(json.dumps(answer.fields(), ensure_ascii=False, indent=1))

    return command


@click.group("ask")
def ask_group() -> None:
    """Ask the trust party anything that its table has, as the party whose configuration CONFIG is.

    CONFIG is a gateway.toml, an enterprise.toml or a regulator.toml. The message comes from --body, or from fields:
    `verify gateway.toml aid=… enterprise=… channel=sms access_number=…`.
    """


@click.command()
@CONFIG_FILE
@click.option("--seconds", type=float, default=0.0, help="End after so long; until Ctrl-C when not given.")
def feed(config: Path, seconds: float) -> None:
    """Print a carrier's revocations and heartbeats as they come over the stream; CONFIG is its gateway.toml.

    It holds no lease for the gateway and takes nothing from it: each stream gets all revocations.
    """

    async def main() -> None:
        asker = asker_of(config)
        try:
            channel, rest = await asker.peer.open_stream(VERIFY_STREAM.path)
            printer = _Printer()
            channel.begin(printer, rest)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds or None):
                    while not printer.over.is_set():
                        channel.send(LeaseNonce(lease=secrets.token_hex(16)).model_dump_json().encode())
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(BEAT_S):
                                await printer.over.wait()
            channel.close()
        finally:
            await asker.peer.close()

    with plain_errors():
        asyncio.run(main())


@click.command("deliver-key")
@CONFIG_FILE
@click.argument("version", type=click.IntRange(min=1))
@click.option("--sign-key", required=True, type=_FILE, help="The new SM2 public key, PEM.")
def deliver_key(config: Path, version: int, sign_key: Path) -> None:
    """Deliver an enterprise's or regulator's next sign key, number VERSION, to the trust party.

    CONFIG is its enterprise.toml or regulator.toml, still with the key before. When this succeeds the new one may be
    put there; the trust party takes both. A carrier's keys are delivered by `ascs gateway key rotate`.
    """
    with plain_errors():
        public = PublicKey.from_pem(sign_key.read_bytes())
        click.echo(f"{asyncio.run(_deliver(asker_of(config), version, public))} is known from now on")


async def _deliver(asker: Asker, version: int, public: PublicKey) -> str:
    now = time.time_ns() // 1_000_000
    try:
        if asker.known is None:
            raise ValueError("a carrier's keys are delivered by `ascs gateway key rotate`")
        told = await asker.peer.request("GET", KEYS_PATH, None, PublicKeys)
        trust_party = asker.trust_party
        found = key_delivery.believed(told.keys, asker.known, party=trust_party, now_ms=now)
        envelope_keys = [each for each in found if each.key == "envelope" and each.state == "active"]
        if not envelope_keys:
            raise ValueError("the trust party announces no envelope key under a known sign key")
        notice = KeyNotice(
            party=asker.id,
            recipient=trust_party,
            key="sign",
            version=version,
            algorithm="sm2",
            value=public.to_bytes().hex(),
            state="pre-active",
            at=now,
        )
        signed = key_delivery.sign(notice, asker.keyid, asker.sign_key())
        recipient = PublicKey.from_bytes(bytes.fromhex(envelope_keys[-1].value))
        delivery = KeyDelivery(envelope=key_delivery.seal(signed, recipient))
        return (await asker.peer.request("POST", KEYS_PATH, delivery, KeyReceipt)).keyid
    finally:
        await asker.peer.close()


class _Printer:
    """The owner of a stream that prints what comes."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def received(self, payload: bytes) -> None:
        click.echo(payload.decode())

    def closing(self) -> None:
        """Only servers are told."""

    def lost(self, reason: str) -> None:
        click.echo(f"stream over: {reason}", err=True)
        self.over.set()


for _operation in trust_routes.OPERATIONS:
    ask_group.add_command(_command(_operation))
