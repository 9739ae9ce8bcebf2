"""Opening the EDIs of a deposit: what each says, or nothing at all. About 0.3 ms of SM2 an EDI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gm.sm2 import PrivateKey
from interparty.carrier_messages import ConfirmationRequest
from interparty.edi import EdiError, EdiHeader, edi_id, from_text, open_edi
from masking.resolve import as_of_allowed


@dataclass(frozen=True, slots=True)
class Opened:
    """One identifier that the person's own device sealed for this carrier."""

    edi_id: bytes
    id_type: int
    identifier: str
    as_of: int


def open_deposit(
    request: ConfirmationRequest, carrier: str, keys: Mapping[str, PrivateKey], as_of_days: int
) -> list[Opened] | None:
    """Every EDI of the deposit for this carrier, or None when one of them is not what the consent says it is.

    Checked again here, whatever the trust party checked: carrier and key, the ids that the consent names,
    enterprise and nonce inside the seal, and the as-of date, without whose bound a second-hand phone's
    identifier and an old date reach its former owner.
    """
    opened = []
    try:
        nonce = bytes.fromhex(request.consent.nonce)
        # Those of other carriers, for the other SIM card of a device, the consent names and nobody sends here.
        named = iter(request.consent.edi_ids)
        for text in request.edis:
            edi = from_text(text)
            header = EdiHeader.parse(edi)
            key = keys.get(header.carrier_key_id)
            if header.carrier != carrier or key is None or edi_id(edi).hex() not in named:
                return None
            if not as_of_allowed(header.as_of, request.consent.collected_at, as_of_days):
                return None
            identifier = open_edi(key, edi, enterprise=request.consent.enterprise, consent_nonce=nonce)
            opened.append(Opened(edi_id(edi), int(header.id_type), identifier, header.as_of))
    except (EdiError, ValueError):
        return None
    return opened
