"""`ascs gateway evidence`: what must be given."""

from pathlib import Path

import pytest

from gm.sm2 import PrivateKey
from tests.ascs.commands.cli import ascs


@pytest.mark.parametrize("given", [(), ("--aid", "888132341582397708", "--number", "8613800000001")])
def test_one_of_aid_and_number(gateway_file: Path, tmp_path: Path, given: tuple[str, ...]) -> None:
    key = tmp_path / "log.pem"
    key.write_bytes(PrivateKey.generate().public_key.to_pem())
    result = ascs("gateway", "evidence", gateway_file, "--log-key", key, *given)
    assert (result.exit_code, "--aid or --number" in result.output) == (2, True)


def test_a_key_that_is_none_is_told_in_a_line(gateway_file: Path) -> None:
    result = ascs(
        "gateway", "evidence", gateway_file, "--log-key", gateway_file, "--aid", "888132341582397708"
    )
    assert (result.exit_code, result.output.startswith("Error: ")) == (1, True)
