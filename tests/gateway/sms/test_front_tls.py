"""SMPP over TLS, spoken by smpplib, a client that nobody here wrote."""

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import smpplib.client
import smpplib.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from foundation.pki import PkiError, make_ca, make_party
from gateway.sms_settings import SmppSettings, SmppTlsSettings
from gateway.store.accounts import AccountRow
from smpp.constants import CommandStatus
from tests.gateway.carrier import until
from tests.gateway.sms.front_world import ACCOUNT, World

pytestmark = pytest.mark.usefixtures("each_way")

OK, REFUSED = int(CommandStatus.ESME_ROK), int(CommandStatus.ESME_RBINDFAIL)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The carrier's certificate, two clients' of its authority and one client's of another."""
    folder = tmp_path_factory.mktemp("pki")
    for authority, parties in (("ca", ("carrier", "esme", "other")), ("ca-2", ("stranger",))):
        make_ca(folder / authority, authority)
        for party in parties:
            make_party(folder, folder / authority, party, ("127.0.0.1", f"{party}.example"))
    (folder / "ca.pem").write_bytes((folder / "ca" / "ca.pem").read_bytes())
    _make_self_signed(folder, "alone")
    return folder


def _make_self_signed(folder: Path, name: str) -> None:
    """As `openssl req -x509` makes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def world(pki: Path, account: AccountRow = ACCOUNT, **tls: Any) -> World:
    values: dict[str, Any] = {"port": 0, "cert": pki / "carrier.pem", "key": pki / "carrier.key"}
    tls_settings = SmppTlsSettings(**values | tls)
    return World(settings=SmppSettings(port=0, tls=tls_settings, drain_s=2.0), account=account)


def context(pki: Path, party: str | None = None, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    made.check_hostname = False  # smpplib tells the context no host
    if party is not None:
        made.load_cert_chain(pki / f"{party}.pem", pki / f"{party}.key")
    if version is not None:
        made.minimum_version = made.maximum_version = version
    return made


def submit(port: int, tls: ssl.SSLContext | None) -> int:
    """Bind, send one message, unbind: command_status of what came first that was not 0, else 0."""
    client = smpplib.client.Client(
        "127.0.0.1", port, timeout=5, allow_unknown_opt_params=True, ssl_context=tls
    )
    statuses: list[int] = []
    client.set_message_sent_handler(lambda pdu: statuses.append(pdu.status))
    client.connect()
    try:
        client.bind_transceiver(system_id="sms-a", password="secret")
        client.send_message(
            source_addr="106988", destination_addr="888132341582397708", short_message=b"hello"
        )
        client.read_once()
        client.unbind()
    except smpplib.exceptions.PDUError as error:
        return int(error.args[1])
    finally:
        client.disconnect()
    return statuses[0]


async def status(port: int, tls: ssl.SSLContext | None) -> int:
    return await asyncio.to_thread(submit, port, tls)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_message_over_each_version_of_tls_and_beside_it_without(
    pki: Path, version: ssl.TLSVersion
) -> None:
    async with world(pki) as carrier:
        assert await status(carrier.front.tls_port, context(pki, version=version)) == OK
        assert await status(carrier.front.port, None) == OK
        assert [each[0].tls_version for each in carrier.submitted] == [version.name.replace("_", "."), None]


@pytest.mark.filterwarnings("ignore:.*TLSv1_1 is deprecated")
async def test_an_older_tls_and_no_tls_get_nowhere(pki: Path) -> None:
    async with world(pki) as carrier:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname = False
        old.verify_mode = ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        for bad in (old, None):
            with pytest.raises((smpplib.exceptions.ConnectionError, OSError)):
                await status(carrier.front.tls_port, bad)
        assert carrier.submitted == []


async def test_a_client_certificate_may_be_shown_and_one_of_another_authority_ends_it(pki: Path) -> None:
    async with world(pki, client_ca=pki / "ca.pem") as carrier:
        port = carrier.front.tls_port
        assert await status(port, context(pki)) == OK
        assert await status(port, context(pki, "esme")) == OK
        with pytest.raises((smpplib.exceptions.ConnectionError, OSError)):
            await status(port, context(pki, "stranger"))
        shown = [each[0].certificate is not None for each in carrier.submitted]
        assert shown == [False, True]


async def test_a_certificate_that_signs_itself_is_its_own_authority(pki: Path) -> None:
    account = replace(ACCOUNT, certificates=("san:alone.example",))
    async with world(pki, account, client_ca=pki / "alone.pem") as carrier:
        assert await status(carrier.front.tls_port, context(pki, "alone")) == OK
        with pytest.raises((smpplib.exceptions.ConnectionError, OSError)):
            await status(carrier.front.tls_port, context(pki, "esme"))


async def test_where_it_is_required_nobody_binds_without_one(pki: Path) -> None:
    async with world(pki, client_ca=pki / "ca.pem", client_required=True) as carrier:
        with pytest.raises((smpplib.exceptions.ConnectionError, OSError)):
            await status(carrier.front.tls_port, context(pki))
        assert await status(carrier.front.tls_port, context(pki, "esme")) == OK


async def test_an_account_may_name_its_certificates(pki: Path) -> None:
    fingerprint = x509.load_pem_x509_certificate((pki / "esme.pem").read_bytes()).fingerprint(hashes.SHA256())
    for pin in (f"sha256:{fingerprint.hex()}", "san:esme.example"):
        account = replace(ACCOUNT, certificates=(pin,))
        async with world(pki, account, client_ca=pki / "ca.pem") as carrier:
            assert await status(carrier.front.tls_port, context(pki, "esme")) == OK
            assert await status(carrier.front.tls_port, context(pki, "other")) == REFUSED
            assert await status(carrier.front.tls_port, context(pki)) == REFUSED
            assert await status(carrier.front.port, None) == REFUSED


async def test_an_account_of_tls_alone(pki: Path) -> None:
    async with world(pki, replace(ACCOUNT, tls=True)) as carrier:
        assert await status(carrier.front.port, None) == REFUSED
        assert await status(carrier.front.tls_port, context(pki)) == OK


async def test_a_new_certificate_holds_for_new_sessions_and_a_bad_one_changes_nothing(
    pki: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "cert.key"

    def install(party: str, key_of: str) -> None:
        cert.write_bytes((pki / f"{party}.pem").read_bytes())
        key.write_bytes((pki / f"{key_of}.key").read_bytes())

    def shown(port: int) -> str:
        return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)

    install("carrier", "carrier")
    async with world(pki, cert=cert, key=key) as carrier:
        port = carrier.front.tls_port
        first = await asyncio.to_thread(shown, port)
        install("other", "carrier")
        carrier.front.reload()
        await until(lambda: caplog.text.count("not reloaded") == max(1, len(carrier.processes)))
        assert await asyncio.to_thread(shown, port) == first
        caplog.set_level("INFO", "gateway.sms.server_tls")
        install("other", "other")
        carrier.front.reload()
        await until(lambda: caplog.text.count("certificate reloaded") == max(1, len(carrier.processes)))
        assert await asyncio.to_thread(shown, port) == (pki / "other.pem").read_text()


async def test_a_certificate_that_cannot_be_used_is_named_at_the_start(pki: Path, tmp_path: Path) -> None:
    with pytest.raises(PkiError, match=r"none\.pem"):
        async with world(pki, cert=tmp_path / "none.pem"):
            pass


def test_without_an_authority_no_client_certificate_can_be_required(pki: Path) -> None:
    with pytest.raises(ValueError, match="client_ca"):
        world(pki, client_required=True)
