"""Asking another party over real TLS on loopback: an answer, its refusal, or nothing that can be used."""

import asyncio
import socket
import time

import pytest

from gm.errors import GmError
from interparty import client, server, signed_http
from interparty.client import PeerProblem, PeerUnavailable
from interparty.deposit_messages import AidStatus
from interparty.messages import Accepted, HealthBody
from tests.interparty.conftest import Keys, signer_of
from tests.interparty.exchange import AID, APP, ASKED, ask

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_question_is_answered_under_the_certificates_party(peer):
    answer = await ask(peer)
    assert answer == AidStatus(aid=AID, status="ACTIVE", evidence_id="CMCC")


async def test_a_query_is_carried(peer):
    assert await peer.request("GET", "/v1/log/inclusion", None, Accepted, query="index=7") == Accepted(
        accepted=7
    )


async def test_an_answer_that_is_not_signed_counts_only_where_none_is(peer):
    assert await peer.request("GET", "/health", None, HealthBody, unsigned=True) == HealthBody(status="ok")
    with pytest.raises(PeerUnavailable, match="not signed"):
        await peer.request("GET", "/health", None, HealthBody)


async def test_questions_at_the_same_time_share_few_connections(peer):
    answers = await asyncio.gather(*(ask(peer) for _ in range(30)))
    assert len(answers) == 30


async def test_a_refusal_is_a_problem_with_its_title(peer):
    with pytest.raises(PeerProblem) as refused:
        await ask(peer, "nobody")
    assert (refused.value.status, refused.value.detail) == (404, "no such AID")


async def test_a_failing_route_is_unavailable_and_tells_nothing(running, peer_to):
    heard = bytearray()
    async with peer_to(running.port, signer_of("CMCC", "hmac"), capture=heard.extend) as peer:
        with pytest.raises(PeerUnavailable):
            await ask(peer, "broken")
    assert b"500 Internal" in heard
    assert AID.encode() not in heard


async def test_a_slow_answer_is_unavailable_in_time(peer):
    before = time.monotonic()
    with pytest.raises(PeerUnavailable, match="in time"):
        await ask(peer, "slow", timeout=0.1)
    assert time.monotonic() - before < 5


async def test_an_answer_that_is_another_message_is_unavailable(peer):
    with pytest.raises(PeerUnavailable, match="not the message"):
        await peer.request("POST", "/v1/conversions", ASKED, Accepted)


async def test_nobody_listening_is_unavailable(peer_to):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with peer_to(port, signer_of("CMCC")) as peer:
        with pytest.raises(PeerUnavailable):
            await ask(peer)


async def test_too_many_waiting_fail_at_once(peer, monkeypatch):
    monkeypatch.setattr(client, "WAITING_MAX", 0)
    with pytest.raises(PeerUnavailable, match="too many"):
        await ask(peer)


async def test_a_server_that_is_another_party_is_not_asked(running, peer_to):
    async with peer_to(running.port, signer_of("CMCC"), party="other") as peer:
        with pytest.raises(PeerUnavailable):
            await ask(peer)
    assert running.captured == b""


async def test_a_server_without_the_right_response_key_is_unavailable(context_of, peer_to):
    wrong = signed_http.Signer("ttp/sign/1", signer_of("ent-a").key)
    started = await server.serve(APP, "127.0.0.1", 0, context_of("ttp", "server"), keys=Keys(), signer=wrong)
    try:
        async with peer_to(started.port, signer_of("CMCC")) as peer:
            with pytest.raises(PeerUnavailable, match="not accepted"):
                await ask(peer)
    finally:
        await started.stop()


class OwnKeys:
    """A key store that another process changes: what was read of it last, and what is in it now."""

    def __init__(self, read, now):
        self.read, self.now = read, now
        self.looks = 0

    def refresh(self):
        self.looks += 1
        if isinstance(self.now, Exception):
            raise self.now
        self.read = self.now

    def signer(self):
        return self.read


GONE = signed_http.Signer("CMCC/sign/9", signer_of("ent-a").key)
"""Under a key that the server does not know, or knows no more."""


async def test_a_request_under_a_key_that_is_gone_is_signed_anew(running, peer_to):
    own = OwnKeys(GONE, signer_of("CMCC"))
    async with peer_to(running.port, own.signer, certificate="CMCC", refresh_keys=own.refresh) as peer:
        assert (await ask(peer)).status == "ACTIVE"
        await ask(peer)
    assert own.looks == 1


@pytest.mark.parametrize("now", [GONE, GmError("the key store cannot be read")])
async def test_it_is_asked_again_only_under_another_key(running, peer_to, now):
    own = OwnKeys(GONE, now)
    async with peer_to(running.port, own.signer, certificate="CMCC", refresh_keys=own.refresh) as peer:
        with pytest.raises(PeerProblem, match="401"):
            await ask(peer)
    assert (own.looks, running.captured.count(b"POST /v1/conversions")) == (1, 1)
