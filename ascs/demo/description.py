"""`demo.json`: where everything is, for tools that drive a running demo."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from ascs.demo.layout import AID_DOMAIN, APPROVERS, ENTERPRISES, HOST, Layout
from ascs.demo.parties import SMSC_PASSWORD, SMSC_SYSTEM_ID, OtherCore, OtherSmsc
from foundation.atomic import write_atomic


class Script(StrEnum):
    """How far the demo's own script is."""

    NONE = "none"
    """The demo was started without it."""
    RUNNING = "running"
    """The enterprises' own programs are bound and registered."""
    PASSED = "passed"
    FAILED = "failed"
    """A step or the search failed, or the demo was ended before."""


def describe(
    layout: Layout,
    *,
    ready: bool,
    aids_ready: bool,
    script: Script,
    smsc: OtherSmsc | None,
    core: OtherCore | None,
) -> dict[str, Any]:
    """The description of a demo.

    `ready` is true while all its listeners answer, `aids_ready` once every consent of the start is ACTIVE and
    in the files.
    """
    ports = layout.ports
    return {
        "ready": ready,
        "aids_ready": aids_ready,
        "script": script,
        "enterprises": [
            {
                "id": each.id,
                "name": each.name,
                "access_numbers": [each.access_number],
                "smpp": {
                    "host": HOST,
                    "port": ports.smpp,
                    "system_id": each.system_id,
                    "password": each.smpp_password,
                },
                "sip": {
                    "host": HOST,
                    "port": ports.sip_enterprise,
                    "transport": "udp",
                    "domain": AID_DOMAIN,
                    "username": each.sip_user,
                    "password": each.sip_password,
                },
                "aids_file": str(layout.enterprise(each.id) / "aids.csv"),
                "trust": {
                    "url": f"https://{HOST}:{ports.trust}",
                    "ca": str(layout.enterprise(each.id) / "pki" / "ca.pem"),
                    "cert": str(layout.enterprise(each.id) / "pki" / f"{each.id}.pem"),
                    "key": str(layout.enterprise(each.id) / "pki" / f"{each.id}.key"),
                    "sign_key_id": f"{each.id}/sign/1",
                    "sign_key": str(layout.enterprise(each.id) / "sign.key"),
                },
            }
            for each in ENTERPRISES
        ],
        "carrier": {
            "people_file": str(layout.people_file),
            "smsc": {
                "host": smsc.host if smsc else HOST,
                "port": smsc.port if smsc else ports.smsc,
                "system_id": smsc.system_id if smsc else SMSC_SYSTEM_ID,
                "password": smsc.password if smsc else SMSC_PASSWORD,
            },
            "core": {
                "host": core.host if core else HOST,
                "port": core.port if core else ports.core,
                "transport": "udp",
            },
            "gateway_core_side": {"host": HOST, "port": ports.sip_core_side, "transport": "udp"},
            "health_url": f"http://{HOST}:{ports.operations}/health",
            "metrics_url": f"http://{HOST}:{ports.operations}/metrics",
        },
        "handsets": {"url": f"http://{HOST}:{ports.handsets_api}"},
        "regulator": {
            "config": str(layout.regulator / "regulator.toml"),
            "approvers": {each: str(layout.regulator / f"{each}.key") for each in APPROVERS},
        },
    }


def write(layout: Layout, description: dict[str, Any]) -> None:
    write_atomic(layout.description, json.dumps(description, ensure_ascii=False, indent=1).encode() + b"\n")
