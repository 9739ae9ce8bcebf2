"""The app on each phone: it reads the phone's identifier and seals it to the carrier, and to nobody else."""

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from gm.sm2 import PublicKey
from interparty.edi import IdType, to_text
from simulators.handsets.settings import AppSettings
from simulators.handsets.subscribers import Subscriber
from trust_client.app import seal_identifier

CHUNK = 100
"""EDIs made in one turn of a worker thread."""


class SealRefused(ValueError):
    """What was asked for cannot be sealed."""


@dataclass(frozen=True, slots=True)
class SealRequest:
    """One identifier to seal for one consent."""

    subscriber: Subscriber
    enterprise: str
    nonce: bytes
    """16 bytes, from the enterprise."""
    id_type: IdType
    as_of: int | None = None
    """YYYYMMDD in Asia/Shanghai; None: today."""


class PhoneApp:
    """Seals identifiers under the carrier's public key."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._public_key = PublicKey.from_pem(settings.carrier_public_key.read_bytes())

    def seal(self, request: SealRequest) -> str:
        """The EDI as wire text. Raises SealRefused."""
        holder = request.subscriber
        identifiers = {IdType.IMSI: holder.imsi, IdType.IMEI: holder.imei}
        if request.id_type not in identifiers:
            raise SealRefused("id_type: this phone has an IMSI and an IMEI")
        try:
            edi = seal_identifier(
                self._public_key,
                carrier=self._settings.carrier,
                carrier_key_id=self._settings.carrier_key_id,
                id_type=request.id_type,
                identifier=identifiers[request.id_type],
                enterprise=request.enterprise,
                consent_nonce=request.nonce,
                now_ms=None if request.as_of is None else _noon(request.as_of),
            )
        except ValueError as error:
            raise SealRefused(str(error)) from None
        return to_text(edi)

    async def seal_all(self, requests: Sequence[SealRequest]) -> list[str]:
        """Many, off the event loop and on all cores. Raises SealRefused."""
        chunks = [requests[start : start + CHUNK] for start in range(0, len(requests), CHUNK)]
        made = await asyncio.gather(*[asyncio.to_thread(self._seal_chunk, chunk) for chunk in chunks])
        return [edi for chunk in made for edi in chunk]

    def _seal_chunk(self, requests: Sequence[SealRequest]) -> list[str]:
        return [self.seal(request) for request in requests]


def _noon(as_of: int) -> int:
    """Noon of a YYYYMMDD date in Asia/Shanghai, in milliseconds since the epoch. Raises ValueError."""
    shanghai = datetime.timezone(datetime.timedelta(hours=8))
    day = datetime.datetime(as_of // 10000, as_of // 100 % 100, as_of % 100, 12, tzinfo=shanghai)
    return int(day.timestamp() * 1000)
