"""All calls of the gateway: its caps, and what ends them from outside."""

from __future__ import annotations

from collections.abc import Collection

from gateway.records import metrics
from gateway.settings import VoiceSettings
from gateway.voice.bridge import Bridge
from gateway.voice.call_caps import GATEWAY, CallCaps, CallOf
from gateway.voice.call_record import CallRecord, CallRecords, Result
from gateway.voice.leg import Leg
from gateway.voice.media import CallMedia
from gateway.voice.peer_policy import NO_EXTENSIONS, PeerPolicy
from sip.aio.endpoint import SipEndpoint
from sip.call import Call
from sip.events import Event
from sip.media.control import MediaControl, Side


class Bridges:
    """All calls of the gateway, in every state, until their records are handed over."""

    def __init__(self, settings: VoiceSettings, records: CallRecords) -> None:
        self.settings = settings
        self.records = records
        self.media: MediaControl | None = None
        """The running relay, None while there is none."""
        self.endpoints: dict[Side, SipEndpoint] = {}
        self.caps = CallCaps(settings)
        self._bridges: dict[Bridge, None] = {}
        metrics.CALLS_UP.set_function(self.__len__)

    def __len__(self) -> int:
        return len(self._bridges)

    def open(self, of: CallOf, side: Side, call: Call, policy: PeerPolicy) -> Bridge:
        """Take up a call that was admitted by `caps`."""
        bridge = Bridge(self, of, side, call, policy)
        self._take(bridge)
        return bridge

    def join(
        self,
        of: CallOf,
        stays: Leg,
        other: Call,
        record: CallRecord,
        msisdn: str,
        media: CallMedia,
        body: bytes,
    ) -> None:
        """Two persons talk from now on: who stays of a call that was put through, and who was called for it. `body`
        describes the other to who stays."""
        bridge = Bridge(self, of, stays.side, stays.call, NO_EXTENSIONS)
        self._take(bridge)
        bridge.joined(other, record, msisdn, media, body)

    def _take(self, bridge: Bridge) -> None:
        self._bridges[bridge] = None
        self.caps.opened(GATEWAY, *bridge.of.keys)

    def remove(self, bridge: Bridge) -> None:
        """The call is done with. Idempotent."""
        if bridge not in self._bridges:
            return
        del self._bridges[bridge]
        self.caps.closed(GATEWAY, *bridge.of.keys)
        bridge.release()

    def handle(self, event: Event) -> None:
        """An event of a call on either side."""
        leg = getattr(getattr(event, "call", None), "context", None)
        if isinstance(leg, Leg):
            leg.bridge.handle(leg, event)

    def revoked(self, edi_ids: Collection[bytes]) -> None:
        """What these authorized ends: calls that are not answered yet, and those that are where it is set so.
        Who waits is answered 480."""
        for bridge in list(self._bridges):
            if bridge.meanwhile is not None:
                bridge.meanwhile.update(edi_ids)
            if bridge.transfer is not None and bridge.transfer.edi_id in edi_ids:
                bridge.transfer.give_up(Result.REVOKED)
            if bridge.edi_id in edi_ids and (bridge.talking_since is None or self.settings.end_revoked_calls):
                bridge.finish(Result.REVOKED)

    def suspended(self, enterprise_id: str) -> None:
        """As `revoked`, of all calls of an enterprise."""
        for bridge in list(self._bridges):
            if bridge.of.trunk.enterprise_id != enterprise_id:
                continue
            if bridge.transfer is not None:
                bridge.transfer.give_up(Result.REVOKED)
            if bridge.talking_since is None or self.settings.end_revoked_calls:
                bridge.finish(Result.REVOKED)

    def sweep(self, now: float) -> None:
        """Release calls that lasted too long."""
        for bridge in list(self._bridges):
            since = bridge.talking_since
            if since is not None and now - since >= self.caps.talk_s(bridge.of):
                bridge.finish(Result.MAX_DURATION)

    async def release_silent(self, now: float) -> None:
        """Release calls in which neither side sent RTP for `silence_s`. Held calls are silent by right.

        Raises MediaError.
        """
        limit = self.settings.silence_s
        if not limit or self.media is None or not self._bridges:
            return
        sides: dict[str, int] = {}
        for call_id, _ in await self.media.silent(limit):
            sides[call_id] = sides.get(call_id, 0) + 1
        for bridge in list(self._bridges):
            since, media = bridge.talking_since, bridge.media
            if since is None or media is None or media.held or now - since < limit:
                continue
            if sides.get(media.call_id) == 2:
                bridge.finish(Result.SILENCE)

    def release_all(self, result: Result) -> None:
        """End every call on both legs."""
        for bridge in list(self._bridges):
            bridge.finish(result, status=503)
