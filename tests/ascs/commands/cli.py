"""The command line as an operator types it, in this process."""

from click.testing import CliRunner, Result

from ascs.main import main
from tests.conftest import PEERS_FILE

CONFIG = PEERS_FILE.parents[1] / "config"
ENTERPRISE = (
    "ent-a", "--name", "顺达快递", "--system-id", "shunda", "--sip-user", "pbx-a", "--access-number", "1069880001",
)  # fmt: skip


def ascs(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def done(*arguments: object) -> str:
    """What a command prints that succeeds."""
    result = ascs(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def tls(party: str) -> dict[str, str]:
    return {"ca": "pki/ca.pem", "cert": f"pki/{party}.pem", "key": f"pki/{party}.key"}
