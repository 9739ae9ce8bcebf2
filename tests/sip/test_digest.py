"""Digest authentication: RFC 7616, RFC 8760, RFC 3261 22."""

from __future__ import annotations

import pytest

from sip.digest import ALGORITHMS, Authenticator, Credentials, authorize, ha1, response_value
from sip.headers import parse_auth
from sip.message import Request, Response, make_response
from tests.sip.wire import request_of, request_text

USERS = {"ent-a": "secret"}
BOB = Credentials("ent-a", "secret")


def authenticator(**options: object) -> Authenticator:
    def lookup(username: str, algorithm: str) -> str | None:
        password = USERS.get(username)
        return ha1(username, "ascs", password, algorithm) if password else None

    return Authenticator("ascs", b"k" * 32, lookup, **options)  # type: ignore[arg-type]


def challenged(server: Authenticator, now: float, *, stale: bool = False) -> Response:
    headers = [("WWW-Authenticate", value) for value in server.challenges(now, stale=stale)]
    return make_response(request_of(request_text("REGISTER")), 401, headers=headers)


def signed(server: Authenticator, now: float = 0.0, credentials: Credentials = BOB) -> Request:
    request = request_of(request_text("REGISTER"))
    assert authorize(challenged(server, now), request, credentials)
    return request


def judge(server: Authenticator, request: Request, now: float = 0.0) -> str:
    return server.verify(request.get_all("Authorization"), request.method, str(request.uri), now).outcome


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, expected: str) -> None:
    """RFC 7616 3.9.1."""
    value = response_value(
        ha1("Mufasa", "http-auth@example.org", "Circle of Life", algorithm),
        "GET",
        "/dir/index.html",
        nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        algorithm=algorithm,
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert value == expected


def test_the_form_of_rfc_2617_without_qop() -> None:
    value = response_value(
        ha1("Mufasa", "testrealm@host.com", "Circle Of Life", "MD5"),
        "GET",
        "/dir/index.html",
        nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
        algorithm="MD5",
        qop=None,
    )
    assert value == "670fd8c2df070c60b045671b8b24ff02"


def test_sha_256_is_offered_and_taken_first() -> None:
    """RFC 8760 2.4."""
    server = authenticator()
    offered = [parse_auth(value).params["algorithm"] for value in server.challenges(0.0)]
    assert offered == list(ALGORITHMS) == ["SHA-256", "MD5"]
    assert parse_auth(signed(server).get("Authorization") or "").params["algorithm"] == "SHA-256"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_right_password_is_ok(algorithm: str) -> None:
    server = authenticator(algorithms=(algorithm,))
    request = signed(server)
    result = server.verify(request.get_all("Authorization"), "REGISTER", str(request.uri), 1.0)
    assert (result.ok, result.username) == (True, "ent-a")


def test_a_wrong_password_and_an_unknown_user_are_wrong() -> None:
    server = authenticator()
    assert judge(server, signed(server, credentials=Credentials("ent-a", "no"))) == "wrong"
    assert judge(server, signed(server, credentials=Credentials("ent-x", "secret"))) == "wrong"


def test_nothing_or_another_realm_or_scheme_is_missing() -> None:
    server = authenticator()
    request = request_of(request_text("REGISTER"))
    assert judge(server, request) == "missing"
    request.add("Authorization", "NoOneKnowsThisScheme opaque-data=here")
    assert judge(server, request) == "missing"
    request.add("Authorization", 'Digest realm="other", username="ent-a"')
    assert judge(server, request) == "missing"


def test_the_response_holds_for_one_method_and_uri() -> None:
    server = authenticator()
    request = signed(server)
    values = request.get_all("Authorization")
    assert server.verify(values, "INVITE", str(request.uri), 0.0).outcome == "wrong"
    assert server.verify(values, "REGISTER", "sip:someone@else", 0.0).outcome == "wrong"


def test_the_uri_may_be_written_otherwise() -> None:
    """RFC 3261 19.1.4: the host's case is nothing, the user's and a transport are something."""
    server = authenticator()
    for written, outcome in (
        ("sip:bob@192.0.2.2", "ok"),
        ("SIP:%62ob@192.0.2.2", "ok"),
        ("sip:BOB@192.0.2.2", "wrong"),
        ("sip:bob@192.0.2.2;transport=tcp", "wrong"),
        ("no uri", "wrong"),
    ):
        values = signed(server).get_all("Authorization")
        assert server.verify(values, "REGISTER", written, 0.0).outcome == outcome, written


def test_a_count_is_accepted_once() -> None:
    """RFC 7616 3.4.5: a replay is told to ask for a new nonce, and is not let in."""
    server = authenticator()
    request = signed(server)
    assert judge(server, request) == "ok"
    assert judge(server, request) == "stale"


def test_a_wrong_response_burns_no_count() -> None:
    server = authenticator()
    request = signed(server)
    value = request.get("Authorization") or ""
    request.set("Authorization", value.replace('response="', 'response="0'))
    assert judge(server, request) == "wrong"
    request.set("Authorization", value)
    assert judge(server, request) == "ok"


def test_a_nonce_grows_old() -> None:
    server = authenticator(nonce_lifetime=10.0)
    assert judge(server, signed(server, now=100.0), 110.0) == "ok"
    assert judge(server, signed(server, now=100.0), 110.1) == "stale"


def test_a_nonce_of_another_secret_is_stale() -> None:
    other = authenticator()
    other.secret = b"x" * 32
    assert judge(authenticator(), signed(other)) == "stale"


def test_a_forgotten_count_is_not_accepted_again() -> None:
    """The count table is bounded; what falls out of it counts as stale, never as new."""
    server = authenticator(counts_max=2)
    first = signed(server, now=1.0)
    assert judge(server, first, 1.0) == "ok"
    for now in (2.0, 3.0):
        assert judge(server, signed(server, now=now), now) == "ok"
    assert judge(server, first, 3.0) == "stale"
    assert judge(server, signed(server, now=4.0), 4.0) == "ok"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nc=00000001", "nc=1"),
        ("nc=00000001", "nc=0000000g"),
        ("nc=00000001", "nc=00000000"),
        ("qop=auth", "qop=auth-int"),
        ("algorithm=SHA-256", "algorithm=SHA-1"),
        ("Digest username=", "Digest user="),
        ("realm=", "="),
    ],
)
def test_malformed_credentials(old: str, new: str) -> None:
    server = authenticator()
    request = signed(server)
    request.set("Authorization", (request.get("Authorization") or "").replace(old, new))
    assert judge(server, request) == "malformed"


def test_a_client_answers_a_nonce_once_unless_it_is_stale() -> None:
    """22.3: the same credentials are not tried again."""
    server = authenticator()
    request = signed(server)
    assert not authorize(challenged(server, 1.0), request, BOB)
    assert authorize(challenged(server, 1.0, stale=True), request, BOB)
    assert judge(server, request, 1.0) == "ok"


def test_a_client_passes_over_what_it_does_not_know() -> None:
    request = request_of(request_text("REGISTER"))
    response = make_response(
        request,
        407,
        headers=[
            ("Proxy-Authenticate", "Bearer authz_server=x"),
            ("Proxy-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA3-256'),
            ("Proxy-Authenticate", 'Digest realm="r", nonce="n", opaque="o", qop="auth-int, auth"'),
        ],
    )
    assert not authorize(response, request, Credentials("u", "p", realm="another"))
    assert authorize(response, request, Credentials("u", "p"), cnonce="c")
    params = parse_auth(request.get("Proxy-Authorization") or "").params
    assert (params["algorithm"], params["opaque"], params["qop"], params["cnonce"]) == (
        "MD5",
        "o",
        "auth",
        "c",
    )
    assert not authorize(make_response(request, 403), request, Credentials("u", "p"))


def test_passwords_are_not_shown() -> None:
    assert "secret" not in repr(BOB)


def test_the_example_of_rfc_7616_with_sha_512_256() -> None:
    """RFC 7616 3.9.2, with the reported erratum 4897: the response is that of SHA-512/256."""
    value = response_value(
        ha1("J\u00e4s\u00f8n Doe", "api@example.org", "Secret, or not?", "SHA-512-256"),
        "GET",
        "/doe.json",
        nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        algorithm="SHA-512-256",
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert value == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


@pytest.mark.parametrize("algorithm", ["SHA-512-256", "SHA-256", "MD5"])
@pytest.mark.parametrize("qop", [("auth",), ("auth-int",), ("auth", "auth-int")])
def test_each_algorithm_and_protection_is_spoken_both_ways(algorithm: str, qop: tuple[str, ...]) -> None:
    """RFC 7616 3.3, 3.4; RFC 8760 2."""
    server = authenticator(algorithms=(algorithm,), qop=qop)
    request = signed(server)
    assert parse_auth(request.get("Authorization") or "").params["qop"] == qop[0]
    assert judge(server, request) == "ok"


def test_auth_int_covers_the_body() -> None:
    """RFC 7616 3.4.3."""
    server = authenticator(qop=("auth-int",))
    request = request_of(request_text("MESSAGE", body=b"hello"))
    assert authorize(challenged(server, 0.0), request, BOB)
    values = request.get_all("Authorization")
    uri = str(request.uri)
    assert server.verify(values, "MESSAGE", uri, 0.0, b"other").outcome == "wrong"
    assert server.verify(values, "MESSAGE", uri, 0.0, b"hello").outcome == "ok"
    assert server.verify(values, "MESSAGE", uri, 0.0, b"hello").outcome == "stale"
