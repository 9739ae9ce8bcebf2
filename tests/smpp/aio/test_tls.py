"""SMPP over TLS, with the certificates of both ends."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from smpp.aio.client import Client, ConnectFailed
from smpp.pdu import SubmitSm
from tests.smpp.aio.centre import BIND, Centre


@pytest.fixture
def identity(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ent-a")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


def context(purpose: ssl.Purpose, identity: tuple[Path, Path]) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(identity[0]))
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(*identity)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


async def test_both_ends_know_each_other(identity: tuple[Path, Path]) -> None:
    async with Centre(ssl=context(ssl.Purpose.CLIENT_AUTH, identity)) as centre:
        client = Client(BIND, ssl=context(ssl.Purpose.SERVER_AUTH, identity))
        await client.connect("127.0.0.1", centre.port)
        assert (await client.call(SubmitSm())).command_status == 0
        der = ssl.PEM_cert_to_DER_cert(identity[0].read_text())
        assert centre.bound[0].certificate == der
        assert client.connection.certificate == der
        await client.close()


async def test_a_client_without_tls_is_not_served(identity: tuple[Path, Path]) -> None:
    async with Centre(ssl=context(ssl.Purpose.CLIENT_AUTH, identity)) as centre:
        with pytest.raises(ConnectFailed):
            await Client(BIND).connect("127.0.0.1", centre.port, timeout=2)
