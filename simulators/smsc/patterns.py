"""Regular expressions in a configuration."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field


def _compiles(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


Pattern = Annotated[str, Field(max_length=500), AfterValidator(_compiles)]
"""A regular expression of Python; empty matches anything."""
