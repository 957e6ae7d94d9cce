"""Every table of the platform, collected from the contracts of the subjects, and the data dictionary of them."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from ecom_assets.tables.contract import Column, Table
from ecom_assets.warehouse.day_notes import AbsentDays, EmptyDays, ErasedRows, Withdrawals

SUBJECTS: Final = (
    "events",
    "sessions",
    "visitor_segments",
    "retention",
    "journeys",
    "orders",
    "attribution",
    "funnels",
    "sales",
    "products",
    "customers",
    "reconciliation",
    "delivery",
)
"""The packages whose `contracts.py` has tables, in dependency order."""


def _contracts() -> Iterator[type[Table]]:
    for subject in SUBJECTS:
        module = import_module(f"ecom_assets.{subject}.contracts")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Table) and value.__module__ == module.__name__:
                yield value


_TABLES: Final = tuple(one for one in _contracts() if not one.is_abstract)
ALL: Final[tuple[type[Table], ...]] = tuple(one for one in _TABLES if one.written_by == "asset")
"""The tables that assets write."""
NOTES: Final[tuple[type[Table], ...]] = (
    *(one for one in _TABLES if one.written_by == "run"),
    *(Withdrawals, ErasedRows, EmptyDays, AbsentDays),
)
"""Tables that runs write in addition to the assets' tables; they are copied, cleared and migrated together."""
RAW: Final[tuple[type[Table], ...]] = tuple(one for one in ALL if one.layer == "raw")
MARTS: Final[tuple[type[Table], ...]] = tuple(one for one in ALL if one.layer == "mart")
PUBLISHED: Final[tuple[type[Table], ...]] = tuple(one for one in ALL if one.counted_from)
"""Tables of daily metrics whose changes are logged."""
OF_ROWS: Final = "a row per record, not numbers that anybody sees: their sums are in tables whose changes are logged"
OF_INPUT: Final = "what became of received rows; the checks hold it to them"
UNLOGGED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("session_events", "session_days", "sessions", "journeys", "session_sources", "touches"), OF_ROWS),
    **dict.fromkeys(("first_touches", "conversions", "sales", "order_event_reconciliation"), OF_ROWS),
    **dict.fromkeys(("event_accounting_daily", "quarantined_event_samples"), OF_INPUT),
    **dict.fromkeys(("order_accounting_daily", "quarantined_order_samples"), OF_INPUT),
    "returning_visitors_daily": "what cohorts are added up from; new visitors make it longer, and change no day",
    "channel_removal_effects": "what the Markov model of mart.channel_attribution is computed from",
    "calendar": "names of days",
    "restatements": "the log itself",
}
"""The marts cut by day whose changes are not logged, and why.

A mart that is not cut by day says what is known now, and is replaced as a whole."""
BY_KEY: Final = {f"{one.layer}/{one.name}": one for one in ALL}

OPENING = """\
# Data dictionary

Made from each subject's `contracts.py` by `make docs`; correct it there.

Instants (`_at`) are UTC. Days (`_date`) are days of `ECOM_TIMEZONE`. Money is exact to the cent. A column is never null
unless its line says so. What the numbers mean is in [metrics.md](metrics.md).
"""


def data_dictionary() -> str:
    """Return the data dictionary as Markdown."""
    return "\n".join([OPENING, *(line for contract in ALL for line in _table(contract))])


def _table(contract: type[Table]) -> Iterator[str]:
    yield f"## {contract.qualified_name()}\n"
    yield f"{contract.description()}\n"
    cut = f"Cut by day of `{contract.day_column}`" if contract.day_column else "Not cut by day"
    key = f"Key: {_names(contract.key)}" if contract.key else "No key: rows can repeat"
    yield f"{key}. {cut}.\n"
    yield "| column | type | unit | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, column in contract.columns.items():
        yield f"| `{name}` | {column.type} | {column.unit or ''} | {_meaning(column)} |"
    yield ""


def _meaning(column: Column) -> str:
    more = [
        "may be null" if column.nullable else "",
        "personal data" if column.pii else "",
        f"at least {column.at_least}" if column.at_least is not None else "",
        f"at most {column.at_most}" if column.at_most is not None else "",
        f"one of {_names(column.one_of)}" if column.one_of else "",
    ]
    text = "; ".join(part for part in more if part)
    return column.description.replace("|", "\\|") + (f" ({text})" if text else "")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
