"""The trust party's schema and queries, on the store engine of `foundation`."""

from pathlib import Path
from typing import Final

MIGRATIONS: Final = Path(__file__).parent / "migrations"
