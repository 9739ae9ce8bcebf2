"""docs/connect.md as its reader uses it: copies a block, and fills in what is at hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ascs.demo.layout import HOST, DemoEnterprise
from tests.e2e.house import ENT_A, House

PAGE = Path(__file__).parents[2] / "docs" / "connect.md"


def blocks(heading: str) -> list[str]:
    """The code blocks under a heading, up to the next heading of any level."""
    _, found, after = PAGE.read_text().partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    return re.findall(
        r"^```\w*\n(.*?)^```$", re.split(r"^##", after, flags=re.MULTILINE)[0], re.DOTALL | re.M
    )


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with each of the page's values replaced; every one must be there."""
    for shown in values:
        assert shown in text, f"{shown!r} is not on the page"
    return re.sub("|".join(map(re.escape, values)), lambda each: values[each[0]], text)


def of_smpp(house: House, enterprise: DemoEnterprise) -> dict[str, str]:
    """The page shows the first enterprise of a demo on its usual ports."""
    return {
        f"host = {HOST}\nport = 2775\n": f"host = {HOST}\nport = {house.ports.smpp}\n",
        f"smsc-username = {ENT_A.system_id}\n": f"smsc-username = {enterprise.system_id}\n",
        f'"{ENT_A.smpp_password}"': f'"{enterprise.smpp_password}"',
    }


def of_sip(house: House, enterprise: DemoEnterprise) -> dict[str, str]:
    """As `of_smpp`; the password first, since the user's name begins it."""
    return {
        ENT_A.sip_password: enterprise.sip_password,
        ENT_A.sip_user: enterprise.sip_user,
        f"{HOST}:5060": f"{HOST}:{house.ports.sip_enterprise}",
    }
