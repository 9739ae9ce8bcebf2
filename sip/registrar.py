"""A registrar's bindings (RFC 3261 clause 10.3), bounded and without I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sip.flow import Flow
from sip.headers import DELTA_SECONDS_MAX, HeaderError, NameAddr, parse_delta_seconds
from sip.message import Request
from sip.timers import Timer, TimerHeap
from sip.uri import SipUri

BINDINGS_MAX = 10_000
"""Bindings of all addresses of record."""
CONTACTS_MAX = 10
"""Bindings of one address of record."""


@dataclass(slots=True)
class Binding:
    """One place where an address of record is reached. ``flow`` is where its REGISTER came from."""

    contact: NameAddr
    uri: SipUri
    flow: Flow
    call_id: str
    cseq: int
    expires_at: float
    q: float
    timer: Timer | None = None


@dataclass(slots=True, frozen=True)
class RegisterResult:
    """What to answer: status and headers (Contact with expires, or Min-Expires, or Retry-After)."""

    status: int
    headers: list[tuple[str, object]] = field(default_factory=list)


class Registrar:
    """Address of record → bindings. Lifetimes in seconds."""

    def __init__(
        self,
        *,
        bindings_max: int = BINDINGS_MAX,
        contacts_max: int = CONTACTS_MAX,
        expires_min: int = 60,
        expires_max: int = 3600,
        expires_default: int = 600,
    ) -> None:
        self.bindings_max = bindings_max
        self.contacts_max = contacts_max
        self.expires_min = expires_min
        self.expires_max = expires_max
        self.expires_default = expires_default
        self._timers = TimerHeap()
        self._bindings: dict[str, list[Binding]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def next_timer(self) -> float | None:
        return self._timers.next()

    def expire(self, now: float) -> None:
        """Drop what is over. :meth:`contacts` never shows it either way."""
        self._timers.run(now)

    def contacts(self, aor: str, now: float) -> list[Binding]:
        """The live bindings, highest q first, then the newest."""
        live = [binding for binding in self._bindings.get(aor, ()) if binding.expires_at > now]
        return sorted(live, key=lambda binding: (-binding.q, -binding.expires_at))

    def addresses(self) -> Iterable[str]:
        """All addresses of record that have bindings."""
        return self._bindings.keys()

    def register(self, aor: str, request: Request, flow: Flow, now: float) -> RegisterResult:
        """Apply an authenticated REGISTER to ``aor`` (10.3 steps 6 to 8): all of its contacts or none."""
        self.expire(now)
        if request.contact_is_star:
            return self._remove_all(aor, request, now)
        changes: list[tuple[NameAddr, SipUri, int, float]] = []
        try:
            for contact in request.contacts:
                uri = contact.uri
                if not isinstance(uri, SipUri):
                    return RegisterResult(400)
                expires = self._lifetime(contact, request)
                # 10.3 step 7: too brief is refused, but 0 removes.
                if 0 < expires < self.expires_min:
                    return RegisterResult(423, [("Min-Expires", self.expires_min)])
                # 19.1.1, RFC 4475 3.1.1.6: headers in a Contact URI would be put into every request sent there.
                changes.append((contact, uri.replace(headers=()), expires, _q(contact)))
        except HeaderError:
            return RegisterResult(400)
        bindings = self._bindings.get(aor, [])
        for _, uri, _, _ in changes:
            old = _find(bindings, uri)
            if old is not None and not _newer(old, request):
                return RegisterResult(500)  # 10.3 step 7: out of order
        added = sum(1 for _, uri, expires, _ in changes if expires and _find(bindings, uri) is None)
        if len(bindings) + added > self.contacts_max or self._count + added > self.bindings_max:
            return RegisterResult(503, [("Retry-After", self.expires_min)])
        for contact, uri, expires, q in changes:
            old = _find(self._bindings.get(aor, []), uri)
            if old is not None:
                self._drop(aor, old)
            if expires:
                self._put(
                    aor, Binding(contact, uri, flow, request.call_id, request.cseq.number, now + expires, q)
                )
        return RegisterResult(200, self._listing(aor, now))

    def _lifetime(self, contact: NameAddr, request: Request) -> int:
        value = contact.param("expires")
        if value is not None:
            expires = parse_delta_seconds(value, 3600)  # 20.10: malformed counts as 3600
        else:
            stated = request.expires
            expires = self.expires_default if stated is None else stated
        return min(expires, self.expires_max, DELTA_SECONDS_MAX)

    def _remove_all(self, aor: str, request: Request, now: float) -> RegisterResult:
        # 10.3 step 6: the star stands alone and with Expires: 0.
        if request.get("Expires") is None or request.expires != 0:
            return RegisterResult(400)
        bindings = list(self._bindings.get(aor, ()))
        if any(not _newer(binding, request) for binding in bindings):
            return RegisterResult(500)
        for binding in bindings:
            self._drop(aor, binding)
        return RegisterResult(200)

    def _put(self, aor: str, binding: Binding) -> None:
        self._bindings.setdefault(aor, []).append(binding)
        self._count += 1
        binding.timer = self._timers.set(binding.expires_at, lambda _: self._drop(aor, binding))

    def _drop(self, aor: str, binding: Binding) -> None:
        if binding.timer is not None:
            binding.timer.cancel()
        bindings = self._bindings[aor]
        bindings.remove(binding)
        self._count -= 1
        if not bindings:
            del self._bindings[aor]

    def _listing(self, aor: str, now: float) -> list[tuple[str, object]]:
        # 10.3 step 8: all current bindings, each with what is left of its life.
        return [
            (
                "Contact",
                NameAddr(b.contact.uri, b.contact.display).with_param(
                    "expires", str(int(b.expires_at - now))
                ),
            )
            for b in self.contacts(aor, now)
        ]


def _find(bindings: list[Binding], uri: SipUri) -> Binding | None:
    return next((binding for binding in bindings if binding.uri == uri), None)


def _newer(binding: Binding, request: Request) -> bool:
    # 10.3 step 7: the same Call-ID must bring a higher CSeq.
    return binding.call_id != request.call_id or request.cseq.number > binding.cseq


def _q(contact: NameAddr) -> float:
    text = contact.param("q")
    if text is None:
        return 1.0
    try:
        value = float(text)
    except ValueError:
        raise HeaderError("Contact", "bad q") from None
    if not 0.0 <= value <= 1.0:
        raise HeaderError("Contact", "bad q")
    return value
