"""What an asset takes in from outside: rows, the days whose rows they replace, and what to tell of it.

Not here: any source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis.expr.types as ir

from ecom_assets.transforms.days import Days

NO_DAYS = Days(())


@dataclass(frozen=True)
class Received:
    """Rows that replace those of `days`; without days, what the table has stays."""

    rows: ir.Table
    days: Days
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def nothing(cls, no_rows: ir.Table, reason: str) -> "Received":
        """Return no rows for no days, and say why."""
        return cls(no_rows, NO_DAYS, {"fetched": False, "not_fetched_because": reason})
