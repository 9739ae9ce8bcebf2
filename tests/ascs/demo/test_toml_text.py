"""What the demo writes as TOML is what the parties read."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascs.demo.toml_text import toml_text

_keys = st.text(
    st.characters(categories=["Ll", "Nd"], max_codepoint=0x7F) | st.sampled_from("_-"), min_size=1
)
_text = st.text(st.characters(exclude_categories=["Cs"]))
_scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_values = _scalars | _text | st.lists(_text, max_size=3)
_tables = st.dictionaries(_keys, _values, max_size=4)


@given(st.dictionaries(_keys, _values | _tables | st.lists(_tables, min_size=1, max_size=3), max_size=5))
def test_what_is_written_is_read_back(values: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(values)) == values


def test_values_stand_before_tables_wherever_they_were_given() -> None:
    text = toml_text({"tls": {"ca": "pki/ca.pem"}, "party": "ttp"})
    assert text == 'party = "ttp"\n\n[tls]\nca = "pki/ca.pem"\n'


def test_tables_inside_tables_and_arrays_of_tables() -> None:
    values = {
        "voice": {"realm": "ascs", "core": {"host": "127.0.0.1", "port": 5080}},
        "smsc": [{"name": "a"}, {"name": "b", "ton": {"source": 1}}],
    }
    assert tomllib.loads(toml_text(values)) == values


@pytest.mark.parametrize("key", ["ttp/sign/1", "a b", 'a"b', "电话"])
def test_a_key_of_a_table_that_is_not_bare_is_quoted(key: str) -> None:
    values = {"peer_keys": {key: "trust-sign.pem"}, key: {"a": 1}}
    assert tomllib.loads(toml_text(values)) == values


def test_none_is_left_out_and_a_path_is_a_string() -> None:
    assert toml_text({"capture_file": None, "data_dir": Path("/srv/trust")}) == 'data_dir = "/srv/trust"\n'
