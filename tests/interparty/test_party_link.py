"""A simulated party reaches another by certificate and key, and says which of its files cannot be used."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from foundation.pki import PkiError
from gm.sm2 import PrivateKey
from interparty.bodies import answer
from interparty.carrier_messages import AssertionRequest
from interparty.messages import Accepted
from interparty.party_link import PartyLinkSettings, connect, sign_key_of
from tests.simulators import parties

PATH = "/v1/assertions"
ASKED = AssertionRequest.model_validate(
    {"assertions": [{"edi_id": "0" * 32, "msisdn": "8613800000001", "at": 1}]}
)


async def take(request: Request) -> Response:
    message = AssertionRequest.model_validate_json(await request.body())
    return answer(Accepted(accepted=len(message.assertions)), 202)


@pytest.mark.parametrize("use_hmac", [True, False])
async def test_a_request_is_signed_and_its_answer_verified(tmp_path: Path, use_hmac: bool) -> None:
    other = await parties.start(tmp_path, "CMCC", "network", {PATH: take}, use_hmac=use_hmac)
    received = bytearray()
    async with connect(other.link, received.extend) as peer:
        assert (await peer.request("POST", PATH, ASKED, Accepted)).accepted == 1
    assert b'"accepted":1' in bytes(received).replace(b" ", b"")
    await other.running.stop()


def settings(folder: Path, **fields: Any) -> PartyLinkSettings:
    names = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    values = {"url": "https://127.0.0.1:1", "party": "ttp", "sign_key_id": "ent-a/sign/1", **names}
    return PartyLinkSettings.model_validate(values | fields)


@pytest.mark.parametrize("keys", [(), ("sign_key", "hmac_key")])
def test_there_is_exactly_one_key_to_sign_with(tmp_path: Path, keys: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="either sign_key or hmac_key"):
        settings(tmp_path, **{name: tmp_path / name for name in keys})


def test_either_kind_of_key_is_read_from_its_file(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    (tmp_path / "sign.key").write_bytes(key.to_pem())
    (tmp_path / "hmac.key").write_text(bytes(range(32)).hex() + "\n")
    signed = sign_key_of(settings(tmp_path, sign_key=tmp_path / "sign.key"))
    assert isinstance(signed, PrivateKey)
    assert signed.to_bytes() == key.to_bytes()
    assert sign_key_of(settings(tmp_path, hmac_key=tmp_path / "hmac.key")) == bytes(range(32))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "hmac.key").write_text("00" * 32)
    with pytest.raises(PkiError, match=r"TLS ca: .*ca\.pem"):
        connect(settings(tmp_path, hmac_key=tmp_path / "hmac.key"))
