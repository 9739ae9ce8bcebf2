"""Every party of the demo is set up in a folder of its own, as its operator would."""

import csv
from pathlib import Path

import pytest

from ascs.demo.layout import ENTERPRISES, PEOPLE, Layout
from ascs.demo.parties import Files, OtherCore, OtherSmsc, allow_unknown_aids, set_up
from foundation.config import check, load
from gateway.settings import GatewaySettings
from masking.encodings import Numbers, find
from simulators.core.settings import CoreSettings
from simulators.enterprise.settings import EnterpriseSettings
from simulators.handsets.settings import FleetSettings
from simulators.smsc.settings import SmscSettings
from tests.ascs.demo.places import layout_in
from trust_client.witness_settings import WitnessSettings
from trust_party.settings import TrustSettings


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return layout_in(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def files(layout: Layout) -> Files:
    return set_up(layout, PEOPLE, None, None)


def test_each_configuration_is_one_that_loads(files: Files) -> None:
    for file, model in (
        (files.trust, TrustSettings),
        (files.gateway, GatewaySettings),
        (files.smsc, SmscSettings),
        (files.core, CoreSettings),
        (files.handsets, FleetSettings),
        *((file, EnterpriseSettings) for file in files.enterprises.values()),
        *((file, WitnessSettings) for file in files.witnesses.values()),
    ):
        assert check(file, model) == [], file


def test_how_many_unknown_aids_may_be_named_is_told_to_both(files: Files) -> None:
    before = {file: file.read_text() for file in (files.trust, files.gateway)}
    allow_unknown_aids(files, 123_456)
    assert load(files.trust, TrustSettings).unknown_aids_burst == 123_456
    assert load(files.gateway, GatewaySettings).trust.unknown_aids_burst == 123_456
    for file, text in before.items():
        file.write_text(text)


def test_a_partys_folder_is_for_its_owner_alone(layout: Layout, files: Files) -> None:
    for folder in layout.folders.values():
        assert folder.stat().st_mode & 0o777 == 0o700
    for secret in (*layout.root.rglob("*.key"), *layout.root.rglob("keys.store")):
        assert secret.stat().st_mode & 0o777 == 0o600, secret


def test_nobody_keeps_the_authoritys_key(layout: Layout, files: Files) -> None:
    assert not list(layout.root.rglob("ca.key"))
    assert not (layout.root / "ca").exists()


def test_only_the_carrier_and_the_people_themselves_have_numbers(layout: Layout, files: Files) -> None:
    numbers = Numbers([number for each in PEOPLE for number in (each.msisdn, each.imsi, each.imei)])
    for folder in (layout.trust, *(layout.enterprise(each.id) for each in ENTERPRISES)):
        for file in (each for each in folder.rglob("*") if each.is_file()):
            assert find(file.read_bytes(), numbers) == [], file
    with (layout.carrier / "subscribers.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert {row["msisdn"] for row in rows} == {each.msisdn for each in PEOPLE}


def test_the_parties_know_each_other(files: Files) -> None:
    gateway = load(files.gateway, GatewaySettings)
    trust = load(files.trust, TrustSettings)
    assert gateway.trust.url.endswith(f":{trust.port}")
    assert (
        gateway.trust.sign_public_key.read_bytes()
        == (files.trust.parent / "public" / "sign-1.pem").read_bytes()
    )
    smsc = load(files.smsc, SmscSettings)
    assert gateway.smsc[0].port == smsc.port
    for each in ENTERPRISES:
        enterprise = load(files.enterprises[each.id], EnterpriseSettings)
        assert (enterprise.smpp.port, enterprise.sip.port) == (
            gateway.smpp.port,
            gateway.voice.enterprise.port,
        )


def test_someone_elses_smsc_and_core_stand_in_the_gateways_file(tmp_path: Path) -> None:
    made = set_up(
        layout_in(tmp_path),
        PEOPLE[:1],
        OtherSmsc("me", "secret", "192.0.2.1", 2775),
        OtherCore("192.0.2.2", 5060),
    )
    gateway = load(made.gateway, GatewaySettings)
    [link] = gateway.smsc
    assert (link.host, link.port, link.system_id, link.password) == ("192.0.2.1", 2775, "me", "secret")
    [core] = gateway.voice.core
    assert (core.host, core.port) == ("192.0.2.2", 5060)
