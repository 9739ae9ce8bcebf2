"""What an enterprise may ask of the SIP side at all: its digest, its access number, an AID and audio.

| what comes | answer |
|---|---|
| no credentials from an address or with a certificate that is one trunk's | taken as that trunk's |
| no credentials else, or a nonce that is old | 401 with a challenge of each algorithm, the preferred first (RFC 8760) |
| unknown user or wrong password | 403, one and the same |
| credentials that break the grammar, a body that is no session description | 400 |
| From is another enterprise's access number, or the trunk owns none | 403 |
| Request-URI that names no AID | 404 |
| no audio in the offer that may cross | 488 |
| over the calls, or calls a second, of gateway, trunk, access number or AID | 503 with Retry-After |
| no hop left (Max-Forwards 0) | 483 |
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import NamedTuple

from gateway.access_number import AccessNumberRow
from gateway.accounts.bind_rules import known_without_password
from gateway.accounts.directory import Directory
from gateway.policy.refusal import ANSWERS, Case
from gateway.store.accounts import TrunkRow
from gateway.voice.call_caps import CallOf
from gateway.voice.call_record import Direction
from gateway.voice.egress import Headers
from gateway.voice.media import may_cross
from sip.digest import ALGORITHMS, Authenticator
from sip.flow import Flow
from sip.loops import next_max_forwards
from sip.message import Request
from sip.sdp import SdpError
from sip.uri import SipUri, TelUri, Uri, bare_host

AID_DIGITS = 18
NONCE_LIFETIME_S = 300.0


class Rejection(NamedTuple):
    """A final answer: status, headers, and the description that a 580 has."""

    status: int
    headers: Headers
    body: bytes = b""


class Admitted(NamedTuple):
    """A call that may be asked about."""

    trunk: TrunkRow
    aid: str
    number: AccessNumberRow
    """The access number that the call shows."""

    @property
    def of(self) -> CallOf:
        """What it is counted under."""
        return CallOf(Direction.CALL, self.trunk, self.number, self.aid)


def rejection(case: Case) -> Rejection:
    """What refusal.ANSWERS has SIP say."""
    answer = ANSWERS[case]
    assert answer.sip is not None
    retry = answer.retry_after_s
    return Rejection(answer.sip, [] if retry is None else [("Retry-After", retry)])


class Admission:
    """Decides what needs nobody else's answer."""

    def __init__(
        self, directory: Directory, realm: str, aid_domain: str, algorithms: tuple[str, ...] = ALGORITHMS
    ) -> None:
        self._directory = directory
        self._realm = realm
        self._aid_domain = aid_domain.lower()
        self._hosts: frozenset[str] = frozenset((self._aid_domain,))
        self._any_address = False
        self._digest = Authenticator(
            realm,
            secrets.token_bytes(32),
            self._ha1,
            nonce_lifetime=NONCE_LIFETIME_S,
            algorithms=algorithms,
        )

    def listens_on(self, *hosts: str) -> None:
        """The gateway's own addresses: a Request-URI may name one in the AID domain's place."""
        self._hosts = frozenset((self._aid_domain, *(host.lower() for host in hosts)))
        self._any_address = any(_unspecified(host) for host in hosts)

    def _ha1(self, username: str, algorithm: str) -> str | None:
        trunk = self._directory.trunk(username)
        if trunk is None or trunk.realm != self._realm:
            return None
        return trunk.ha1_sha256 if algorithm == "SHA-256" else trunk.ha1_md5

    def authenticate(self, request: Request, now: float) -> TrunkRow | Rejection:
        """The trunk whose password the request proves (RFC 7616, RFC 8760; 401 since this is a user agent)."""
        result = self._digest.verify(request.get_all("Authorization"), request.method, str(request.uri), now)
        if result.outcome in ("missing", "stale"):
            stale = result.outcome == "stale"
            challenges = self._digest.challenges(now, stale=stale)
            return Rejection(401, [("WWW-Authenticate", challenge) for challenge in challenges])
        if result.outcome == "malformed":
            return Rejection(400, [])
        trunk = self._directory.trunk(result.username or "")
        if not result.ok or trunk is None:
            return rejection(Case.CREDENTIALS)
        return trunk

    def challenge(
        self, request: Request, flow: Flow, certificate: bytes | None, now: float
    ) -> Headers | None:
        """The headers of the 401 to an INVITE that shows nothing of who sent it; None where `admit` has to judge it."""
        if request.get("Authorization") is not None or self._static(flow.host, certificate) is not None:
            return None
        unproved = self.authenticate(request, now)
        return unproved.headers if isinstance(unproved, Rejection) and unproved.status == 401 else None

    def admit(
        self, request: Request, flow: Flow, certificate: bytes | None, now: float
    ) -> Admitted | Rejection:
        """Judge an INVITE of an enterprise. `certificate`: the client's over TLS, in DER."""
        trunk: TrunkRow | Rejection | None = None
        if not request.get_all("Authorization"):
            trunk = self._static(flow.host, certificate)
        trunk = trunk or self.authenticate(request, now)
        if isinstance(trunk, Rejection):
            return trunk
        if next_max_forwards(request) is None:
            return Rejection(483, [])
        number = self._caller(trunk, request.from_.uri)
        if number is None:
            return rejection(Case.ACCESS_NUMBER)
        aid = self.aid_of(request.uri)
        if aid is None:
            return rejection(Case.AID_REFUSED)
        if request.body:
            try:
                if not may_cross(request.body):
                    return rejection(Case.CONTENT)
            except SdpError:
                return Rejection(400, [])
        return Admitted(trunk, aid, number)

    def _static(self, address: str, certificate: bytes | None) -> TrunkRow | None:
        """The one trunk that is known by where the call comes from; with several, the password decides."""
        found = [
            trunk
            for trunk in self._directory.static_trunks
            if known_without_password(trunk, address, certificate)
        ]
        return found[0] if len(found) == 1 else None

    def _caller(self, trunk: TrunkRow, uri: Uri) -> AccessNumberRow | None:
        """The access number that the call shows; None where From is another enterprise's, or there is none."""
        user = number_of(uri)
        owner = None if user is None else self._directory.access_number(user)
        if owner is not None and owner.enterprise_id != trunk.enterprise_id:
            return None
        return self._directory.caller_of(trunk, user)

    def aid_of(self, uri: Uri) -> str | None:
        """sip:<aid>@<AID domain or gateway address>, or tel:<aid>;phone-context=<AID domain>."""
        if isinstance(uri, SipUri):
            aid = uri.user if self._is_here(uri.host) else None
        elif isinstance(uri, TelUri):
            aid = uri.digits if (uri.param("phone-context") or "").lower() == self._aid_domain else None
        else:
            aid = None
        if aid is None or len(aid) != AID_DIGITS or not (aid.isascii() and aid.isdigit()):
            return None
        return aid

    def _is_here(self, host: str) -> bool:
        host = bare_host(host).lower().removesuffix(".")
        return host in self._hosts or (self._any_address and _is_address(host))


def number_of(uri: Uri) -> str | None:
    """The number that a URI names, without a leading plus; None where it names none."""
    text = uri.user if isinstance(uri, SipUri) else uri.digits if isinstance(uri, TelUri) else None
    digits = (text or "").removeprefix("+")
    return digits if digits.isascii() and digits.isdigit() else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unspecified(host: str) -> bool:
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified
