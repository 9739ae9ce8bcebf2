"""An access number as every part of the gateway knows it, those too that have no store."""

from __future__ import annotations

from dataclasses import dataclass

from masking.smpp_options import allow_of
from masking.smpp_rules import SubmitAllow


@dataclass(frozen=True, slots=True)
class AccessNumberRow:
    """An access number (接入号); it has one owner. The account and trunk that its replies and callbacks go to.

    Of a shared number it is the whole: the shared number and the enterprise's sub-code.
    """

    number: str
    enterprise_id: str
    sms_account: str | None
    voice_trunk: str | None
    rate: float | None = None
    """Messages a second; None: as the configuration says."""
    burst: int | None = None
    sms_content: tuple[str, ...] = ()
    """Names of masking.smpp_options that its messages may use beyond a plain text."""
    extension_digits: int = 0
    """Digits that the enterprise may append to it in the source of a message."""
    signature: str | None = None
    """What each of its texts must begin or end with, in 【】; None: nothing."""
    max_calls: int | None = None
    """From it and to it, at one time; None: no limit of its own."""
    call_rate: float | None = None
    """Calls a second, each way; None: no limit."""
    call_burst: int | None = None
    ring_s: float | None = None
    """How long its calls may ring; None: as the configuration says."""
    talk_s: float | None = None
    """How long its calls may last."""

    @property
    def allow(self) -> SubmitAllow:
        """What `masking.smpp_leg.check_submit` and `towards_smsc` let its messages carry."""
        return allow_of(self.sms_content)
