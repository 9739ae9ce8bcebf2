"""config/gateway.toml loads, shows every key, and each default as it holds without the file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from foundation.config import check, load
from gateway.settings import GatewaySettings
from simulators.core.settings import CoreSettings
from simulators.enterprise.settings import EnterpriseSettings
from simulators.smsc.settings import SmscSettings
from trust_party.settings import TrustSettings

CONFIG = Path(__file__).parents[2] / "config"
FILE = CONFIG / "gateway.toml"


def test_the_configuration_that_ships_is_one_that_loads() -> None:
    assert check(FILE, GatewaySettings) == []
    settings = load(FILE, GatewaySettings)
    assert settings.data_dir.is_absolute()
    assert settings.keystore.path.is_relative_to(settings.data_dir)


def assert_shows_every_key(model: type[BaseModel], shown: dict[str, Any], where: str) -> None:
    """Every field is in the file; what has a default is shown with it, what has none, and need not be there, is either
    set for the parties that the files of this folder make, or shown as a comment."""
    optional = {name for name, field in model.model_fields.items() if field.default is None}
    left_out = optional - set(shown)
    assert set(shown) == set(model.model_fields) - left_out, where
    for name in left_out:
        assert re.search(rf"^# (\[{where}\.{name}\]|{name} = )", FILE.read_text(), re.MULTILINE), (
            f"{where}.{name}"
        )
    for name, field in model.model_fields.items():
        if name in optional:
            continue
        inner = field.annotation
        value = shown[name]
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            assert_shows_every_key(inner, value, f"{where}.{name}")
            value = inner.model_validate(value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            element = field.annotation.__args__[0]  # type: ignore[union-attr]
            for each in value:
                assert_shows_every_key(element, each, f"{where}.{name}")
            value = [element.model_validate(each) for each in value]
        if not field.is_required():
            default = field.get_default(call_default_factory=True)
            assert (tuple(value) if isinstance(value, list) else value) == default, f"{where}.{name}"


def test_what_the_file_shows_is_what_holds_without_it() -> None:
    with FILE.open("rb") as file:
        shown = tomllib.load(file)
    [smsc] = shown.pop("smsc")
    others = {name: field for name, field in GatewaySettings.model_fields.items() if name != "smsc"}
    assert set(shown) == set(others)
    assert_shows_every_key(GatewaySettings.model_fields["smsc"].annotation.__args__[0], smsc, "smsc")  # type: ignore[union-attr]
    for name, field in others.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            assert_shows_every_key(field.annotation, shown[name], name)
        elif not field.is_required() and field.default is not None:
            assert shown[name] == field.default, name


def test_it_fits_the_other_files() -> None:
    gateway = load(FILE, GatewaySettings)
    trust = load(CONFIG / "trust.toml", TrustSettings)
    smsc = load(CONFIG / "smsc.toml", SmscSettings)
    core = load(CONFIG / "core.toml", CoreSettings)
    enterprise = load(CONFIG / "enterprise.toml", EnterpriseSettings)
    assert gateway.trust.url == enterprise.trust.url == f"https://{trust.host}:{trust.port}"
    assert gateway.trust.id == enterprise.trust.party == trust.party
    [link] = gateway.smsc
    account = next(each for each in smsc.accounts if each.system_id == link.system_id)
    assert (link.host, link.port, link.password) == (smsc.host, smsc.port, account.password)
    assert all(gateway.confirm.access_number.startswith(route) for route in account.routes)
    assert all(number.startswith(tuple(account.routes)) for number in enterprise.access_numbers)
    [peer] = gateway.voice.core
    assert (peer.host, peer.port) == (core.host, core.port)
    side = gateway.voice.core_side
    assert (side.host, side.port) == (core.gateway.host, core.gateway.port)
    assert (enterprise.smpp.host, enterprise.smpp.port) == (gateway.smpp.host, gateway.smpp.port)
    sip = gateway.voice.enterprise
    assert (enterprise.sip.host, enterprise.sip.port) == (sip.host, sip.port)
    assert enterprise.sip.domain == gateway.carrier.aid_domain


def commented_tables(text: str) -> str:
    """The example with its commented tables in force."""
    return re.sub(r"^# (?=\[(?:smpp|smsc|trust|voice)\.|\w+ = )", "", text, flags=re.MULTILINE)


def test_the_tables_in_comments_are_right_too(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(commented_tables(FILE.read_text()))
    settings = load(file, GatewaySettings)
    assert settings.smpp.tls is not None
    assert settings.trust.mqtt is not None
    assert settings.voice.enterprise.tls is not None
    [smsc] = settings.smsc
    assert smsc.tls is not None
    assert smsc.outbind is not None


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("backoff_min_s = 0.5", "backoff_min_s = 31.0"), "smsc[0]"),
        (("# cert = ", "#cert = "), "smsc[0].tls"),
        (("# cert = ", "#cert = "), "smpp.tls.cert"),
        (('system_type = ""', 'system_type = "短信"'), "smsc[0].system_type"),
        (('bind = "transceiver"', 'bind = "receiver"'), "smsc[0].bind"),
        (('addresses = ["127.0.0.1"]', 'addresses = ["localhost"]'), "smsc[0].outbind.addresses[0]"),
        (("[sms]\n", '[[smsc]]\nname = "smsc"\nsystem_id = "g"\npassword = "g"\n[sms]\n'), "smsc"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    text = FILE.read_text()
    assert change[0] in text
    file = tmp_path / "gateway.toml"
    file.write_text(commented_tables(text.replace(*change)))
    assert key in [fault.key for fault in check(file, GatewaySettings)]
