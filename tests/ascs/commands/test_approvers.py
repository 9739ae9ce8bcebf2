"""`ascs gateway approver` and `ascs gateway queries`."""

from pathlib import Path

from gm.sm2 import PrivateKey
from tests.ascs.commands.cli import ascs, done


def test_approvers_are_enrolled_listed_and_removed(gateway_file: Path, tmp_path: Path) -> None:
    key = tmp_path / "approver.pem"
    key.write_bytes(PrivateKey.generate().public_key.to_pem())
    given = ("--requester", "regulator", "--name", "张三", "--key", key)
    assert "may approve queries of regulator" in done(
        "gateway", "approver", "add", gateway_file, "zhang-san", *given
    )
    [line] = done("gateway", "approver", "list", gateway_file).splitlines()
    assert line.split("\t")[:3] == ["zhang-san", "regulator", "张三"]
    again = ascs("gateway", "approver", "add", gateway_file, "li-si", *given)
    assert (again.exit_code, "enrolled already" in again.output) == (1, True)
    done("gateway", "approver", "remove", gateway_file, "zhang-san")
    assert done("gateway", "approver", "list", gateway_file) == ""
    assert ascs("gateway", "approver", "remove", gateway_file, "zhang-san").exit_code == 1


def test_without_queries_nothing_is_printed_and_the_chain_holds(gateway_file: Path) -> None:
    assert done("gateway", "queries", gateway_file, "--numbers") == ""
