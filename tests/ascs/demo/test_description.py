"""demo.json says where everything is, to tools that know no more."""

import json
from pathlib import Path
from typing import Any

from ascs.demo import description
from ascs.demo.description import Script, describe
from ascs.demo.layout import APPROVERS, ENTERPRISES
from ascs.demo.parties import OtherCore, OtherSmsc
from tests.ascs.demo.places import layout_in


def described(root: Path, **options: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "ready": True,
        "aids_ready": False,
        "script": Script.RUNNING,
        "smsc": None,
        "core": None,
    }
    return describe(layout_in(root), **(defaults | options))


def test_each_enterprise_has_its_accounts_and_its_files(tmp_path: Path) -> None:
    found = described(tmp_path)["enterprises"]
    assert [each["id"] for each in found] == [each.id for each in ENTERPRISES]
    first = found[0]
    assert first["smpp"] == {
        "host": "127.0.0.1",
        "port": 1002,
        "system_id": ENTERPRISES[0].system_id,
        "password": ENTERPRISES[0].smpp_password,
    }
    assert (first["sip"]["port"], first["sip"]["transport"]) == (1003, "udp")
    folder = str(tmp_path / f"enterprise-{ENTERPRISES[0].id}")
    for file in (first["aids_file"], *(first["trust"][name] for name in ("ca", "cert", "key", "sign_key"))):
        assert file.startswith(folder), "an enterprise is shown no other party's folder"


def test_the_carriers_smsc_and_core_are_the_demos_own_unless_given(tmp_path: Path) -> None:
    own = described(tmp_path)["carrier"]
    assert (own["smsc"]["port"], own["core"]["port"]) == (1007, 1008)
    others = described(
        tmp_path, smsc=OtherSmsc("me", "secret", "192.0.2.1", 2775), core=OtherCore("192.0.2.2", 5060)
    )["carrier"]
    assert others["smsc"] == {"host": "192.0.2.1", "port": 2775, "system_id": "me", "password": "secret"}
    assert (others["core"]["host"], others["core"]["port"]) == ("192.0.2.2", 5060)


def test_a_regulators_tools_have_their_file_and_the_approvers_keys(tmp_path: Path) -> None:
    told = described(tmp_path)["regulator"]
    assert told["config"] == str(tmp_path / "regulator" / "regulator.toml")
    assert told["approvers"] == {each: str(tmp_path / "regulator" / f"{each}.key") for each in APPROVERS}


def test_how_far_the_demo_is_is_told(tmp_path: Path) -> None:
    told = described(tmp_path, ready=False, aids_ready=True, script=Script.FAILED)
    assert (told["ready"], told["aids_ready"], told["script"]) == (False, True, "failed")


def test_the_file_is_what_was_described_and_is_replaced_whole(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    for ready in (True, False):
        description.write(layout, described(tmp_path, ready=ready))
        assert json.loads(layout.description.read_text()) == described(tmp_path, ready=ready)
    assert [each.name for each in tmp_path.iterdir()] == ["demo.json"]
    assert "顺达快递" in layout.description.read_text()
