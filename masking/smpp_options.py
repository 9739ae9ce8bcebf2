"""What an operator may allow an access number beyond a plain text, by name.

Each name opens in `SubmitAllow` what belongs together. There is none for the reply path or for intermediate
message types: through them a reply would pass the gateway by.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from masking.smpp_rules import DEFAULT_ALLOW, SubmitAllow
from smpp.constants import Tag

__all__ = ["OPTIONS", "Option", "UnknownOption", "allow_of"]


@dataclass(frozen=True, slots=True)
class Option:
    """What one name adds, and what it does at the person's telephone."""

    effect: str
    protocol_ids: frozenset[int] = frozenset()
    data_codings: frozenset[int] = frozenset()
    udh_elements: frozenset[int] = frozenset()
    service_types: frozenset[bytes] = frozenset()
    tlvs: frozenset[int] = frozenset()
    default_messages: bool = False


# 23.038, 4: in the groups 00xx and 1111 the low two bits are the class, where bit 4 says that there is one.
def _of_class(number: int) -> frozenset[int]:
    return frozenset((0x10 | number, 0x14 | number, 0x18 | number, 0xF0 | number, 0xF4 | number))


OPTIONS: Final[dict[str, Option]] = {
    "flash": Option("takes the screen at once and is not kept (class 0)", data_codings=_of_class(0)),
    "class-1": Option("is kept in the telephone (class 1)", data_codings=_of_class(1)),
    "charsets": Option(
        "is in JIS, Cyrillic, Hebrew, ISO-2022-JP, extended Kanji or KS C 5601",
        data_codings=frozenset((0x05, 0x06, 0x07, 0x0A, 0x0D, 0x0E)),
    ),
    "ports": Option(
        "goes to a program on the telephone (port addressing)",
        udh_elements=frozenset((0x04, 0x05)),
        tlvs=frozenset((Tag.SOURCE_PORT, Tag.DESTINATION_PORT)),
    ),
    "wap": Option(
        "is a WAP push: ports, service type WAP, payload type",
        data_codings=frozenset((0xF5,)),
        udh_elements=frozenset((0x04, 0x05)),
        service_types=frozenset((b"WAP",)),
        tlvs=frozenset((Tag.SOURCE_PORT, Tag.DESTINATION_PORT, Tag.PAYLOAD_TYPE)),
    ),
    "formatting": Option(
        "has pictures, sounds or text formats in it (EMS)", udh_elements=frozenset(range(0x0A, 0x15))
    ),
    "replace": Option(
        "replaces an earlier text of the same kind (types 1 to 7)", protocol_ids=frozenset(range(0x41, 0x48))
    ),
    "message-waiting": Option(
        "sets the sign for waiting voice mail",
        data_codings=frozenset(range(0xC0, 0xF0)),
        udh_elements=frozenset((0x01,)),
        service_types=frozenset((b"VMN",)),
        tlvs=frozenset((Tag.MS_MSG_WAIT_FACILITIES, Tag.NUMBER_OF_MESSAGES)),
    ),
    "callback-number": Option(
        "offers another number to call than the access number",
        tlvs=frozenset((Tag.CALLBACK_NUM, Tag.CALLBACK_NUM_PRES_IND, Tag.CALLBACK_NUM_ATAG)),
    ),
    "alert": Option(
        "chooses how the telephone announces the text",
        tlvs=frozenset((Tag.ALERT_ON_MESSAGE_DELIVERY, Tag.SMS_SIGNAL, Tag.DISPLAY_TIME)),
    ),
    "vanish": Option("deletes itself from the telephone later", tlvs=frozenset((Tag.MS_VALIDITY,))),
    "silent": Option("reaches the telephone unseen (type 0)", protocol_ids=frozenset((0x40,))),
    "sim": Option(
        "programs the SIM or the telephone",
        protocol_ids=frozenset((0x7C, 0x7D, 0x7E, 0x7F)),
        data_codings=_of_class(2),
        udh_elements=frozenset(range(0x70, 0x80)),
        tlvs=frozenset((Tag.DEST_ADDR_SUBUNIT,)),
    ),
    "stored-text": Option("names a text at the SMSC, which no policy here reads", default_messages=True),
}


class UnknownOption(ValueError):
    """No such name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no content option {name!r}; there are {', '.join(OPTIONS)}")


def allow_of(names: Iterable[str]) -> SubmitAllow:
    """The carrier's defaults with these options added. Raises UnknownOption."""
    return _allow_of(tuple(names))


@lru_cache(maxsize=256)
def _allow_of(names: tuple[str, ...]) -> SubmitAllow:
    allow = DEFAULT_ALLOW
    for name in names:
        option = OPTIONS.get(name)
        if option is None:
            raise UnknownOption(name)
        allow = SubmitAllow(
            protocol_ids=allow.protocol_ids | option.protocol_ids,
            data_codings=allow.data_codings | option.data_codings,
            udh_elements=allow.udh_elements | option.udh_elements,
            service_types=allow.service_types | option.service_types,
            esm_classes=allow.esm_classes,
            default_messages=allow.default_messages or option.default_messages,
            tlvs_kept=allow.tlvs_kept | option.tlvs,
        )
    return allow
