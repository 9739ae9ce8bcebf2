"""sipp scenarios, step by step: `caller` begins a call, `callee` is called; both may ask in the dialog afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

PCMA = "m=audio [media_port] RTP/AVP 8\na=rtpmap:8 PCMA/8000"
SDP = f"v=0\no=- 1 1 IN IP[local_ip_type] [local_ip]\ns=-\nc=IN IP[media_ip_type] [media_ip]\nt=0 0\n{PCMA}"
_SECOND = SDP.replace("o=- 1 1", "o=- 1 2")
HOLD = SDP.replace("o=- 1 1", "o=- 1 2") + "\na=sendonly"
HELD = SDP + "\na=recvonly"
_QOS = (
    "\na=curr:qos local {}\na=curr:qos remote none"
    "\na=des:qos mandatory local sendrecv\na=des:qos none remote sendrecv"
)
AWAITED, MET = SDP + _QOS.format("none"), _SECOND + _QOS.format("sendrecv")
KEY = "Signal=5\nDuration=160"
KEY_TYPE = "application/dtmf-relay"
ISUP = "multipart/mixed;boundary=cut"
SDP_AND_ISUP = (
    f"--cut\nContent-Type: application/sdp\n\n{SDP}\n"
    "--cut\nContent-Type: application/ISUP;version=itu-t92+\n"
    "Content-Disposition: signal;handling=optional\n\nnumber 13900000000\n--cut--\n"
)
AGAIN = SDP.replace("o=- 1 1", "o=- 1 3") + "\na=sendrecv"
VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]"


def _message(lines: Sequence[str], body: str = "") -> str:
    """As sipp's <send> has it. A body that says nothing of its kind in the headers is a description."""
    head = [line for line in lines if line]
    if body and not any(line.startswith("Content-Type:") for line in head):
        head.append("Content-Type: application/sdp")
    head.append("Content-Length: [len]" if body else "Content-Length: 0")
    text = "\n".join([*head, "", body])
    return "    <![CDATA[\n" + "\n".join(f"      {line}" for line in text.split("\n")) + "\n    ]]>\n"


class Scenario:
    """One side of one call. Every method adds a step and returns the scenario."""

    def __init__(self, name: str, local: str, remote: str, target: str) -> None:
        self._name = name
        self._local, self._remote, self._target = local, remote, target
        self._steps: list[str] = []
        self._cseq = 0

    def _add(self, step: str) -> Self:
        self._steps.append(step)
        return self

    def write(self, path: Path) -> Path:
        """As sipp reads it."""
        path.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<scenario name="{self._name}">\n{"".join(self._steps)}</scenario>\n'
        )
        return path

    def pause(self, milliseconds: int) -> Self:
        return self._add(f'  <pause milliseconds="{milliseconds}"/>\n')

    # --- requests that this side sends --------------------------------------------------------------

    def request(
        self, method: str, body: str = "", *headers: str, target: str = "[next_url]", lost: bool = False
    ) -> Self:
        """A request in the dialog. `lost`: it is not repeated, for nobody need answer it."""
        self._cseq += 1
        return self._send(method, body, headers, self._cseq, target, repeated=not lost)

    def ack(self, body: str = "") -> Self:
        """Of a 2xx: a transaction of its own."""
        return self._send("ACK", body, (), self._cseq, "[next_url]", repeated=False)

    def ack_of(self, cseq: int) -> Self:
        """Of a 2xx to an earlier request of ours, of which others came after."""
        return self._send("ACK", "", (), cseq, "[next_url]", repeated=False)

    def ack_refusal(self) -> Self:
        """Of any other final answer: in the INVITE's transaction (RFC 3261, 17.1.1.3)."""
        lines = [
            f"ACK {self._target} SIP/2.0", "[last_Via:]", f"From: {self._local}", "[last_To:]",
            "Call-ID: [call_id]", f"CSeq: {self._cseq} ACK", "Max-Forwards: 70",
        ]  # fmt: skip
        return self._add(f"  <send>\n{_message(lines)}  </send>\n")

    def ack_change(self) -> Self:
        """The same of a request in the dialog."""
        lines = [
            "ACK [next_url] SIP/2.0", "[last_Via:]", f"From: {self._local}", f"To: {self._remote}",
            "Call-ID: [call_id]", f"CSeq: {self._cseq} ACK", "Max-Forwards: 70",
        ]  # fmt: skip
        return self._add(f"  <send>\n{_message(lines)}  </send>\n")

    def _send(
        self,
        method: str,
        body: str,
        headers: Sequence[str],
        cseq: int,
        target: str,
        *,
        repeated: bool,
        to: str = "",
    ) -> Self:
        lines = [
            f"{method} {target} SIP/2.0", VIA, f"From: {self._local}", f"To: {to or self._remote}",
            "Call-ID: [call_id]", f"CSeq: {cseq} {method}",
            "Contact: <sip:[local_ip]:[local_port];transport=[transport]>" if method != "ACK" else "",
            *headers, "" if any(item.startswith("Max-Forwards:") for item in headers) else "Max-Forwards: 70",
        ]  # fmt: skip
        again = ' retrans="500"' if repeated else ""
        return self._add(f"  <send{again}>\n{_message(lines, body)}  </send>\n")

    def gets(self, status: int, *, optional: bool = False) -> Self:
        more = ' optional="true"' if optional else ""
        route = ' rrs="true"' if 200 <= status < 300 else ""
        return self._add(f'  <recv response="{status}"{more}{route}/>\n')

    def gets_reliable(self, status: int) -> Self:
        """A provisional answer with RSeq, and the PRACK that it wants."""
        self._add(
            f'  <recv response="{status}" rrs="true"><action>'
            '<ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" assign_to="9"/></action></recv>\n'
            '  <Reference variables="9"/>\n'
        )
        invite = self._cseq
        return self.request("PRACK", "", f"RAck: [$9] {invite} INVITE").gets(200)

    # --- requests that the other side sends ---------------------------------------------------------

    def asked(self, method: str, *, optional: bool = False) -> Self:
        more = ' optional="true"' if optional else ""
        return self._add(f'  <recv request="{method}"{more}/>\n')

    def answers(self, status: str, body: str = "", *headers: str, tag: str = "") -> Self:
        """Answer the request that came last; `tag` where it opens the dialog."""
        lines = [
            f"SIP/2.0 {status}", "[last_Via:]", "[last_From:]", f"[last_To:]{tag}", "[last_Call-ID:]",
            "[last_CSeq:]", "Contact: <sip:[local_ip]:[local_port];transport=[transport]>", *headers,
        ]  # fmt: skip
        return self._add(f"  <send>\n{_message(lines, body)}  </send>\n")


class Caller(Scenario):
    """Calls [service] and is `user`."""

    def __init__(self, user: str = "[access_number]", called: str = "[service]") -> None:
        target = f"sip:{called}@[remote_ip]:[remote_port]"
        super().__init__(
            "caller",
            f"<sip:{user}@[local_ip]:[local_port]>;tag=[pid]c[call_number]",
            f"<{target}>[peer_tag_param]",
            target,
        )

    def invite(self, body: str = SDP, *headers: str) -> Self:
        self._cseq += 1
        return self._send(
            "INVITE", body, headers, self._cseq, self._target, repeated=True, to=f"<{self._target}>"
        )

    def call(self, body: str = SDP, *headers: str) -> Self:
        """INVITE, the challenge, and INVITE with the answer to it."""
        self.invite(body, *headers)
        self.gets(100, optional=True)
        self._add('  <recv response="401" auth="true"/>\n')
        self.ack_refusal()
        self.invite(body, "[authentication]", *headers)
        return self

    def cancel(self) -> Self:
        lines = [
            f"CANCEL {self._target} SIP/2.0", "[last_Via:]", f"From: {self._local}", f"To: <{self._target}>",
            "Call-ID: [call_id]", f"CSeq: {self._cseq} CANCEL", "Max-Forwards: 70",
        ]  # fmt: skip
        return self._add(f'  <send retrans="500">\n{_message(lines)}  </send>\n')


class Callee(Scenario):
    """Is called."""

    TAG = ";tag=[pid]e[call_number]"

    def __init__(self) -> None:
        super().__init__("callee", f"[$2]{self.TAG}", "[$1]", "[next_url]")
        self._cseq = 100
        self._add(
            '  <recv request="INVITE" rrs="true"><action>'
            '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="1"/>'
            '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="2"/>'
            '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="3"/>'
            '<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="4"/></action></recv>\n'
            '  <Reference variables="1,2,3,4"/>\n'
        )

    def says(self, status: str, body: str = "", *headers: str, fork: str = "") -> Self:
        """An answer to the INVITE."""
        return self.answers(status, body, *headers, tag=self.TAG + fork)

    def says_to_invite(self, status: str, body: str = "", *headers: str) -> Self:
        """An answer to the INVITE after another request came: from what was kept of it."""
        return self.says_to_invite_of("", status, body, *headers)

    def says_to_invite_of(self, fork: str, status: str, body: str = "", *headers: str) -> Self:
        """The same of another branch."""
        lines = [
            f"SIP/2.0 {status}", "Via: [$3]", "From: [$1]", f"To: [$2]{self.TAG}{fork}", "[last_Call-ID:]",
            "CSeq: [$4]", "Contact: <sip:[local_ip]:[local_port];transport=[transport]>", *headers,
        ]  # fmt: skip
        return self._add(f"  <send>\n{_message(lines, body)}  </send>\n")
