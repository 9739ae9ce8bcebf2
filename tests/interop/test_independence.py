"""The small trust party is another's: it imports nothing of the product."""

import ast
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ALLOWED = {"aiohttp", "gmssl", "jsonschema_rs", "rfc8785"}


@pytest.mark.parametrize(
    "path", sorted([*HERE.glob("foreign_*.py"), HERE / "small_trust_party.py"]), ids=lambda path: path.name
)
def test_nothing_of_the_product_is_imported(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            imported.add(node.module.partition(".")[0])
    assert imported - sys.stdlib_module_names <= ALLOWED
