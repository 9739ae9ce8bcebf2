"""Makes straight code of the field tables: one parser and one builder for each PDU body.

Walking a table for each message costs three times as much. A parser is made twice over: a matcher takes
a well-formed body in one regular expression, which is the fastest thing Python has for it, and hands
any other to the walker, which goes field by field and can tell what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import fields
from itertools import groupby
from re import DOTALL
from re import compile as compile_pattern
from typing import Any, get_args, get_type_hints

from smpp import composites
from smpp.composites import NUL
from smpp.constants import HEADER_OCTETS, RESPONSE_BIT
from smpp.constants import CommandStatus as Status
from smpp.errors import EncodeError, FieldError
from smpp.fields import (
    COctetString,
    CountedOctets,
    DestinationList,
    Integer,
    Kind,
    TlvStream,
    UnsuccessList,
)
from smpp.pdu import Body

Parser = Callable[[bytes, int], Body]
"""The body of a frame that ends at `end`. Raises FieldError, IndexError, struct.error."""
Builder = Callable[[Any], bytes]
"""The octets of a body. Raises EncodeError, ValueError, struct.error."""


def _unfit(name: str) -> EncodeError:
    return EncodeError(f"{name} does not fit its field")


_NAMESPACE: dict[str, Any] = {
    "NUL": NUL,
    "no_end": composites.no_end,
    "unfit": _unfit,
    "FieldError": FieldError,
    "parse_tlvs": composites.parse_tlvs,
    "parse_dests": composites.parse_dests,
    "parse_unsuccess": composites.parse_unsuccess,
    "build_tlvs": composites.build_tlvs,
    "build_dests": composites.build_dests,
    "build_unsuccess": composites.build_unsuccess,
    "OVERRUN": int(Status.ESME_RINVCMDLEN),
}

_Run = tuple[list[str], Kind]


def field_table(body: type[Body]) -> list[tuple[str, Kind]]:
    """(name, kind) of each field of that body in wire order, read from its annotations."""
    hints = get_type_hints(body, include_extras=True)
    return [(field.name, get_args(hints[field.name])[1]) for field in fields(body)]


def _runs(table: list[tuple[str, Kind]]) -> list[_Run]:
    """Neighbouring one-octet integers are taken together: on the wire they are one run of octets."""
    runs: list[_Run] = []
    for is_octet, group in groupby(table, lambda entry: isinstance(entry[1], Integer)):
        entries = list(group)
        if is_octet:
            runs.append(([name for name, _ in entries], Integer()))
        else:
            runs.extend(([name], kind) for name, kind in entries)
    return runs


def compile_parser(body: type[Body]) -> Parser:
    """The parser of that body: a matcher over a walker where the body has fields that can be matched."""
    table = field_table(body)
    walk = _compile_walker(body, table)
    if any(isinstance(kind, DestinationList | UnsuccessList) for _, kind in table) or len(table) < 2:
        return walk
    return _compile_matcher(body, table, walk)


def _compile_matcher(body: type[Body], table: list[tuple[str, Kind]], walk: Parser) -> Parser:
    strict = not body.COMMAND_ID & RESPONSE_BIT
    pattern: list[bytes] = []
    targets: list[str] = []
    after: list[str] = []
    for run, kind in _runs(table):
        name = run[0]
        match kind:
            case Integer():
                # Octets unpack to integers by themselves.
                pattern.append(b"(" + b"." * len(run) + b")")
                targets.append(f"({', '.join(run)},)")
            case COctetString(most, _):
                pattern.append(b"([^\\0]{0,%d})\\0" % (most - 1))
                targets.append(name)
            case CountedOctets():
                pattern.append(b"(.)")
                targets.append("(n,)")
                after += [
                    " n += p",
                    " if n > end: return walk(frame, end)",
                    f" {name} = frame[p:n]",
                    " p = n",
                ]
            case TlvStream():
                after.append(f" {name} = parse_tlvs(frame, p, end, {strict}) if p < end else []")
    lines = [
        "def parse(frame, end):",
        f" found = match(frame, {HEADER_OCTETS})",
        " if found is None: return walk(frame, end)",
        f" {', '.join(targets)}, = found.groups()",
        " p = found.end()",
        *after,
        f" return cls({', '.join(name for name, _ in table)})",
    ]
    match_body = compile_pattern(b"".join(pattern), DOTALL).match
    parser: Parser = _run(lines, "parse", cls=body, walk=walk, match=match_body)
    return parser


def _compile_walker(body: type[Body], table: list[tuple[str, Kind]]) -> Parser:
    names: dict[str, Any] = {"cls": body}
    lines = ["def parse(frame, end):", f" p = {HEADER_OCTETS}"]
    strict = not body.COMMAND_ID & RESPONSE_BIT
    for run, kind in _runs(table):
        name = run[0]
        match kind:
            case Integer():
                names[f"u_{name}"] = struct.Struct(f">{len(run)}B").unpack_from
                lines += [f" {', '.join(run)}, = u_{name}(frame, p)", f" p += {len(run)}"]
            case COctetString(most, status):
                lines += [
                    f" n = frame.find(NUL, p, p + {most})",
                    f" if n < 0: raise no_end(frame, p, {most}, {int(status)}, {name!r})",
                    f" {name} = frame[p:n]",
                    " p = n + 1",
                ]
            case CountedOctets(status):
                lines += [
                    " n = p + 1 + frame[p]",
                    f" if n > end: raise FieldError({int(status)}, '{name} runs past the end of the PDU')",
                    f" {name} = frame[p + 1:n]",
                    " p = n",
                ]
            case DestinationList():
                lines.append(f" {name}, p = parse_dests(frame, p)")
            case UnsuccessList():
                lines.append(f" {name}, p = parse_unsuccess(frame, p)")
            case TlvStream():
                lines += [f" {name} = parse_tlvs(frame, p, end, {strict}) if p < end else []", " p = end"]
    lines += [
        " if p != end: raise FieldError(OVERRUN, 'octets after the last field')",
        f" return cls({', '.join(name for name, _ in table)})",
    ]
    parser: Parser = _run(lines, "parse", **names)
    return parser


def compile_builder(body: type[Body]) -> Builder:
    """The builder of that body."""
    names: dict[str, Any] = {}
    lines = ["def build(body):"]
    parts: list[str] = []
    for run, kind in _runs(field_table(body)):
        name = run[0]
        match kind:
            case Integer():
                names[f"p_{name}"] = struct.Struct(f">{len(run)}B").pack
                parts.append(f"p_{name}({', '.join('body.' + field for field in run)})")
            case COctetString(most, _):
                lines += [
                    f" {name} = body.{name}",
                    f" if len({name}) >= {most} or 0 in {name}: raise unfit({name!r})",
                ]
                parts += [name, "NUL"]
            case CountedOctets():
                lines += [f" {name} = body.{name}", f" if len({name}) > 255: raise unfit({name!r})"]
                parts += [f"bytes((len({name}),))", name]
            case DestinationList():
                parts.append(f"build_dests(body.{name})")
            case UnsuccessList():
                parts.append(f"build_unsuccess(body.{name})")
            case TlvStream():
                parts.append(f"(build_tlvs(body.{name}) if body.{name} else b'')")
    lines.append(f" return b''.join(({', '.join(parts)},))")
    builder: Builder = _run(lines, "build", **names)
    return builder


def _run(lines: list[str], name: str, **names: Any) -> Any:
    namespace = {**_NAMESPACE, **names}
    exec("\n".join(lines), namespace)  # noqa: S102 - the text is made of the field tables and nothing else
    return namespace[name]
