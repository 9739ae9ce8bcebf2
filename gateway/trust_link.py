"""The trust party's routes for a command of the operator's, as the running gateway reaches them."""

from __future__ import annotations

from foundation.pki import client_context
from gateway import keys as own_keys
from gateway.settings import GatewaySettings
from interparty.client import Peer


def connect(settings: GatewaySettings) -> Peer:
    """Raises KeyStoreError, PkiError, OSError."""
    keys = own_keys.open_store(settings)
    tls = settings.tls
    return Peer(
        settings.trust.url,
        client_context(tls.ca, tls.cert, tls.key),
        own_keys.request_signer(settings, keys),
        own_keys.PeerKeys(settings, keys),
        party=settings.trust.id,
    )
