"""Development certificates, and the TLS contexts in which parties meet.

A party is who its certificate says: the subject's common name and a subjectAltName URI
`urn:ascs:party:<id>`, which must agree. Keys are ECDSA P-256, since Python's `ssl` has no SM2 suite.
"""

import datetime
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from foundation.atomic import write_atomic
from foundation.identities import IdentityError, check_party_id, party_of_urn, party_urn

CA_DAYS = 3650
PARTY_DAYS = 825
LOOPBACK = ("127.0.0.1", "localhost")
# TLS 1.2 only with forward secrecy and authenticated encryption; TLS 1.3 suites are all of that kind.
TLS12_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

_BACKDATED = datetime.timedelta(hours=1)  # another machine's clock may be behind


class PkiError(Exception):
    """The certificate does not name a party, or a file with a certificate or key cannot be used; says which."""


def make_ca(folder: Path, name: str) -> None:
    """Make a certification authority in `folder`: `ca.pem` and `ca.key`. One that is there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate_path, key_path = folder / "ca.pem", folder / "ca.key"
    if certificate_path.exists() and key_path.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, subject, key.public_key(), CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_atomic(key_path, _key_pem(key))
    write_atomic(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def make_party(folder: Path, ca_folder: Path, party_id: str, hosts: Sequence[str] = LOOPBACK) -> None:
    """Make a party's new key and certificate: `ca.pem`, `<party>.pem` and `<party>.key` in `folder`.

    `hosts` are the DNS names and addresses under which its servers are reached. Raises PkiError when
    there is no authority in `ca_folder`, IdentityError for an id that cannot be one.
    """
    check_party_id(party_id)
    try:
        ca_pem = (ca_folder / "ca.pem").read_bytes()
        ca_key = serialization.load_pem_private_key((ca_folder / "ca.key").read_bytes(), None)
    except OSError as error:
        raise PkiError(f"no certification authority in {ca_folder}") from error
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise PkiError("the authority's key is not ECDSA")
    ca = x509.load_pem_x509_certificate(ca_pem)
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [_host_name(host) for host in hosts]
    names.append(x509.UniformResourceIdentifier(party_urn(party_id)))
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, party_id)])
    certificate = (
        _builder(subject, ca.subject, key.public_key(), PARTY_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "ca.pem", ca_pem, 0o644)
    write_atomic(folder / f"{party_id}.key", _key_pem(key))
    write_atomic(folder / f"{party_id}.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def server_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """A server's context: TLS 1.2 or higher, and a peer without a certificate from `ca` gets no further.

    Raises PkiError.
    """
    return _context(ssl.PROTOCOL_TLS_SERVER, ca, cert, key)


def client_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    """A client's context: TLS 1.2 or higher, its own certificate shown, the server's checked against `ca`
    and the host name. Raises PkiError."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, ca, cert, key)


def public_context(
    cert: Path, key: Path, client_ca: Path | None = None, *, required: bool = True
) -> ssl.SSLContext:
    """The context of a server that is not for parties alone: TLS 1.2 or higher. With `client_ca`, clients show
    a certificate from it, or with `required` False may. Raises PkiError."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, client_ca, cert, key)
    if not required and client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def party_of_certificate(certificate: Mapping[str, Any] | bytes) -> str:
    """The party that a verified peer certificate names: `SSLSocket.getpeercert()`'s dict, or DER.

    Raises PkiError unless exactly one common name and exactly one party URN are there and agree.
    """
    common_names, uris = (
        _names_in_der(certificate) if isinstance(certificate, bytes) else _names_in_dict(certificate)
    )
    urns = [uri for uri in uris if uri.startswith("urn:ascs:party:")]
    if len(common_names) != 1 or len(urns) != 1:
        raise PkiError("the certificate does not name one party")
    try:
        party = party_of_urn(urns[0])
    except IdentityError as error:
        raise PkiError("the certificate does not name a party") from error
    if party != common_names[0]:
        raise PkiError("the certificate names two parties")
    return party


def _context(protocol: int, ca: Path | None, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.verify_mode = ssl.CERT_NONE if ca is None else ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # What `ssl` raises names neither the file nor which of the three it was.
    for name, path in (("ca", ca), ("cert", cert), ("key", key)):
        if path is None:
            continue
        try:
            path.open("rb").close()
        except OSError as error:
            raise PkiError(f"TLS {name}: {path}: {error.strerror}") from error
    if ca is not None:
        try:
            context.load_verify_locations(cafile=ca)
        except ssl.SSLError as error:
            raise PkiError(f"TLS ca: {ca}: no certificate in PEM") from error
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise PkiError(f"TLS cert and key: {cert}, {key}: {error.reason or 'not PEM'}") from error
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _names_in_der(der: bytes) -> tuple[list[str], list[str]]:
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise PkiError("the certificate does not name a party") from error
    common_names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return common_names, names.get_values_for_type(x509.UniformResourceIdentifier)


def _names_in_dict(certificate: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    subject = [pair for rdn in certificate.get("subject", ()) for pair in rdn]
    common_names = [value for name, value in subject if name == "commonName"]
    return common_names, [value for kind, value in certificate.get("subjectAltName", ()) if kind == "URI"]
