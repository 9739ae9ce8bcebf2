"""`ascs gateway account` and `access-number`: what an operator sets for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click

from ascs.commands.common import CONFIG_FILE
from ascs.commands.in_domain import in_domain
from gateway.access_number import AccessNumberRow
from gateway.accounts import account_options, administration, number_plan
from gateway.accounts.account_options import PRECONDITIONS, AccessNumberOptions, AccountOptions
from gateway.accounts.bind_rules import check_address, check_certificate
from gateway.settings import GatewaySettings
from gateway.store import accounts
from gateway.store.accounts import AccountRow, DirectoryRows
from gateway.store.domain import Domain
from masking.smpp_options import OPTIONS
from sip.agent_config import RELIABILITY

F = TypeVar("F", bound=Callable[..., Any])

SYSTEM_ID = click.argument("system_id")

_DEFAULT: Final = "default"
"""A number that is given as this is the configuration's again."""
_ANY: Final = "any"
"""A list that is given as this alone has no entries: no restriction."""
_PLAIN: Final = "plain"
"""A list of content options that is given as this alone has no entries: plain texts."""


class _Number(click.ParamType[int | float | str]):
    """A number, or the word that stands for the configuration's own."""

    name = "number"

    def __init__(self, kind: type[int] | type[float]) -> None:
        self._kind = kind

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float | str:
        if value == _DEFAULT:
            return _DEFAULT
        try:
            return self._kind(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor {_DEFAULT!r}", param, ctx)


class _Checked(click.ParamType[Any]):
    """What a function takes from text, or the word for no entries."""

    def __init__(self, name: str, check: Callable[[str], Any], nothing: str) -> None:
        self.name = name
        self._check = check
        self._nothing = nothing

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == self._nothing:
            return value
        try:
            return self._check(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _content(name: str) -> str:
    if name not in OPTIONS:
        raise ValueError(f"{name!r} is none of {', '.join(OPTIONS)}")
    return name


_RATE = (
    click.option("--rate", type=_Number(float), help="Messages a second; 0: no limit."),
    click.option("--burst", type=_Number(int), help="Messages that may come at once after a silence."),
)
_ACCOUNT = (
    click.option("--max-transmitters", type=_Number(int), help="Of --max-binds; by default all."),
    click.option("--max-receivers", type=_Number(int), help="Of --max-binds; by default all."),
    click.option("--max-transceivers", type=_Number(int), help="Of --max-binds; by default all."),
    click.option(
        "--address",
        "addresses",
        multiple=True,
        type=_Checked("network", check_address, _ANY),
        help="Address or network that binds may come from; repeat it for more. any: from anywhere.",
    ),
    click.option("--tls/--no-tls", default=None, help="Bind over TLS only."),
    click.option(
        "--certificate",
        "certificates",
        multiple=True,
        type=_Checked("certificate", check_certificate, _ANY),
        help="Client certificate of which one must be shown: sha256:HEX or san:NAME. any: none need be.",
    ),
    *_RATE,
    click.option(
        "--window", "window_pdus", type=_Number(int), help="Unanswered requests of a bind, each way."
    ),
    click.option("--enquire-link", "enquire_link_s", type=_Number(float), help="Seconds; 0: never."),
    click.option("--inactivity", "inactivity_s", type=_Number(float), help="Seconds; 0: never."),
    click.option("--response", "response_s", type=_Number(float), help="Seconds."),
    click.option(
        "--aggregate-receipts/--receipt-per-part",
        "aggregate_receipts",
        default=None,
        help="One receipt for a long message, or one for each of its parts.",
    ),
)
_CALL_TIMES = (
    click.option("--ring", "ring_s", type=_Number(float), help="Seconds that a call may ring."),
    click.option("--talk", "talk_s", type=_Number(float), help="Seconds that a call may last."),
)
_ACCESS_NUMBER = (
    *_RATE,
    click.option(
        "--extension",
        "extension_digits",
        type=click.IntRange(0),
        help="Digits that the enterprise may append to it as it sends; 0, the default: none.",
    ),
    click.option(
        "--signature",
        help="What each of its texts must begin or end with, in 【】; default: nothing.",
    ),
    click.option(
        "--content",
        "sms_content",
        multiple=True,
        type=_Checked("option", _content, _PLAIN),
        help=f"What its messages may be beyond a plain text, repeat it for more: {', '.join(OPTIONS)}. "
        "plain: nothing.",
    ),
    click.option(
        "--max-calls", type=_Number(int), help="From it and to it at one time; by default no limit."
    ),
    click.option("--call-rate", type=_Number(float), help="Calls a second, each way; 0: no limit."),
    click.option("--call-burst", type=_Number(int), help="Calls that may come at once after a silence."),
    *_CALL_TIMES,
)


_TRUNK = (
    click.option(
        "--address",
        "addresses",
        multiple=True,
        type=_Checked("network", check_address, _ANY),
        help="Address or network whose calls are the trunk's without a password; repeat it for more. any: none.",
    ),
    click.option(
        "--certificate",
        "certificates",
        multiple=True,
        type=_Checked("certificate", check_certificate, _ANY),
        help="Client certificate over TLS whose calls are the trunk's without a password: sha256:HEX or san:NAME. "
        "any: none.",
    ),
    click.option("--rate", type=_Number(float), help="Calls a second; 0: no limit."),
    click.option("--burst", type=_Number(int), help="Calls that may come at once after a silence."),
    *_CALL_TIMES,
    click.option(
        "--prack",
        "reliable_provisional",
        type=click.Choice((*RELIABILITY, _DEFAULT)),
        help="Reliable provisional responses with it (RFC 3262).",
    ),
    click.option(
        "--preconditions", type=click.Choice(PRECONDITIONS), help="What becomes of them (RFC 3312)."
    ),
)


def trunk_settings(function: F) -> F:
    """As `account_settings`, of a SIP trunk."""
    for option in reversed(_TRUNK):
        function = option(function)
    return function


def account_settings(function: F) -> F:
    """The options that an account has wherever it is named; `given` turns them into AccountOptions."""
    for option in reversed(_ACCOUNT):
        function = option(function)
    return function


def access_number_settings(function: F) -> F:
    """As `account_settings`, of an access number."""
    for option in reversed(_ACCESS_NUMBER):
        function = option(function)
    return function


def given(values: dict[str, Any]) -> dict[str, Any]:
    """What was given on the command line, as fields of a row."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, tuple):
            if value:
                found[name] = () if value in ((_ANY,), (_PLAIN,)) else value
                if any(each in (_ANY, _PLAIN) for each in found[name]):
                    raise click.UsageError(f"{_ANY!r} and {_PLAIN!r} stand alone")
        elif value is not None:
            found[name] = None if value == _DEFAULT else value
    return found


@click.group()
def account() -> None:
    """SMPP accounts."""


@account.command("set")
@CONFIG_FILE
@SYSTEM_ID
@click.option("--password", help="Ends the sessions that are bound.")
@click.option("--max-binds", type=int, help="Of all types together.")
@click.option(
    "--outbind",
    help="HOST:PORT where its ESME waits to be asked to bind when something waits for it; default: nowhere.",
)
@click.option("--outbind-password", help="What it is told then, at most 8 characters.")
@account_settings
def account_set(
    config: Path, system_id: str, password: str | None, outbind_password: str | None, **values: Any
) -> None:
    """Change what is given, leave the rest. A number given as "default" is the configuration's again.

    Bound sessions learn it within about a second; those that it no longer allows are unbound.
    """
    options = cast(AccountOptions, given(values))

    async def work(_: GatewaySettings, domain: Domain) -> AccountRow:
        if outbind_password is not None:
            options["outbind_sealed"] = account_options.seal_outbind(domain.vault, outbind_password)
        return await domain.store.write(
            lambda conn: account_options.change_account(conn, system_id, options, password)
        )

    _show(in_domain(config, work))


@account.command("show")
@CONFIG_FILE
@SYSTEM_ID
def account_show(config: Path, system_id: str) -> None:
    """Print what is set for an account, without its password and key."""

    async def work(_: GatewaySettings, domain: Domain) -> AccountRow:
        return await domain.store.write(lambda conn: account_options.find_account(conn, system_id))

    _show(in_domain(config, work))


@account.command("key")
@CONFIG_FILE
@SYSTEM_ID
def account_key(config: Path, system_id: str) -> None:
    """Give the account another key, and print it: the only time that it is shown."""

    async def work(_: GatewaySettings, domain: Domain) -> bytes:
        key, sealed = account_options.make_key(domain.vault)
        await domain.store.write(
            lambda conn: account_options.change_account(conn, system_id, {"key_sealed": sealed})
        )
        return key

    click.echo(f"account key: {in_domain(config, work).hex()}")


@account.command("remove")
@CONFIG_FILE
@SYSTEM_ID
def account_remove(config: Path, system_id: str) -> None:
    """Take an account away; its sessions are unbound. Its access numbers stay its enterprise's."""

    async def work(_: GatewaySettings, domain: Domain) -> None:
        await domain.store.write(lambda conn: accounts.remove_account(conn, system_id))

    in_domain(config, work)
    click.echo(f"account {system_id} is removed")


@click.group("access-number")
def access_number() -> None:
    """Access numbers (接入号)."""


@access_number.command("add")
@CONFIG_FILE
@click.argument("number")
@click.argument("enterprise_id")
@click.option("--sub-code", help="Of NUMBER, which is shared: the two together are the access number.")
@click.option("--sms-account", help="system_id that gets replies to it.")
@click.option("--voice-trunk", help="SIP user that gets callbacks to it.")
@access_number_settings
def access_number_add(
    config: Path,
    number: str,
    enterprise_id: str,
    sub_code: str | None,
    sms_account: str | None,
    voice_trunk: str | None,
    **values: Any,
) -> None:
    """Give an access number to its one owner."""
    options = cast(AccessNumberOptions, given(values))

    async def work(settings: GatewaySettings, domain: Domain) -> str:
        return await domain.store.write(
            lambda conn: administration.add_access_number(
                conn,
                confirmation_number=settings.confirm.access_number,
                number=number,
                enterprise_id=enterprise_id,
                sub_code=sub_code,
                sms_account=sms_account,
                voice_trunk=voice_trunk,
                options=options,
            )
        )

    click.echo(f"access number {in_domain(config, work)} belongs to {enterprise_id}")


@access_number.command("set")
@CONFIG_FILE
@click.argument("number")
@click.option("--sms-account", help="system_id that gets replies to it.")
@click.option("--voice-trunk", help="SIP user that gets callbacks to it.")
@access_number_settings
def access_number_set(config: Path, number: str, **values: Any) -> None:
    """Change what is given, leave the rest. A number given as "default" is the configuration's again."""
    options = cast(AccessNumberOptions, given(values))

    async def work(_: GatewaySettings, domain: Domain) -> AccessNumberRow:
        return await domain.store.write(
            lambda conn: account_options.change_access_number(conn, number, options)
        )

    _show(in_domain(config, work))


@access_number.command("remove")
@CONFIG_FILE
@click.argument("number")
def access_number_remove(config: Path, number: str) -> None:
    """Take an access number from its owner: nothing is sent from it any more, and replies to it are refused."""

    async def work(_: GatewaySettings, domain: Domain) -> None:
        await domain.store.write(lambda conn: accounts.remove_access_number(conn, number))

    in_domain(config, work)
    click.echo(f"access number {number} is nobody's")


@access_number.command("share")
@CONFIG_FILE
@click.argument("number")
def access_number_share(config: Path, number: str) -> None:
    """Make NUMBER one of which enterprises get sub-codes (add NUMBER ENTERPRISE_ID --sub-code CODE)."""

    async def work(_: GatewaySettings, domain: Domain) -> None:
        await domain.store.write(lambda conn: number_plan.share(conn, number))

    in_domain(config, work)
    click.echo(f"access number {number} is shared")


@access_number.command("unshare")
@CONFIG_FILE
@click.argument("number")
def access_number_unshare(config: Path, number: str) -> None:
    """Take back a shared NUMBER that has no sub-codes any more."""

    async def work(_: GatewaySettings, domain: Domain) -> None:
        await domain.store.write(lambda conn: number_plan.unshare(conn, number))

    in_domain(config, work)
    click.echo(f"access number {number} is not shared")


@access_number.command("list")
@CONFIG_FILE
def access_number_list(config: Path) -> None:
    """Print all access numbers, and of which shared number each is a sub-code."""

    async def work(_: GatewaySettings, domain: Domain) -> DirectoryRows:
        return await domain.store.write(accounts.load)

    rows = in_domain(config, work)
    for shared in sorted(rows.shared_numbers):
        click.echo(f"{shared} shared")
    for row in sorted(rows.access_numbers, key=lambda each: each.number):
        whose = number_plan.shared_by(rows, row.number)
        words = [
            row.number,
            row.enterprise_id,
            f"sms={row.sms_account or '-'}",
            f"voice={row.voice_trunk or '-'}",
        ]
        click.echo(" ".join(words + ([] if whose is None else [f"sub-code-of={whose}"])))


_HIDDEN: Final = ("password_hash", "key_sealed", "outbind_sealed")


def _show(row: AccountRow | AccessNumberRow) -> None:
    for each in fields(row):
        value = getattr(row, each.name)
        if each.name in _HIDDEN:
            continue
        if isinstance(value, tuple):
            value = " ".join(map(str, value)) or "-"
        elif value is None:
            value = "-" if each.name in ("sms_account", "voice_trunk", "signature", "outbind") else _DEFAULT
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        click.echo(f"{each.name}: {value}")
