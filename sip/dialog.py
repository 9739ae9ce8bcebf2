"""Dialogs (RFC 3261 clause 12): the state two user agents share, and the requests built from it."""

from __future__ import annotations

from sip.flow import TRANSPORTS, Flow, default_port
from sip.headers import CSeq, NameAddr
from sip.message import DEFAULT_MAX_FORWARDS, Request, Response
from sip.uri import SipUri, Uri, bare_host

DialogKey = tuple[str, str, str]

_MAX_FORWARDS = str(DEFAULT_MAX_FORWARDS)
_TARGET_REFRESH = frozenset(("INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"))


class DialogError(ValueError):
    """A message cannot make a dialog: no tag, or no Contact that SIP can be sent to."""


class Dialog:
    """One dialog. ``key`` is (Call-ID, local tag, remote tag); ``flow`` is where its requests go."""

    __slots__ = (
        "_ends",
        "call_id",
        "confirmed",
        "flow",
        "key",
        "local",
        "local_cseq",
        "negotiated",
        "peer_allow",
        "pinned",
        "prack_due",
        "remote",
        "remote_cseq",
        "remote_rseq",
        "remote_target",
        "route_set",
    )

    def __init__(
        self,
        call_id: str,
        local: NameAddr,
        remote: NameAddr,
        remote_target: Uri,
        route_set: list[NameAddr],
        flow: Flow,
        *,
        local_cseq: int,
        remote_cseq: int | None,
        confirmed: bool,
        pinned: bool,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.key: DialogKey = (call_id, local.tag or "", remote.tag or "")
        self._ends: tuple[str, str] | None = None
        """From and To of our requests as they are written, once one was."""
        self.remote_target = remote_target
        self.route_set = route_set
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.confirmed = confirmed
        self.pinned = pinned
        self.flow = flow
        self.negotiated = False
        """An offer and its answer have passed; before that nobody may offer anew (RFC 3311 5.1)."""
        self.peer_allow: tuple[str, ...] = ()
        """The methods of the peer's last Allow."""
        self.remote_rseq: int | None = None
        """The last reliable provisional response taken (RFC 3262 4)."""
        self.prack_due: str | None = None
        """RAck of the reliable provisional response that made an offer we still owe the answer to."""
        self._aim()

    @classmethod
    def as_server(cls, request: Request, local_tag: str, flow: Flow, *, pinned: bool = False) -> Dialog:
        """12.1.1: the dialog that our 101 to 2xx to this request makes.

        ``pinned`` keeps requests on the flow they came from, for peers behind address translation.

        :raises DialogError: the request has no Contact to answer to.
        """
        return cls(
            request.call_id,
            request.to.with_tag(local_tag),
            request.from_,
            target_of(request),
            list(request.record_routes),
            flow,
            local_cseq=0,
            remote_cseq=request.cseq.number,
            confirmed=False,
            pinned=pinned,
        )

    @classmethod
    def as_client(cls, request: Request, response: Response, flow: Flow, *, pinned: bool = False) -> Dialog:
        """12.1.2: the dialog that a 101 to 2xx to our request makes.

        :raises DialogError: the response has no To tag or no usable Contact.
        """
        if response.to.tag is None:
            raise DialogError("response without To tag")
        return cls(
            request.call_id,
            request.from_,
            response.to,
            target_of(response),
            list(reversed(response.record_routes)),
            flow,
            local_cseq=request.cseq.number,
            remote_cseq=None,
            confirmed=response.status >= 200,
            pinned=pinned,
        )

    def note_allow(self, message: Request | Response) -> None:
        """Remember what the peer says it takes; silence changes nothing."""
        allow = message.get_all("Allow")
        if allow:
            self.peer_allow = tuple(allow)

    def confirm(self, response: Response) -> None:
        """13.2.2.4: the 2xx confirms an early dialog; its route set and target are taken anew."""
        self.confirmed = True
        self.route_set = list(reversed(response.record_routes))
        self.remote_target = target_of(response)
        self._aim()

    def refresh_target(self, message: Request | Response) -> None:
        """12.2.1.2 and 12.2.2: a target refresh's Contact replaces the remote target."""
        if message.contacts:
            self.remote_target = message.contacts[0].uri
            self._aim()

    def accept(self, request: Request) -> bool:
        """12.2.2: note a request in the dialog. False when it is out of order: to be answered 500."""
        number = request.cseq.number
        if self.remote_cseq is not None and number <= self.remote_cseq:
            return False
        self.remote_cseq = number
        if request.method in _TARGET_REFRESH:
            self.refresh_target(request)
        return True

    def build(self, method: str, *, cseq: int | None = None) -> Request:
        """12.2.1.1: a request in the dialog, without Via, Contact and body. ``cseq`` is given for an ACK: it
        has its INVITE's number."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = self._path()
        ends = self._ends
        if ends is None:
            ends = self._ends = (str(self.local), str(self.remote))
        request = Request(
            method,
            uri,
            [
                ("Max-Forwards", _MAX_FORWARDS),
                ("From", ends[0]),
                ("To", ends[1]),
                ("Call-ID", self.call_id),
                ("CSeq", f"{cseq} {method}"),
            ],
        )
        request.know(self.local, self.remote, self.call_id, CSeq(cseq, method))
        for route in routes:
            request.add("Route", route)
        return request

    def _path(self) -> tuple[Uri, list[NameAddr]]:
        if not self.route_set:
            return self.remote_target, []
        first = self.route_set[0].uri
        if isinstance(first, SipUri) and not first.has_param("lr"):
            # 12.2.1.1: a strict router wants itself in the Request-URI and the target at the end.
            stripped = first.replace(headers=()).without_params("method")
            return stripped, [*self.route_set[1:], NameAddr(self.remote_target)]
        return self.remote_target, self.route_set

    def _aim(self) -> None:
        # 8.1.2: the first route, else the target. Names are a resolver's matter (RFC 3263): without one they
        # stay on the flow that made the dialog.
        if self.pinned:
            return
        uri = self.route_set[0].uri if self.route_set else self.remote_target
        if isinstance(uri, SipUri):
            host = bare_host(uri.param("maddr") or uri.host)
            if ":" in host or (host.count(".") == 3 and host.replace(".", "").isdigit()):
                transport = (uri.param("transport") or "").upper()
                if transport not in TRANSPORTS:
                    # 26.2.2: sips is TLS. Without a word, as the dialog began.
                    transport = "TLS" if uri.scheme == "sips" else self.flow.transport
                self.flow = Flow(transport, host, uri.port or default_port(transport))


def target_of(message: Request | Response) -> Uri:
    """The Contact that makes a dialog's target.

    :raises DialogError: there is none, there are several, or it is nothing that SIP can be sent to.
    """
    contacts = message.contacts
    if len(contacts) != 1 or not isinstance(contacts[0].uri, SipUri):
        # 8.1.1.8: exactly one Contact, a SIP or SIPS URI.
        raise DialogError("no usable Contact")
    return contacts[0].uri
