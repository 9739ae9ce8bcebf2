"""Configuration files as text: the little TOML that the demo writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def toml_text(values: Mapping[str, Any], prefix: str = "") -> str:
    """A table as TOML: plain values first, then tables, then arrays of tables. None is left out.

    Strings are JSON strings, which TOML's basic strings include but for DEL, which TOML wants escaped.
    """
    lines = [
        f"{_key(key)} = {_value(value)}"
        for key, value in values.items()
        if value is not None and not isinstance(value, Mapping) and not _is_tables(value)
    ]
    text = "\n".join(lines) + ("\n" if lines else "")
    for key, value in values.items():
        name = prefix + _key(key)
        if isinstance(value, Mapping):
            text += f"\n[{name}]\n{toml_text(value, name + '.')}"
        elif _is_tables(value):
            text += "".join(f"\n[[{name}]]\n{toml_text(each, name + '.')}" for each in value)
    return text


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _value(value: Any) -> str:
    if isinstance(value, Path):
        return json.dumps(str(value))
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
