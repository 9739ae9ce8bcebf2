"""Where SIP is listened for on one side, and with which certificates."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from foundation.pki import PkiError, public_context
from gateway.settings import SipSideSettings, SipTlsSettings
from sip.aio.endpoint import Listener
from sip.timers import TimerValues

_log = logging.getLogger(__name__)


def timer_values(t1_ms: int) -> TimerValues:
    """RFC 3261 17: T1 is measured or set; the others are given, but none of them is shorter than what T1 grows to."""
    default, t1 = TimerValues(), t1_ms / 1000
    return replace(default, t1=t1, t2=max(default.t2, t1), d=max(default.d, 64 * t1))


class Certificates:
    """The TLS contexts in use, so that a certificate can be renewed under them."""

    def __init__(self) -> None:
        self._used: list[tuple[ssl.SSLContext, SipTlsSettings]] = []

    def listeners(self, side: SipSideSettings) -> list[Listener]:
        """UDP first: what a message without a better address names. Raises PkiError."""
        hosts = [(host, _advertised(side, host)) for host in (side.host, *side.further_hosts)]
        found = [Listener("UDP", host, side.port, advertise=advertise) for host, advertise in hosts]
        tls = side.tls
        context = None if tls is None else self._server(tls)
        for host, advertise in hosts:
            if side.tcp:
                found.append(Listener("TCP", host, side.port, advertise=advertise))
            if tls is not None:
                found.append(Listener("TLS", host, tls.port, tls=context, advertise=advertise))
        return found

    def _server(self, tls: SipTlsSettings) -> ssl.SSLContext:
        context = _server_context(tls)
        self._used.append((context, tls))
        return context

    def client(self, authorities: Sequence[Path], own: SipTlsSettings | None) -> ssl.SSLContext | None:
        """For connections of ours: their certificate comes from one of these authorities; ours is shown if asked for.
        None without an authority."""
        if not authorities:
            return None
        context = ssl.create_default_context(cafile=str(authorities[0]))
        for authority in authorities[1:]:
            context.load_verify_locations(authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if own is not None:
            context.load_cert_chain(own.cert, own.key)
            self._used.append((context, own))
        return context

    def reload(self) -> None:
        """Take certificates and keys anew, for connections from now on; the old ones stay if they are bad."""
        for context, tls in self._used:
            try:
                _server_context(tls)  # a pair that does not fit must not get half into the context in use
                context.load_cert_chain(tls.cert, tls.key)
            except (PkiError, OSError) as error:
                _log.error("SIP's TLS certificate not reloaded: %s", error)
            else:
                _log.info("SIP's TLS certificate reloaded")


def _server_context(tls: SipTlsSettings) -> ssl.SSLContext:
    return public_context(tls.cert, tls.key, tls.client_ca, required=tls.client_required)


def _advertised(side: SipSideSettings, host: str) -> tuple[str, int] | None:
    return None if side.advertise is None or host != side.host else (side.advertise, 0)
