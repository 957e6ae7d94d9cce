"""The check that erased people are absent: of each table that names people,
none of its ids is of somebody erased.

It looks for keyed hashes of erased people; `ecom erase --verify` proves absence by the ids
themselves. Only the rows of a run's days are read: an earlier run has checked what it wrote.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final

import ibis.expr.types as ir

from ecom_assets.behaviour.identity.visitors import ANONYMOUS
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import CheckResult, TableCheck, count_on_days, rows_on_days
from ecom_assets.core.tables.contract import DEVICE, SESSION, USER, Contract
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import values_of
from ecom_assets.ingestion.sources.erased_people import (
    ErasedIds,
    ErasedPeople,
)
from ecom_assets.orchestration.privacy.person import user_of

NAME: Final = "no_row_is_of_an_erased_person"
PEOPLE: Final = ("user_id", "customer_id", "visitor_id", "visitor_user_id", "previous_id")
"""Columns that identify the person of a row."""


def absence_checks(settings: Settings, tables: Iterable[Contract]) -> list[TableCheck]:
    """Return the check of each table that names people and that a run writes."""
    return [
        TableCheck(
            contract=table,
            name=NAME,
            description=(
                f"No row of {table.qualified_name()} is of a person whom `ecom erase` has erased."
            ),
            function=partial(_look, settings, table),
            tables=(table,),
        )
        for table in tables
        if table.written_by == "asset" and any(name in table.columns for name in PEOPLE)
    ]


def _look(settings: Settings, contract: Contract, days: Days | None, rows: ir.Table) -> CheckResult:
    looked_at = count_on_days(rows, contract.day_column, days)
    rows = rows_on_days(rows, contract.day_column, days)
    erased = ErasedIds(settings)
    if erased.is_empty:
        return CheckResult(0, looked_at, metadata={"sentence": "Nobody was erased."})
    if contract.person:  # as received: also whole lines, and sessions and devices without a user
        _, counts = ErasedPeople(settings).left_out(contract, rows)
        return _result(contract, sum(counts.values()), looked_at)
    broken = 0
    if (
        "device_id" in contract.columns
    ):  # without a user, a device or source session names the person
        alone = values_of(
            rows.filter(rows.user_id.isnull()).select("device_id").distinct()["device_id"]
        )
        devices = {str(value) for value in alone if value is not None}
        broken += len(erased.among(DEVICE, devices) | erased.among(SESSION, devices))
    for name in (column for column in PEOPLE if column in contract.columns):
        values = values_of(rows.select(name).distinct()[name])
        ids = {str(value) for value in values if value is not None}
        broken += len(_visitors(erased, ids) if name == "visitor_id" else erased.among(USER, ids))
    return _result(contract, broken, looked_at)


def _visitors(erased: ErasedIds, visitors: set[str]) -> set[str]:
    """Return the visitors who are erased users, or source sessions or devices of erased people."""
    anonymous = {
        visitor.removeprefix(ANONYMOUS) for visitor in visitors if visitor.startswith(ANONYMOUS)
    }
    users = {user_of(visitor) for visitor in visitors if not visitor.startswith(ANONYMOUS)}
    devices = erased.among(SESSION, anonymous) | erased.among(DEVICE, anonymous)
    return devices | erased.among(USER, users)


def _result(contract: Contract, broken: int, looked_at: int) -> CheckResult:
    """Return the result; its examples name nobody, as the history outlives the rows."""
    if not broken:
        return CheckResult(0, looked_at)
    sentence = (
        f"{contract.qualified_name()} has {broken:,} rows or ids of erased people; erase them "
        "again by `ecom erase`, and see which run wrote them."
    )
    return CheckResult(broken, looked_at, metadata={"sentence": sentence})
