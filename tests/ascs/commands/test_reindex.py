"""`ascs gateway reindex`: what a running gateway would do by itself."""

from pathlib import Path

from gm.keystore import ITERATIONS_MIN, KeyStore
from gm.sm2 import PrivateKey
from tests.ascs.commands.cli import done

CSV = "msisdn,id_type,id,valid_from,valid_to\n8613800000001,IMSI,460001234567890,2026-01-01,\n"


def test_after_a_rotation_everything_is_brought_under_the_new_key(gateway_file: Path, tmp_path: Path) -> None:
    (gateway_file.parent / "passphrase").write_text("x")
    KeyStore.create(gateway_file.parent / "keys.store", "x", iterations=ITERATIONS_MIN)
    (gateway_file.parent / "trust-sign.pem").write_bytes(PrivateKey.generate().public_key.to_pem())
    (tmp_path / "subscribers.csv").write_text(CSV)
    done("gateway", "subscriber", "import", gateway_file, tmp_path / "subscribers.csv")
    assert done("gateway", "reindex", gateway_file) == "0 numbers and identifiers indexed anew\n"
    assert done("gateway", "key", "rotate", gateway_file, "index") == "index/2 is active\n"
    assert done("gateway", "reindex", gateway_file) == "2 numbers and identifiers indexed anew\n"
    done("gateway", "key", "rotate", gateway_file, "data")
    for count in (2, 0):
        assert f"blind_index.sealed: {count} sealed anew" in done("gateway", "reseal", gateway_file)
    assert done("gateway", "reindex", gateway_file) == "0 numbers and identifiers indexed anew\n"
