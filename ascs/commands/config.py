"""`ascs config check`: what is wrong with a configuration file, by line and key."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import click
from pydantic import BaseModel

from ascs.commands.asker import AskerSettings
from foundation.config import ConfigError, load
from foundation.config import check as check_file
from gateway.policy.text_words import load_words
from gateway.settings import GatewaySettings
from gateway.sms.smsc_errors import ErrorFile, check_names
from simulators.core.settings import CoreSettings
from simulators.enterprise.settings import EnterpriseSettings
from simulators.handsets.settings import FleetSettings
from simulators.smsc.settings import SmscSettings
from trust_client.witness_settings import WitnessSettings
from trust_party.settings import TrustSettings

MODELS: dict[str, type[BaseModel]] = {
    "gateway": GatewaySettings,
    "trust": TrustSettings,
    "witness": WitnessSettings,
    "smsc-errors": ErrorFile,
    "smsc": SmscSettings,
    "core": CoreSettings,
    "handsets": FleetSettings,
    "enterprise": EnterpriseSettings,
    "regulator": AskerSettings,
}


@click.group()
def config() -> None:
    """Configuration files."""


@config.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--kind", type=click.Choice(sorted(MODELS)), help="What FILE configures; by its name when not given."
)
def check(file: Path, kind: str | None) -> None:
    """Say what is wrong with FILE, by line and key; exit 1 if anything is."""
    model = MODELS[kind] if kind is not None else _model_of(file)
    errors = check_file(file.resolve(), model)
    if model is GatewaySettings and not errors:
        settings = load(file.resolve(), GatewaySettings)
        errors = _check_smsc_errors(settings) + _check_words(settings)
    for error in errors:
        click.echo(str(error), err=True)
    if errors:
        sys.exit(1)
    click.echo(f"{file}: no fault found")


def _check_smsc_errors(settings: GatewaySettings) -> list[ConfigError]:
    """Faults of the file that the gateway's file names."""
    if settings.smsc_errors is None:
        return []
    errors = check_file(settings.smsc_errors, ErrorFile)
    return errors or check_names(settings.smsc_errors, {each.name for each in settings.smsc})


def _check_words(settings: GatewaySettings) -> list[ConfigError]:
    """The first fault of the list of words that the gateway's file names."""
    try:
        load_words(settings.sms.sensitive_words)
    except ConfigError as error:
        return [error]
    return []


def _model_of(file: Path) -> type[BaseModel]:
    """By the file's name, else by the keys that only one kind has."""
    for kind, model in MODELS.items():
        if kind in file.stem:
            return model
    try:
        keys = set(tomllib.loads(file.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        keys = set()
    fitting = [model for model in MODELS.values() if keys and keys <= set(model.model_fields)]
    if len(fitting) != 1:
        raise click.UsageError(f"say with --kind what {file.name} configures: {', '.join(sorted(MODELS))}")
    return fitting[0]
