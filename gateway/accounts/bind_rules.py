"""Whether an account may bind: where from, over what, with which certificate, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.store.accounts import AccountRow, Network, TrunkRow
from smpp.pdu import Bind, BindReceiver, BindTransceiver, BindTransmitter

FINGERPRINT = "sha256:"
"""Before the 64 hex digits of a certificate's SHA-256 (over its DER)."""
NAME = "san:"
"""Before a DNS name, address, e-mail address or URI of a certificate's subjectAltName."""


def origin_fault(account: AccountRow, address: str, *, tls: bool, certificate: bytes | None) -> str | None:
    """Why a bind of the account may not come from there, for the log; None when it may.

    `certificate` is the client's in DER, whose chain TLS has verified; None when it showed none.
    """
    if account.addresses and not _is_in(address, account.addresses):
        return "its address is not among the account's"
    if (account.tls or account.certificates) and not tls:
        return "the account binds over TLS only"
    if account.certificates and not _is_pinned(certificate, account.certificates):
        return "its client certificate is not among the account's"
    return None


def known_without_password(trunk: TrunkRow, address: str, certificate: bytes | None) -> bool:
    """Whether a call from there is the trunk's without a password: by its address, or by the certificate that TLS
    has verified (DER)."""
    if trunk.addresses and _is_in(address, trunk.addresses):
        return True
    return bool(trunk.certificates) and _is_pinned(certificate, trunk.certificates)


def exceeds_limit(account: AccountRow, wanted: type[Bind], bound: Iterable[type[Bind]]) -> bool:
    """Whether one more bind of the type `wanted`, beside those `bound`, is over a limit of the account."""
    types = list(bound)
    of_type = {
        BindTransmitter: account.max_transmitters,
        BindReceiver: account.max_receivers,
        BindTransceiver: account.max_transceivers,
    }[wanted]
    return len(types) >= account.max_binds or (of_type is not None and types.count(wanted) >= of_type)


def check_address(text: str) -> Network:
    """An address or network as it is written in a command. Raises ValueError."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address or network (as 192.0.2.0/24): {error}") from None


def check_certificate(text: str) -> str:
    """A certificate's fingerprint or name as it is written in a command. Raises ValueError."""
    kind, _, rest = text.partition(":")
    if kind == "san" and rest and not any(each.isspace() for each in rest):
        return text
    digits = rest.replace(":", "").lower()
    if kind.lower() == "sha256" and len(digits) == 64 and set(digits) <= set("0123456789abcdef"):
        return FINGERPRINT + digits
    raise ValueError(f"{text!r} is neither sha256:<64 hex digits> nor san:<name in subjectAltName>")


def _is_in(address: str, networks: Iterable[Network]) -> bool:
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    # An IPv4 peer of a listener on :: shows itself so.
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


def _is_pinned(certificate: bytes | None, pins: tuple[str, ...]) -> bool:
    if certificate is None:
        return False
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        own = {FINGERPRINT + parsed.fingerprint(hashes.SHA256()).hex()}
        own |= {NAME + name for name in _names(parsed)}
    except ValueError:
        return False
    return not own.isdisjoint(pins)


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    plain = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)
    return {name.value for name in names if isinstance(name, plain)} | {
        str(name.value) for name in names if isinstance(name, x509.IPAddress)
    }
