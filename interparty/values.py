"""The values that messages between the parties are made of, each with its form and meaning.

Each is a component of the OpenAPI documents under its own name, so that what it says is said once.
"""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints
from typing_extensions import TypeAliasType

_HEX: Final = r"^[0-9a-f]+$"
_BASE64URL: Final = r"^[A-Za-z0-9_-]+$"
COUNT_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8785)."""


Aid = TypeAliasType(
    "Aid",
    Annotated[
        str,
        StringConstraints(min_length=18, max_length=18, pattern=r"^[0-9]+$"),
        Field(
            description="Anonymous identifier by which an enterprise knows a person: 18 decimal digits, of which the"
            " last is a Damm check digit over the others.",
            examples=["888132341582397708"],
        ),
    ],
)
EdiText = TypeAliasType(
    "EdiText",
    Annotated[
        str,
        StringConstraints(min_length=279, max_length=279, pattern=_BASE64URL),
        Field(
            description="Encrypted device identifier: 209 bytes (header of 17, SM2 ciphertext C1 C3 C2 without 04) as"
            " base64url without padding. It is sealed on the person's device to the carrier's EDI key."
        ),
    ],
)
EdiId = TypeAliasType(
    "EdiId",
    Annotated[
        str,
        StringConstraints(min_length=32, max_length=32, pattern=_HEX),
        Field(description="First 16 bytes of SM3 over an EDI's 209 bytes, in lower-case hex."),
    ],
)
Nonce = TypeAliasType(
    "Nonce",
    Annotated[
        str,
        StringConstraints(min_length=32, max_length=32, pattern=_HEX),
        Field(description="16 random bytes in lower-case hex, never used for the same purpose before."),
    ],
)
Sm3Hex = TypeAliasType(
    "Sm3Hex",
    Annotated[
        str,
        StringConstraints(min_length=64, max_length=64, pattern=_HEX),
        Field(description="An SM3 hash or an HMAC-SM3: 32 bytes in lower-case hex."),
    ],
)
SignatureText = TypeAliasType(
    "SignatureText",
    Annotated[
        str,
        StringConstraints(min_length=86, max_length=86, pattern=_BASE64URL),
        Field(
            description="SM2 signature with SM3 (GB/T 32918.2, id 1234567812345678): r[32] | s[32] as base64url"
            " without padding."
        ),
    ],
)
PartyId = TypeAliasType(
    "PartyId",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"),
        Field(
            description="A party, as its certificate names it: subject CN and URI urn:ascs:party:<id>.",
            examples=["ent-a", "CMCC"],
        ),
    ],
)
Ref = TypeAliasType(
    "Ref",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$"),
        Field(
            description="An opaque name that one party gives and others echo; compare it, read nothing into it."
        ),
    ],
)
Reason = TypeAliasType(
    "Reason",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Z0-9_]+$"),
        Field(description="A cause or a result as a code in capitals.", examples=["EXPIRED", "DELIVERED"]),
    ],
)
AccessNumber = TypeAliasType(
    "AccessNumber",
    Annotated[
        str,
        StringConstraints(min_length=3, max_length=20, pattern=r"^[0-9]+$"),
        Field(description="Number from which an enterprise texts or calls: digits.", examples=["1069880001"]),
    ],
)
Msisdn = TypeAliasType(
    "Msisdn",
    Annotated[
        str,
        StringConstraints(min_length=5, max_length=15, pattern=r"^[1-9][0-9]+$"),
        Field(
            description="Subscriber number, E.164 digits without +. It occurs inside the carrier domain alone."
        ),
    ],
)
Label = TypeAliasType(
    "Label",
    Annotated[
        str,
        StringConstraints(min_length=1, max_length=200),
        Field(description="A name or sentence that people read."),
    ],
)
Millis = TypeAliasType(
    "Millis",
    Annotated[
        int,
        Field(
            ge=0,
            le=COUNT_MAX,
            description="Milliseconds since 1970-01-01 00:00:00 UTC.",
            examples=[1795500000000],
        ),
    ],
)
Count = TypeAliasType(
    "Count",
    Annotated[
        int, Field(ge=0, le=COUNT_MAX, description="A number of things, or a place among them from 0.")
    ],
)
Hours = TypeAliasType(
    "Hours",
    Annotated[
        str,
        StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
        Field(
            description="Hours of contact in Asia/Shanghai, HH:MM-HH:MM. The end is not included; hours may pass"
            " midnight; 00:00-24:00 is always.",
            examples=["08:00-21:00"],
        ),
    ],
)
Frequency = TypeAliasType(
    "Frequency",
    Annotated[
        str,
        StringConstraints(pattern=r"^[1-9][0-9]{0,4}/(hour|day|week|month)$"),
        Field(description="At most so many contacts in a period.", examples=["20/day"]),
    ],
)
Channel = TypeAliasType(
    "Channel", Annotated[Literal["sms", "voice"], Field(description="How a person is contacted.")]
)
Status = TypeAliasType(
    "Status",
    Annotated[
        Literal["PENDING", "ACTIVE", "EXPIRED", "REVOKED", "ROTATED", "UNKNOWN"],
        Field(
            description="PENDING: the subscriber has not confirmed yet. ACTIVE: contact is allowed within the"
            " consent's terms. EXPIRED: the term is over, or nobody confirmed in time. REVOKED: cancelled. ROTATED:"
            " another AID took its place. UNKNOWN: none that the asker may know of."
        ),
    ],
)


def _decimal(value: object) -> object:
    # Plain digits alone: no sign, no white space, nothing that only some readers take for a number.
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


QueryCount = Annotated[Count, BeforeValidator(_decimal)]
"""A Count as a parameter of a query, where it is text: decimal digits."""
