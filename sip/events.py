"""What a user agent tells its user. Names are in the past tense; each event says what was already done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip.dialog import Dialog
from sip.flow import Flow
from sip.headers import NameAddr
from sip.message import Request, Response
from sip.transaction_client import ClientTransaction
from sip.transaction_server import ServerTransaction

if TYPE_CHECKING:
    from sip.call import Call


class IncomingCall(NamedTuple):
    """An INVITE that makes a new call. Answer with ``call.ring``, ``call.answer`` or ``call.reject``."""

    call: Call
    request: Request
    flow: Flow


class CallProgress(NamedTuple):
    """101 to 199 to our INVITE. ``dialog`` is the early dialog, None when the response has no To tag.

    ``reliable``: the callee repeats it until our PRACK, which is sent; a description in it is the answer to our
    offer. ``prack_due``: it made the offer, and ``call.prack(answer)`` is due.
    """

    call: Call
    response: Response
    dialog: Dialog | None
    reliable: bool = False
    prack_due: bool = False


class ProvisionalAcknowledged(NamedTuple):
    """PRACK for our reliable provisional response; ``request.body`` is the answer where our response made the
    offer. Its 200 is sent, unless it makes an offer of its own: ModificationReceived follows then."""

    call: Call
    request: Request


class CallAnswered(NamedTuple):
    """The 2xx that our call takes. Acknowledged already if our INVITE had a body; if not, the response's body
    is the offer and ``call.acknowledge(answer)`` is due."""

    call: Call
    response: Response


class CallFailed(NamedTuple):
    """Our INVITE came to nothing: the final status, 408 for no answer, 503 for no way. The call is over."""

    call: Call
    status: int
    response: Response | None


class CallEstablished(NamedTuple):
    """The caller acknowledged our 2xx. ``ack.body`` is the answer when the offer was in the 2xx."""

    call: Call
    ack: Request


class CallCancelled(NamedTuple):
    """The caller took the INVITE back before we answered; 200 and 487 are sent. The call is over."""

    call: Call
    request: Request


class CallEnded(NamedTuple):
    """A call that was answered is over.

    ``cause``: bye (its 200 is sent), ack-timeout (the caller never acknowledged; BYE sent), cancelled (our
    CANCEL lost against a 2xx; ACK and BYE sent), unreachable (a request in the dialog got 408, 481 or nothing;
    BYE sent), expired (we neither answered nor refused in time; 480 sent), prack-timeout (a reliable
    provisional response was never acknowledged; 504 sent), session-expired (no refresh in time; BYE sent).
    """

    call: Call
    cause: str
    request: Request | None = None


class ModificationReceived(NamedTuple):
    """A re-INVITE, an UPDATE with an offer, or a PRACK with one: answer with ``call.accept_modification`` or
    ``call.reject_modification``. An UPDATE without body is answered unseen."""

    call: Call
    transaction: ServerTransaction
    request: Request


class ModificationAnswered(NamedTuple):
    """2xx to our re-INVITE or UPDATE (``response.cseq.method``). A re-INVITE is acknowledged already if it had a
    body; if not, ``call.acknowledge`` is due."""

    call: Call
    response: Response


class ModificationAcknowledged(NamedTuple):
    """The ACK for our 2xx to their re-INVITE; ``ack.body`` is the answer when the 2xx made the offer."""

    call: Call
    ack: Request


class ModificationFailed(NamedTuple):
    """Our re-INVITE or UPDATE was refused; the call goes on as before. 491: both sides asked at once, ask again
    later."""

    call: Call
    status: int
    response: Response | None


class ReferReceived(NamedTuple):
    """The peer asks us to call somebody else (RFC 3515): answer with ``call.accept_refer`` and tell how it goes
    with ``call.notify_refer``, or with ``call.reject_refer``. ``referred_by`` is a claim, not a proof."""

    call: Call
    transaction: ServerTransaction
    request: Request
    refer_to: NameAddr
    referred_by: NameAddr | None


class ReferProgress(NamedTuple):
    """The peer tells how our REFER goes, in the words of the call it makes: ``status``, and whether that was the
    last word (``over``). 200 to the NOTIFY is sent."""

    call: Call
    status: int
    over: bool
    request: Request


class CallRequest(NamedTuple):
    """INFO, MESSAGE and the like inside a call: answer with ``agent.respond``."""

    call: Call
    transaction: ServerTransaction
    request: Request


class RequestReceived(NamedTuple):
    """A request outside any dialog that is no INVITE: answer with ``agent.respond``."""

    transaction: ServerTransaction
    request: Request
    flow: Flow


class ResponseReceived(NamedTuple):
    """The final response to a request of ours that is no INVITE; challenges were answered where credentials
    were given. ``call`` is set for requests inside one."""

    transaction: ClientTransaction
    response: Response
    call: Call | None = None


class RequestFailed(NamedTuple):
    """No final response: ``cause`` is timeout or transport."""

    transaction: ClientTransaction
    cause: str
    call: Call | None = None


Event = (
    IncomingCall
    | CallProgress
    | ProvisionalAcknowledged
    | CallAnswered
    | CallFailed
    | CallEstablished
    | CallCancelled
    | CallEnded
    | ModificationReceived
    | ModificationAnswered
    | ModificationAcknowledged
    | ModificationFailed
    | ReferReceived
    | ReferProgress
    | CallRequest
    | RequestReceived
    | ResponseReceived
    | RequestFailed
)
