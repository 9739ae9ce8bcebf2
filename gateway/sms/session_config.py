"""Timers and windows of an enterprise's session."""

from __future__ import annotations

from typing import Protocol

from gateway.sms_settings import SmppSettings
from smpp.session import SessionConfig


class Own(Protocol):
    """What an account may have of its own: gateway.store.accounts.AccountRow. None: as the configuration says."""

    @property
    def window_pdus(self) -> int | None: ...

    @property
    def enquire_link_s(self) -> float | None: ...

    @property
    def inactivity_s(self) -> float | None: ...

    @property
    def response_s(self) -> float | None: ...


def session_config(settings: SmppSettings, own: Own | None = None) -> SessionConfig:
    """Timers and windows: the account's own where it has them, else the configuration's."""
    window = (None if own is None else own.window_pdus) or settings.window
    enquire_link_s = None if own is None else own.enquire_link_s
    inactivity_s = None if own is None else own.inactivity_s
    return SessionConfig(
        session_init_s=settings.session_init_s,
        enquire_link_s=settings.enquire_link_s if enquire_link_s is None else enquire_link_s,
        inactivity_s=settings.inactivity_s if inactivity_s is None else inactivity_s,
        response_s=(None if own is None else own.response_s) or settings.response_s,
        outbound_window=window,
        inbound_window=window,
        in_bulk=True,
    )
