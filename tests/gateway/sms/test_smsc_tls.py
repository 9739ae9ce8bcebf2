"""SMPP over TLS to an SMSC: its certificate is checked, ours is shown where it asks."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from foundation.pki import PkiError, make_ca, make_party
from gateway.sms.smsc_tls import client_context
from gateway.sms_settings import SmscTlsSettings
from tests.gateway.carrier import until
from tests.gateway.sms.smscs import Carrier, Smsc, settings


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SMSC's authority with the certificates `smsc`, `elsewhere` (of another host) and `gateway`."""
    folder = tmp_path_factory.mktemp("pki")
    make_ca(folder / "ca", "the SMSC's")
    make_ca(folder / "other", "another")
    for party, hosts in (
        ("smsc", ("127.0.0.1",)),
        ("elsewhere", ("192.0.2.1",)),
        ("gateway", ("127.0.0.1",)),
    ):
        make_party(folder, folder / "ca", party, hosts)
    return folder


def server(pki: Path, party: str = "smsc", *, asks: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / f"{party}.pem", pki / f"{party}.key")
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki / "ca" / "ca.pem")
    return context


def files(pki: Path, *, shows: bool = False, authority: str = "ca") -> dict[str, Path]:
    given = {"ca": pki / authority / "ca.pem"}
    return given | ({"cert": pki / "gateway.pem", "key": pki / "gateway.key"} if shows else {})


@pytest.mark.parametrize("asks", [False, True])
async def test_it_binds_and_sends(pki: Path, asks: bool) -> None:
    async with (
        Smsc(ssl=server(pki, asks=asks)) as smsc,
        Carrier(settings("a", smsc.port, tls=files(pki, shows=asks))) as carrier,
    ):
        await carrier.bound()
        assert carrier.send()
        await carrier.answered(1)
        assert (smsc.bound[0].certificate is not None) is asks


@pytest.mark.parametrize(
    ("party", "asks", "authority"),
    [("smsc", False, "other"), ("elsewhere", False, "ca"), ("smsc", True, "ca")],
    ids=["unknown authority", "another host", "without our certificate"],
)
async def test_without_trust_there_is_no_bind(pki: Path, party: str, asks: bool, authority: str) -> None:
    async with (
        Smsc(ssl=server(pki, party, asks=asks)) as smsc,
        Carrier(settings("a", smsc.port, tls=files(pki, authority=authority))) as carrier,
    ):
        await until(lambda: carrier.links.peers[0].failures > 1)
        assert smsc.bound == []


async def test_an_smsc_without_tls_is_not_spoken_to_in_clear(pki: Path) -> None:
    async with Smsc() as smsc, Carrier(settings("a", smsc.port, tls=files(pki))) as carrier:
        await until(lambda: carrier.links.peers[0].failures > 0)
        assert (smsc.bound, smsc.requests) == ([], [])


def test_nothing_older_than_tls_1_2(pki: Path) -> None:
    context = client_context(SmscTlsSettings.model_validate(files(pki)))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"ca": "absent.pem"}, "ca: .*absent.pem: No such file"),
        ({"ca": "gateway.key"}, "ca: .*gateway.key: no certificate"),
        ({"cert": "absent.pem"}, "cert: .*absent.pem: No such file"),
        ({"key": "smsc.key"}, "cert and key: .*gateway.pem"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(pki: Path, broken: dict[str, str], said: str) -> None:
    given = files(pki, shows=True) | {name: pki / file for name, file in broken.items()}
    with pytest.raises(PkiError, match=said):
        Carrier(settings("a", 1, tls=given))
