"""Every table of the platform, collected from the contracts of the subjects."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from ecom_assets.core.settings.uploaded import KINDS
from ecom_assets.core.tables.contract import Contract, PersonColumns, tables_of
from ecom_assets.core.warehouse.day_notes import (
    AbsentDays,
    EmptyDays,
    ErasedRows,
    LateDays,
    UnansweredDays,
    Withdrawals,
)
from ecom_assets.core.warehouse.owner import WarehouseOwner
from ecom_assets.core.warehouse.raw_losses import StoredRows

_SUBJECTS: Final = (
    "ecom_assets.behaviour.events",
    "ecom_assets.behaviour.identity",
    "ecom_assets.behaviour.sessions",
    "ecom_assets.behaviour.visitor_segments",
    "ecom_assets.behaviour.retention",
    "ecom_assets.behaviour.journeys",
    "ecom_assets.commerce.orders",
    "ecom_assets.commerce.attribution",
    "ecom_assets.behaviour.funnels",
    "ecom_assets.commerce.conversion",
    "ecom_assets.commerce.sales",
    "ecom_assets.commerce.products",
    "ecom_assets.commerce.costs",
    "ecom_assets.commerce.customers",
    "ecom_assets.commerce.marketing",
    "ecom_assets.commerce.reconciliation",
    "ecom_assets.commerce.findings",
    "ecom_assets.outputs.delivery",
)
SUBJECTS: Final = tuple(
    dict.fromkeys([*_SUBJECTS, *(f"ecom_assets.{kind.subject}" for kind in KINDS.values())])
)
"""The packages whose `contracts.py` has tables, in dependency order; last those that only a kind
of record names.
"""


def _contracts() -> Iterator[Contract]:
    for subject in SUBJECTS:
        # By name, since other files derive other modules of a subject from the same list.
        yield from tables_of(import_module(f"{subject}.contracts"))


_TABLES: Final = tuple(_contracts())
ALL: Final[tuple[Contract, ...]] = tuple(
    contract for contract in _TABLES if contract.written_by == "asset"
)
"""The tables that assets write."""
NOTES: Final[tuple[Contract, ...]] = (
    *(contract for contract in _TABLES if contract.written_by == "run"),
    *(Withdrawals, ErasedRows, EmptyDays, AbsentDays, UnansweredDays, LateDays),
    *(WarehouseOwner, StoredRows),
)
"""Tables that runs write in addition to the assets' tables; they are copied,
cleared and migrated together.
"""
RAW: Final[tuple[Contract, ...]] = tuple(contract for contract in ALL if contract.layer == "raw")
PERSONS: Final[Mapping[Contract, PersonColumns]] = {
    contract: contract.person for contract in RAW if contract.person
}
"""The raw tables with rows of people, each with the columns that say whose a row is."""
MARTS: Final[tuple[Contract, ...]] = tuple(contract for contract in ALL if contract.layer == "mart")
PUBLISHED: Final[tuple[Contract, ...]] = tuple(
    contract for contract in ALL if contract.counted_from
)
"""Tables of daily metrics whose changes are logged."""
BY_KEY: Final = {f"{contract.layer}/{contract.name}": contract for contract in ALL}
