"""A command of the operator's reaches the trust party as the gateway does."""

from pathlib import Path

from gateway import keys as own_keys
from gateway.trust_link import connect
from interparty.verify_messages import RevocationsRequest, RevocationsResponse
from tests.gateway.installation import EPOCH, make_key_store, settings_in, trust_party


async def test_it_is_known_by_certificate_and_key(tmp_path: Path, certificates: Path) -> None:
    settings = settings_in(tmp_path, certificates)
    key = make_key_store(settings).current(own_keys.HTTP).material
    async with trust_party(certificates, key) as party:
        here = settings_in(tmp_path, certificates, trust_port=party.port)
        async with connect(here) as peer:
            asked = RevocationsRequest(epoch=EPOCH, after=0)
            answer = await peer.request("POST", "/v1/revocations", asked, RevocationsResponse)
    assert answer.newest == 0
