"""The confirmation code and the words around it."""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from datetime import UTC, datetime, timedelta

from interparty.messages import Consent

CODE_DIGITS = 6

_SHANGHAI = timedelta(hours=8)
_CHANNELS = {"sms": "短信", "voice": "电话"}
_RUN = re.compile(r"[0-9]+")


def draw_code() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def code_text(consent: Consent, enterprise_name: str, code: str) -> str:
    """The SMS that asks: it names enterprise, service and term, and goes out from the carrier's own number."""
    until = datetime.fromtimestamp(consent.term_to / 1000, UTC) + _SHANGHAI
    channels = "、".join(_CHANNELS[channel] for channel in consent.channels)
    return (
        f"【匿名通信授权】{enterprise_name}请求向您提供“{consent.service}”的{channels}服务,"
        f"有效期至{until:%Y年%m月%d日}。对方不会获得您的手机号。同意请回复{code},不同意请忽略。"
    )


def code_in(text: str, code: str) -> bool:
    """Whether a reply gives the code: any run of exactly six digits in it, whatever their width."""
    digits = unicodedata.normalize("NFKC", text)
    given = [run for run in _RUN.findall(digits) if len(run) == CODE_DIGITS]
    return any(hmac.compare_digest(run, code) for run in given)
