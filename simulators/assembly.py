"""Long messages put together from their parts, as a handset or an enterprise's system does."""

from dataclasses import dataclass

from smpp.pdu import DeliverSm
from smpp.segmentation import part_info, user_data
from smpp.text import decode_text


@dataclass(frozen=True, slots=True)
class Whole:
    """A message of which every part has come."""

    text: str
    parts: int


@dataclass(slots=True)
class _Incomplete:
    total: int
    payloads: dict[int, bytes]


class Assembler:
    """Awaits parts of at most `incomplete_max` long messages; the oldest is given up."""

    __slots__ = ("_incomplete", "_incomplete_max")

    def __init__(self, incomplete_max: int) -> None:
        self._incomplete: dict[tuple[bytes, bytes, int, int], _Incomplete] = {}
        self._incomplete_max = incomplete_max

    def add(self, body: DeliverSm) -> Whole | None:
        """The whole message, once `body` completes it. Raises smpp.segmentation.UdhError."""
        elements, payload = user_data(body)
        part = part_info(body)
        if part is None or part.total == 1:
            return Whole(decode_text(body.data_coding, payload, elements), 1)
        key = (body.source_addr, body.destination_addr, part.reference, part.total)
        incomplete = self._incomplete.get(key)
        if incomplete is None:
            if len(self._incomplete) >= self._incomplete_max:
                del self._incomplete[next(iter(self._incomplete))]
            incomplete = self._incomplete[key] = _Incomplete(part.total, {})
        incomplete.payloads[part.sequence] = payload
        if len(incomplete.payloads) < incomplete.total:
            return None
        del self._incomplete[key]
        # Joined before decoding: a UTF-16 pair may be split between two parts.
        whole = b"".join(incomplete.payloads[number] for number in sorted(incomplete.payloads))
        return Whole(decode_text(body.data_coding, whole, elements), part.total)
