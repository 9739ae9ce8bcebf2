"""What a carrier hands the trust party's operator so that it can be admitted: its `public/carrier.json`.

The HMAC key that both will share is in it in an envelope, or comes later as a delivery; never in the clear.
"""

from pydantic import ValidationError

from gm.errors import GmError
from gm.sm2 import PublicKey
from interparty.bodies import describe
from interparty.key_delivery import DeliveryError, check, keyid_of, open_envelope
from interparty.key_messages import CarrierCard
from trust_party.admission import AdmissionError, Admitted, admit_carrier
from trust_party.clock import now_ms
from trust_party.keys import DECRYPTS, ENVELOPE, open_store
from trust_party.settings import TrustSettings


def admit_by_card(settings: TrustSettings, card: bytes, name: str, url: str) -> Admitted:
    """Admit a carrier by its card, as admit_carrier does. Raises AdmissionError too for a card that is none, or whose
    envelope is not for this trust party from this carrier."""
    try:
        told = CarrierCard.model_validate_json(card)
    except ValidationError as error:
        raise AdmissionError(describe(error, "not a carrier's card")) from None
    hmac_key, http_keyid = None, None
    if told.http_key_envelope is not None:
        keys = open_store(settings)
        own = [key.sm2 for key in keys.keys(ENVELOPE) if key.state in DECRYPTS]
        try:
            sign = {told.sign_keyid: PublicKey.from_pem(told.sign_public_key.encode())}
            signed = open_envelope(told.http_key_envelope, own)
            notice = check(signed, sign, party=told.id, recipient=settings.party, now_ms=now_ms())
        except (DeliveryError, GmError) as error:
            raise AdmissionError(f"the card's shared key: {error}") from None
        if notice.key != "http":
            raise AdmissionError("the card's envelope holds another key than the shared one")
        hmac_key, http_keyid = bytes.fromhex(notice.value), keyid_of(notice)
    return admit_carrier(
        settings,
        told.id,
        name,
        url,
        edi_key_id=told.edi_key_id,
        edi_public_pem=told.edi_public_key.encode(),
        sign_public_pem=told.sign_public_key.encode(),
        sign_keyid=told.sign_keyid,
        hmac_key=hmac_key,
        http_keyid=http_keyid,
    )
