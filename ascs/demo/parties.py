"""Every party of the demo set up as its own operator would: keys, certificates, accounts, configuration files."""

from __future__ import annotations

import asyncio
import csv
import io
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ascs.commands.common import load_settings
from ascs.commands.pki import write_sign_key
from ascs.demo.layout import (
    AID_DOMAIN,
    APPROVERS,
    CARRIER,
    CONFIRMATION_NUMBER,
    ENTERPRISES,
    HOST,
    NETWORK,
    REGULATOR,
    TRUST,
    DemoEnterprise,
    Layout,
    Person,
)
from ascs.demo.toml_text import toml_text
from foundation.atomic import write_atomic
from foundation.pki import make_ca, make_party
from gateway import app as gateway_app
from gateway.accounts import administration
from gateway.accounts import people as people_table
from gateway.accounts.account_options import make_key
from gateway.carrier_api import approvers
from gateway.settings import GatewaySettings
from gm.keystore import KeyProvider
from gm.sm2 import PrivateKey
from trust_party import app as trust_app
from trust_party.admission import add_sign_key, admit_enterprise, admit_regulator
from trust_party.carrier_card import admit_by_card
from trust_party.settings import TrustSettings

SMSC_SYSTEM_ID = "gateway"
SMSC_PASSWORD = "gw-demo"  # noqa: S105 - a loopback demo, printed to its user
RADIO_PASSWORD = "radio"  # noqa: S105
VALID_FROM = "2020-01-01"


@dataclass(frozen=True, slots=True)
class OtherSmsc:
    """Someone else's SMSC behind the gateway."""

    system_id: str
    password: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class OtherCore:
    """Someone else's SIP core behind the gateway."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Files:
    """The configuration file of each process."""

    trust: Path
    gateway: Path
    smsc: Path
    core: Path
    handsets: Path
    enterprises: dict[str, Path]
    regulator: Path
    """Of its tools; it has no process of its own but its witness."""
    witnesses: dict[str, Path]
    """Of each party that watches the log."""


def allow_unknown_aids(files: Files, burst: int) -> None:
    """Let an enterprise name so many unknown AIDs at once, at the gateway and at the trust party."""
    line = f"unknown_aids_burst = {burst}\n"
    files.trust.write_text(line + files.trust.read_text())
    files.gateway.write_text(files.gateway.read_text().replace("[trust]\n", f"[trust]\n{line}", 1))


def set_up(layout: Layout, people: Sequence[Person], smsc: OtherSmsc | None, core: OtherCore | None) -> Files:
    """Make all folders and files of a demo. Raises what the parties' own commands raise."""
    for folder in layout.folders.values():
        folder.mkdir(parents=True, mode=0o700)
    _certificates(layout)
    files = Files(
        trust=_write(layout.trust / "trust.toml", _trust(layout)),
        gateway=_write(layout.carrier / "gateway.toml", _gateway(layout, smsc, core)),
        smsc=_write(layout.simulators / "smsc.toml", _smsc(layout)),
        core=_write(layout.simulators / "core.toml", _core(layout)),
        handsets=_write(layout.simulators / "handsets.toml", _handsets(layout)),
        enterprises={
            each.id: _write(layout.enterprise(each.id) / "enterprise.toml", _enterprise(layout, each))
            for each in ENTERPRISES
        },
        regulator=_write(layout.regulator / "regulator.toml", _regulator(layout)),
        witnesses={
            party: _write(folder / "witness.toml", _witness(layout, party))
            for party, folder in layout.witnesses.items()
        },
    )
    trust_settings = load_settings(files.trust, TrustSettings)
    trust_app.init(trust_settings)
    # Public keys go from party to party as files, as operators would hand them over.
    sign_pem = (layout.trust / "public" / "sign-1.pem").read_bytes()
    write_atomic(layout.carrier / "trust-sign.pem", sign_pem, mode=0o644)
    envelope_pem = (layout.trust / "public" / "envelope-1.pem").read_bytes()
    write_atomic(layout.carrier / "trust-envelope.pem", envelope_pem, mode=0o644)
    for each in ENTERPRISES:
        folder = layout.enterprise(each.id)
        write_atomic(folder / "trust-sign.pem", sign_pem, mode=0o644)
        write_sign_key(folder)
        admit_enterprise(trust_settings, each.id, each.name, (folder / "sign.pem").read_bytes())
    write_sign_key(layout.regulator)
    sign_key = (layout.regulator / "sign.pem").read_bytes()
    admit_regulator(trust_settings, REGULATOR, "通信管理局(演示)", sign_key)
    for each_approver in APPROVERS:
        key = PrivateKey.generate()
        write_atomic(layout.regulator / f"{each_approver}.key", key.to_pem())
        write_atomic(layout.regulator / f"{each_approver}.pem", key.public_key.to_pem(), mode=0o644)
    write_atomic(layout.regulator / "trust-sign.pem", sign_pem, mode=0o644)
    log_pem = (layout.trust / "public" / "log-1.pem").read_bytes()
    write_atomic(layout.regulator / "trust-log.pem", log_pem, mode=0o644)
    keys = asyncio.run(_fill_gateway(layout, files, people))
    query_pem = keys.current("query").sm2.public_key.to_pem()
    write_atomic(layout.regulator / f"{CARRIER}-query-1.pem", query_pem, mode=0o644)
    _write_csv(layout.people_file, people_table.COLUMNS, ())
    card = (layout.carrier / "public" / "carrier.json").read_bytes()
    url = f"https://{HOST}:{layout.ports.carrier_api}"
    admit_by_card(trust_settings, card, "中国移动(演示)", url)
    # A key for its witness alone: the carrier's own is in its key store.
    write_sign_key(layout.carrier)
    add_sign_key(trust_settings, CARRIER, (layout.carrier / "sign.pem").read_bytes())
    _introduce_witnesses(layout, keys)
    write_atomic(layout.simulators / "edi.pem", keys.current("edi").sm2.public_key.to_pem(), mode=0o644)
    network_key = keys.current(f"network/{NETWORK}").material.hex()
    write_atomic(layout.simulators / "network.hmac", network_key.encode())
    _write_csv(
        layout.simulators / "subscribers.csv",
        ("msisdn", "imsi", "imei"),
        [(each.msisdn, each.imsi, each.imei) for each in people],
    )
    return files


def _introduce_witnesses(layout: Layout, keys: KeyProvider) -> None:
    """Give each witness the others' public keys, and the log's; and the regulator the carrier's and enterprise's."""
    log_pem = (layout.trust / "public" / "log-1.pem").read_bytes()
    sign_pem = (layout.trust / "public" / "sign-1.pem").read_bytes()
    for folder in layout.witnesses.values():
        write_atomic(folder / "trust-log.pem", log_pem, mode=0o644)
        write_atomic(folder / "trust-sign.pem", sign_pem, mode=0o644)
        for party, other in layout.witnesses.items():
            write_atomic(folder / f"witness-{party}.pem", (other / "sign.pem").read_bytes(), mode=0o644)
    carrier_pem = keys.current("sign").sm2.public_key.to_pem()
    write_atomic(layout.regulator / f"{CARRIER}.pem", carrier_pem, mode=0o644)


async def _fill_gateway(layout: Layout, files: Files, people: Sequence[Person]) -> KeyProvider:
    """What `ascs gateway enterprise add`, `access-number add` and `subscriber import` do."""
    settings = load_settings(files.gateway, GatewaySettings)
    domain, keys = gateway_app.open_domain(settings)
    try:
        for each in ENTERPRISES:
            key, sealed = make_key(domain.vault)
            await domain.store.write(
                partial(_add_enterprise, each=each, settings=settings, key_sealed=sealed)
            )
            write_atomic(layout.enterprise(each.id) / "account.key", key.hex().encode())
        table = layout.carrier / "subscribers.csv"
        _write_csv(
            table,
            administration.SUBSCRIBER_COLUMNS,
            [
                row
                for each in people
                for row in (
                    (each.msisdn, "IMSI", each.imsi, VALID_FROM, ""),
                    (each.msisdn, "IMEI", each.imei, VALID_FROM, ""),
                )
            ],
        )
        await administration.import_subscribers(domain, table)
        for approver in APPROVERS:
            pem = (layout.regulator / f"{approver}.pem").read_bytes()
            await domain.store.write(partial(_enrol, approver=approver, pem=pem, now_ms=domain.now_ms()))
    finally:
        await domain.store.close()
    return keys


def _enrol(conn: sqlite3.Connection, approver: str, pem: bytes, now_ms: int) -> None:
    approvers.enrol(
        conn,
        operator="demo",
        approver_id=approver,
        requester=REGULATOR,
        name=approver,
        public_key_pem=pem,
        now_ms=now_ms,
    )


def _add_enterprise(
    conn: sqlite3.Connection, each: DemoEnterprise, settings: GatewaySettings, key_sealed: bytes
) -> None:
    administration.add_enterprise(
        conn,
        enterprise_id=each.id,
        name=each.name,
        system_id=each.system_id,
        smpp_password=each.smpp_password,
        max_binds=16,
        sip_username=each.sip_user,
        sip_password=each.sip_password,
        realm=settings.voice.realm,
        default_access_number=each.access_number,
        sip_contact=None,
        max_calls=500,
        options={"key_sealed": key_sealed},
    )
    administration.add_access_number(
        conn,
        confirmation_number=settings.confirm.access_number,
        number=each.access_number,
        enterprise_id=each.id,
        sms_account=each.system_id,
        voice_trunk=each.sip_user,
    )


def _certificates(layout: Layout) -> None:
    """One development CA, whose key is in nobody's folder once the certificates are made."""
    authority = layout.root / "ca"
    make_ca(authority, "ascs demo CA")
    make_party(layout.trust / "pki", authority, TRUST)
    make_party(layout.carrier / "pki", authority, CARRIER)
    make_party(layout.simulators / "pki", authority, NETWORK)
    make_party(layout.regulator / "pki", authority, REGULATOR)
    for each in ENTERPRISES:
        make_party(layout.enterprise(each.id) / "pki", authority, each.id)
    for path in authority.iterdir():
        path.unlink()
    authority.rmdir()


def _tls(party: str) -> dict[str, object]:
    return {"ca": "pki/ca.pem", "cert": f"pki/{party}.pem", "key": f"pki/{party}.key"}


def _trust(layout: Layout) -> dict[str, object]:
    return {
        "party": TRUST,
        "data_dir": ".",
        "host": HOST,
        "port": layout.ports.trust,
        "capture_file": "received.capture",
        "witness_seconds": 2,
        "tls": _tls(TRUST),
        "keystore": {"path": "keys.store", "passphrase_file": "passphrase"},
    }


def _gateway(layout: Layout, smsc: OtherSmsc | None, core: OtherCore | None) -> dict[str, object]:
    ports = layout.ports
    return {
        "data_dir": ".",
        "carrier": {"id": CARRIER, "aid_domain": AID_DOMAIN},
        "keystore": {"path": "keys.store", "passphrase_file": "passphrase"},
        "tls": _tls(CARRIER),
        "trust": {
            "id": TRUST,
            "url": f"https://{HOST}:{ports.trust}",
            "sign_public_key": "trust-sign.pem",
            "envelope_public_key": "trust-envelope.pem",
        },
        "carrier_api": {"host": HOST, "port": ports.carrier_api},
        "operations": {"host": HOST, "port": ports.operations},
        "smpp": {"host": HOST, "port": ports.smpp},
        "smsc": [
            {
                "name": "smsc",
                "host": smsc.host if smsc else HOST,
                "port": smsc.port if smsc else ports.smsc,
                "system_id": smsc.system_id if smsc else SMSC_SYSTEM_ID,
                "password": smsc.password if smsc else SMSC_PASSWORD,
            }
        ],
        "voice": {
            # MD5 alone, since testers' clients answer the first challenge or none (sipp 3.6), or give up
            # when any of the challenges names another algorithm (baresip 1.0, with libre 1.1).
            "digest": ["MD5"],
            "enterprise": {"host": HOST, "port": ports.sip_enterprise},
            "core_side": {"host": HOST, "port": ports.sip_core_side},
            "core": [
                {"host": core.host if core else HOST, "port": core.port if core else ports.core},
            ],
            "media": {"host": HOST, "port_min": ports.media_min, "port_max": ports.media_max},
        },
        "confirm": {"access_number": CONFIRMATION_NUMBER, "network_peers": [NETWORK]},
    }


def _smsc(layout: Layout) -> dict[str, object]:
    return {
        "host": HOST,
        "port": layout.ports.smsc,
        "data_dir": "smsc",
        "log_dir": "logs",
        "accounts": [
            {"system_id": SMSC_SYSTEM_ID, "password": SMSC_PASSWORD, "routes": ["106"]},
            {"system_id": "handsets", "password": RADIO_PASSWORD, "kind": "handsets"},
        ],
    }


def _core(layout: Layout) -> dict[str, object]:
    ports = layout.ports
    return {
        "host": HOST,
        "port": ports.core,
        "log_dir": "logs",
        "gateway": {"host": HOST, "port": ports.sip_core_side},
        "handsets": {"host": HOST, "port": ports.handsets_sip},
    }


def _handsets(layout: Layout) -> dict[str, object]:
    ports = layout.ports
    return {
        "subscribers": "subscribers.csv",
        "api_host": HOST,
        "api_port": ports.handsets_api,
        "log_dir": "logs",
        "radio": {"host": HOST, "port": ports.smsc, "system_id": "handsets", "password": RADIO_PASSWORD},
        "sip": {"host": HOST, "port": ports.handsets_sip, "core_host": HOST, "core_port": ports.core},
        "app": {"carrier": CARRIER, "carrier_key_id": "K001", "carrier_public_key": "edi.pem"},
        "network": {
            "url": f"https://{HOST}:{ports.carrier_api}",
            "party": CARRIER,
            **_tls(NETWORK),
            "sign_key_id": f"{NETWORK}/http/1",
            "hmac_key": "network.hmac",
        },
    }


def _enterprise(layout: Layout, each: DemoEnterprise) -> dict[str, object]:
    ports = layout.ports
    return {
        "id": each.id,
        "name": each.name,
        "access_numbers": [each.access_number],
        "aids_file": "aids.csv",
        "capture_file": "received.capture",
        "api_host": HOST,
        "api_port": ports.enterprise_api[each.id],
        "log_dir": "logs",
        "smpp": {
            "host": HOST,
            "port": ports.smpp,
            "system_id": each.system_id,
            "password": each.smpp_password,
        },
        "sip": {
            "host": HOST,
            "port": ports.sip_enterprise,
            "domain": AID_DOMAIN,
            "username": each.sip_user,
            "password": each.sip_password,
        },
        "trust": {
            "url": f"https://{HOST}:{ports.trust}",
            "party": TRUST,
            **_tls(each.id),
            "sign_key_id": f"{each.id}/sign/1",
            "sign_key": "sign.key",
            "peer_keys": {f"{TRUST}/sign/1": "trust-sign.pem"},
        },
        # Generous, since testers and benches write to one AID many times a second.
        "consent": {"service": each.service, "hours": "00:00-24:00", "frequency": "99999/hour"},
    }


def _regulator(layout: Layout) -> dict[str, object]:
    return {
        "id": REGULATOR,
        "log_keys": ["trust-log.pem"],
        "trust": {
            "url": f"https://{HOST}:{layout.ports.trust}",
            "party": TRUST,
            **_tls(REGULATOR),
            "sign_key_id": f"{REGULATOR}/sign/1",
            "sign_key": "sign.key",
            "peer_keys": {f"{TRUST}/sign/1": "trust-sign.pem"},
        },
        "carriers": [{"id": CARRIER, "query_key": f"{CARRIER}-query-1.pem"}],
    }


def _witness(layout: Layout, party: str) -> dict[str, object]:
    return {
        "party": party,
        "data_dir": "witness",
        "log_key": "trust-log.pem",
        "every_seconds": 1,
        "trust": {
            "url": f"https://{HOST}:{layout.ports.trust}",
            "party": TRUST,
            **_tls(party),
            # The carrier's first key signs what its gateway states.
            "sign_key_id": f"{CARRIER}/tool/1" if party == CARRIER else f"{party}/sign/1",
            "sign_key": "sign.key",
            "peer_keys": {f"{TRUST}/sign/1": "trust-sign.pem"},
        },
        "witnesses": {other: f"witness-{other}.pem" for other in layout.witnesses if other != party},
    }


def _write(path: Path, values: dict[str, object]) -> Path:
    write_atomic(path, toml_text(values).encode())
    return path


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())
