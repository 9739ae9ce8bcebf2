"""Being asked by another party over real TLS on loopback: who is let in, and what is cut off."""

import asyncio
import contextlib
import json
import ssl
import time

import pytest

from interparty import server, signed_http
from interparty.client import PeerProblem, PeerUnavailable
from interparty.deposit_messages import AidStatus
from interparty.messages import Accepted
from tests.interparty.conftest import Keys, signer_of
from tests.interparty.exchange import APP, ASKED, ask, raw

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/log/inclusion"])
async def test_unknown_routes_and_methods_are_problems(peer, path):
    with pytest.raises(PeerProblem) as refused:
        await peer.request("POST", path, ASKED, AidStatus)
    assert refused.value.status in (404, 405)


async def test_a_body_that_is_not_the_message_is_a_problem_without_its_values(peer):
    with pytest.raises(PeerProblem) as refused:
        await peer.request("POST", "/v1/conversions", Accepted(accepted=8613800000001), AidStatus)
    assert refused.value.status == 422
    assert "aid: missing" in refused.value.detail
    assert "8613800000001" not in refused.value.detail


async def test_a_key_of_another_party_than_the_certificates_is_refused(running, peer_to):
    async with peer_to(running.port, signer_of("CMCC"), certificate="ent-a") as peer:
        with pytest.raises(PeerProblem) as refused:
            await ask(peer)
    assert refused.value.status == 403


async def test_an_unknown_key_is_refused(running, peer_to):
    other = signed_http.Signer("CMCC/other/1", b"a key that the server lacks")
    async with peer_to(running.port, other) as peer:
        with pytest.raises(PeerProblem) as refused:
            await ask(peer)
    assert refused.value.status == 401


async def test_without_a_client_certificate_there_is_no_connection(running, pki_folder):
    context = ssl.create_default_context(cafile=str(pki_folder / "ttp" / "ca.pem"))
    try:
        answer = await raw(running.port, context, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    except OSError:
        answer = b""
    assert answer == b""
    assert running.captured == b""


async def test_health_needs_the_certificate_alone(running, context_of):
    answer = await raw(
        running.port, context_of("ent-a", "client"), b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'{"status":"ok"}' in answer


async def test_an_unsigned_request_is_refused_with_a_problem(running, context_of):
    answer = await raw(
        running.port,
        context_of("ent-a", "client"),
        b"POST /v1/conversions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401")
    assert b"application/problem+json" in head
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "request is not signed",
    }


async def test_the_same_bytes_sent_twice_are_refused_the_second_time(running, context_of):
    body = ASKED.model_dump_json().encode()
    headers = signed_http.sign_request(
        signer_of("CMCC"),
        method="POST",
        path="/v1/conversions",
        query="",
        body=body,
        created=int(time.time()),
        nonce="nonce-of-this-request",
    )
    lines = [b"POST /v1/conversions HTTP/1.1", b"host: x", b"content-type: application/json"]
    lines += [b"content-length: %d" % len(body)]
    lines += [f"{name}: {value}".encode() for name, value in headers.items()]
    whole = b"\r\n".join([*lines, b"", body])
    context = context_of("CMCC", "client")
    assert (await raw(running.port, context, whole)).startswith(b"HTTP/1.1 200")
    assert (await raw(running.port, context, whole)).startswith(b"HTTP/1.1 401")


async def test_a_body_over_the_cap_is_refused(running, context_of, monkeypatch):
    monkeypatch.setattr(server, "BODY_MAX", 10)
    answer = await raw(
        running.port,
        context_of("CMCC", "client"),
        b"POST /v1/conversions HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\n" + b"x" * 11,
    )
    assert answer.startswith(b"HTTP/1.1 413")


async def test_bodies_over_what_is_held_at_a_time_are_unavailable(peer, monkeypatch):
    monkeypatch.setattr(server, "BODIES_MAX", 10)
    with pytest.raises(PeerUnavailable, match="503"):
        await ask(peer)
    monkeypatch.undo()
    assert await ask(peer)


async def test_bodies_are_held_no_longer_than_their_request(peer, monkeypatch):
    monkeypatch.setattr(server, "BODIES_MAX", 3 * len(ASKED.model_dump_json()))
    for _ in range(10):
        assert await ask(peer)


def problem_of(answer: bytes) -> tuple[int, dict]:
    """Status line and problem document of what a connection got."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


async def test_what_is_no_http_is_a_problem(running, context_of):
    status, problem = problem_of(await raw(running.port, context_of("CMCC", "client"), b"BIND\r\n\r\n"))
    assert (status, problem["status"]) == (400, 400)


async def test_headers_that_are_too_long_are_a_problem(running, context_of):
    line = b"x-filler: " + b"x" * 3 * server.HEADER_MAX
    status, problem = problem_of(
        await raw(running.port, context_of("CMCC", "client"), b"GET /health HTTP/1.1\r\n" + line)
    )
    assert (status, problem["status"]) == (431, 431)


async def test_more_connections_than_the_cap_are_told_to_come_back(running, context_of, monkeypatch):
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 0)
    answer = await raw(
        running.port,
        context_of("CMCC", "client"),
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    assert problem_of(answer)[0] == 503
    assert b"retry-after: 1" in answer


async def test_another_method_is_told_the_one_there_is(running, context_of):
    headers = signed_http.sign_request(
        signer_of("CMCC"),
        method="PUT",
        path="/v1/conversions",
        query="",
        body=b"",
        created=int(time.time()),
        nonce="nonce-of-another-method",
    )
    lines = [b"PUT /v1/conversions HTTP/1.1", b"host: x", b"connection: close"]
    lines += [f"{name}: {value}".encode() for name, value in headers.items()]
    answer = await raw(running.port, context_of("CMCC", "client"), b"\r\n".join([*lines, b"", b""]))
    assert problem_of(answer)[0] == 405
    assert b"allow: POST" in answer


async def test_headers_without_end_are_cut_off(running, context_of):
    _, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context_of("CMCC", "client"))
    writer.write(b"GET /health HTTP/1.1\r\n")
    sent = 0
    with contextlib.suppress(OSError):
        while sent < 10_000_000:
            writer.write(b"x-filler: " + b"x" * 4000 + b"\r\n")
            sent += 4000
            await writer.drain()
            await asyncio.sleep(0)
    assert sent < 10_000_000
    assert len(running.captured) < 1_000_000
    writer.close()


async def test_a_request_that_never_ends_is_cut_off(context_of, monkeypatch):
    monkeypatch.setattr(server, "RECEIVE_SECONDS", 0.05)
    started = await server.serve(
        APP, "127.0.0.1", 0, context_of("ttp", "server"), keys=Keys(), signer=signer_of("ttp")
    )
    try:
        context = context_of("CMCC", "client")
        for data in (b"", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nxx"):
            assert await raw(started.port, context, data) == b""
    finally:
        await started.stop()


async def test_capture_gets_what_each_side_received_in_the_clear(running, peer_to):
    heard = bytearray()
    async with peer_to(running.port, signer_of("CMCC", "hmac"), capture=heard.extend) as peer:
        await ask(peer)
    assert running.captured.startswith(b"POST /v1/conversions HTTP/1.1")
    assert ASKED.model_dump_json().encode() in running.captured
    assert heard.startswith(b"HTTP/1.1 200")
    assert b'"status":"ACTIVE"' in heard


async def test_a_context_that_asks_for_no_certificate_is_refused(context_of):
    context = context_of("ttp", "server")
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError):
        await server.serve(APP, "127.0.0.1", 0, context, keys=Keys(), signer=signer_of("ttp"))


async def test_a_port_that_is_taken_is_an_oserror(running, context_of):
    with pytest.raises(OSError):
        await server.serve(
            APP,
            "127.0.0.1",
            running.port,
            context_of("ttp", "server"),
            keys=Keys(),
            signer=signer_of("ttp"),
        )
