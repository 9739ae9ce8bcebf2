"""The certificate that enterprises are shown over SMPP, which may be renewed while it is in use."""

from __future__ import annotations

import logging
import ssl

from foundation.pki import PkiError, public_context
from gateway.sms_settings import SmppTlsSettings

_log = logging.getLogger(__name__)


class ServerTls:
    """The context of a listener's certificate, which may change while it is in use."""

    def __init__(self, settings: SmppTlsSettings) -> None:
        """Raises PkiError for certificates that cannot be used."""
        self._settings = settings
        self.context = self._made()

    def reload(self) -> None:
        """Take certificate and key anew, for connections from now on; the old ones stay if they are bad."""
        try:
            self._made()  # a pair that does not fit must not get half into the context in use
            self.context.load_cert_chain(self._settings.cert, self._settings.key)
        except (PkiError, OSError) as error:
            _log.error("TLS certificate not reloaded: %s", error)
        else:
            _log.info("TLS certificate reloaded")

    def _made(self) -> ssl.SSLContext:
        given = self._settings
        return public_context(given.cert, given.key, given.client_ca, required=given.client_required)
