"""The default cleaning rule, compiled to DuckDB's SQL ahead of time.

The check of all rows of Parquet files reads them as numbers, by SQL of its own (`sources/files/coded_events.py`).
The rules are defined in Ibis; `make docs` compiles them into `compiled.json`, and a test compares both.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ibis.expr.types as ir

PATH: Final = Path(__file__).with_name("compiled.json")
REPEATED: Final = "repeated_copies"
"""The table of clean rows whose ids may repeat, as `surplus` reads it."""
SIGHTINGS: Final = "session_copies"
"""The table of clean rows in sessions with events without a user, as `visitors` reads it."""
_COPIES: Final = {"event_id": "string", "event_date": "date", "received_date": "date"}
_SEEN: Final = {
    "event_type": "string", "event_at": "timestamp", "event_date": "date", "user_id": "string",
    "session_id": "string", "received_date": "date",
}  # fmt: skip


@dataclass(frozen=True)
class Compiled:
    """SQL of the default cleaning rule in UTC; conditions are about a row `t0`.

    `late_days` and `max_amount`: the values of the default rule; settings may differ.
    `null_like_ids`: the placeholder ids that identify nobody, in lower case.
    `rules`: the condition of each reason to reject a row, in order. `surplus`: how many rows of `REPEATED` are surplus
    copies. `visitor`: the visitor's id of a user. `visitors`: the rows of `SIGHTINGS` with `visitor_id`.
    """

    late_days: int
    max_amount: str
    null_like_ids: list[str]
    rules: dict[str, str]
    surplus: str
    visitor: str
    visitors: str


@cache
def compiled() -> Compiled:
    """Return the compiled rule."""
    return Compiled(**json.loads(PATH.read_text(encoding="utf-8")))


def compiled_text() -> str:
    """Return the text of `compiled.json`."""
    import ibis  # noqa: PLC0415 (only `make docs` needs it)

    from ecom_assets.events.clean import CleaningRule, reject_rules, resolve_visitors, surplus_copies, visitor_of_user  # noqa: PLC0415 (with it)  # noqa: PLC0415 (with it)
    from ecom_assets.events.contracts import RawEvents  # noqa: PLC0415 (with it)
    from ecom_assets.events.identity import resolve_visitors, visitor_of_user  # noqa: PLC0415 (with it)
    from ecom_assets.tables.bounds import FIRST_PLAUSIBLE  # noqa: PLC0415 (with it)
    from ecom_assets.tables.days import Days  # noqa: PLC0415 (with it)
    from ecom_assets.tables.portable import schema_of  # noqa: PLC0415 (with it)
    from ecom_assets.tables.values import FIRST_PLAUSIBLE  # noqa: PLC0415 (with it)

    rule = CleaningRule()
    raw = ibis.table(schema_of(RawEvents), name="rows")
    surplus = surplus_copies(ibis.table(_COPIES, name=REPEATED), rule)
    seen = ibis.table(_SEEN, name=SIGHTINGS)
    texts = {
        "late_days": rule.late_days,
        "max_amount": str(rule.max_amount),
        "null_like_ids": rule.null_like_ids,
        # In UTC no rule asks for the days.
        "rules": {name: _condition(raw, one) for one, name in reject_rules(raw, rule, Days.of([FIRST_PLAUSIBLE]))},
        "surplus": _statement(surplus.agg(n=surplus.surplus_count.sum().fill_null(0))),
        "visitor": _condition(raw, visitor_of_user(raw.user_id)),
        "visitors": _statement(resolve_visitors(seen, seen, rule.late_days)),
    }
    return json.dumps(texts, indent=1) + "\n"


def _condition(raw: "ir.Table", value: "ir.Value") -> str:
    """Return the SQL of one value of a row."""
    from ibis.backends.sql.compilers import DuckDBCompiler  # noqa: PLC0415 (only `make docs` needs it)

    return str(DuckDBCompiler().to_sqlglot(raw.select(value=value)).expressions[0].this.sql(dialect="duckdb"))


def _statement(rows: "ir.Table") -> str:
    from ibis.backends.sql.compilers import DuckDBCompiler  # noqa: PLC0415 (only `make docs` needs it)

    return str(DuckDBCompiler().to_sqlglot(rows).sql(dialect="duckdb"))
