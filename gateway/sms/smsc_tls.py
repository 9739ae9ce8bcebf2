"""TLS towards an SMSC."""

from __future__ import annotations

import ssl
from pathlib import Path

from foundation.pki import TLS12_CIPHERS, PkiError
from gateway.sms_settings import SmscTlsSettings


def client_context(settings: SmscTlsSettings) -> ssl.SSLContext:
    """TLS 1.2 or higher; the SMSC's certificate must come from `ca` and name the host. Raises PkiError.

    An SMSC's authority is not ours, so that its certificates need not be as strict as between the parties.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(TLS12_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    _check_readable("ca", settings.ca)
    try:
        context.load_verify_locations(cafile=settings.ca)
    except ssl.SSLError as error:
        raise PkiError(f"SMSC's TLS ca: {settings.ca}: no certificate in PEM") from error
    if settings.cert is not None and settings.key is not None:
        _check_readable("cert", settings.cert)
        _check_readable("key", settings.key)
        try:
            context.load_cert_chain(settings.cert, settings.key)
        except ssl.SSLError as error:
            raise PkiError(
                f"TLS cert and key: {settings.cert}, {settings.key}: {error.reason or 'not PEM'}"
            ) from error
    return context


def _check_readable(name: str, path: Path) -> None:
    """What `ssl` raises names no file."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise PkiError(f"SMSC's TLS {name}: {path}: {error.strerror}") from error
