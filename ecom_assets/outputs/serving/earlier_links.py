"""Who signed in on the devices of live events before, by what is published:
real time sees the last minutes only.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.identity.contracts import IdentityLinks, MergedUsers, SharedIds
from ecom_assets.behaviour.identity.links import identity_links, shared_ids
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import KnownIds, with_visitors
from ecom_assets.core.rows import Row
from ecom_assets.core.tables.contract import Contract
from ecom_assets.core.tables.days import ONE_DAY
from ecom_assets.core.tables.portable import arrow_schema_of, dialect_of, schema_of, union_all

BEFORE: Final = -1_000_000
"""Added to the places of earlier links,
so that they come before those of live events of the same day.
"""
TABLES: Final[dict[Contract, str]] = {
    contract: f"earlier_{contract.name}" for contract in (IdentityLinks, SharedIds, MergedUsers)
}


class OpenTables(Protocol):
    """Published tables on an open connection."""

    def has(self, contract: Contract, /) -> bool:
        """Return whether a table is published."""

    def table(self, contract: Contract, /) -> ir.Table:
        """Return a whole table, lazily."""

    def rows(self, question: ir.Table, /) -> list[Row]:
        """Return the rows of a small result."""


@dataclass(frozen=True)
class PublishedLinks:
    """What is published: which version, and how to open its tables."""

    version: object
    opened: Callable[[], AbstractContextManager[OpenTables]]


class EarlierLinks:
    """The published links of the devices of live events,
    and all ids that join nobody or are one person.

    They are kept beside the live events: each device is asked about once for each publication.
    """

    def __init__(self, con: Backend, rule: IdentityRule) -> None:
        """Create the tables, empty."""
        self._con = con
        self._rule = rule
        self._version: object = None
        self._devices: set[str] = set()
        for contract in TABLES:
            self._replace(contract, [])

    def refresh(self, published: PublishedLinks, devices: Sequence[str], since: datetime) -> None:
        """Ask about devices that were not asked about since the last publication.

        Args:
            published: What is published.
            devices: The devices of the live events, and source sessions in their place.
            since: When the live events begin, in UTC without a zone.
        """
        is_new = self._version != published.version
        unknown = sorted(set(devices) - (set() if is_new else self._devices))
        if not (is_new or unknown):
            return
        with published.opened() as tables:
            if is_new:
                self._version, self._devices = published.version, set()
                self._replace(IdentityLinks, [])
                for contract in (SharedIds, MergedUsers):
                    self._replace(
                        contract,
                        tables.rows(tables.table(contract)) if tables.has(contract) else [],
                    )
            if unknown and tables.has(IdentityLinks):
                self._add(IdentityLinks, self._links_of(tables, unknown, since))
        self._devices.update(unknown)

    def _links_of(self, tables: OpenTables, devices: Sequence[str], since: datetime) -> list[Row]:
        """Return the first link of each device by a user, the last by each,
        and those from the last user's on.

        They are as far back as the rule looks: who was the last on the device, and whether others
        were before.

        No id is in the statement, as statements are kept.
        """
        links = tables.table(IdentityLinks)
        con = links.get_backend()
        device_list, begin = (
            dialect_of(con).listed(con, name, values)
            for name, values in (
                ("live_devices", devices),
                ("live_begin", [since.isoformat(sep=" ")]),
            )
        )
        if device_list is None or begin is None:
            return []
        begins_at = begin.value.as_scalar().cast("timestamp(6)")
        links = links.filter(
            links.device_id.isin(device_list.value), links.first_seen_at < begins_at
        )
        if self._rule.days_around is not None:
            links = links.filter(
                links.event_date >= (since - self._rule.days_around[0] * ONE_DAY).date()
            )
        of_device = ibis.window(group_by="device_id")
        has_user = links.user_id.notnull()
        links = links.mutate(
            first_user_at=links.first_seen_at.min(where=has_user).over(of_device),
            last_user_at=links.last_seen_at.max(where=has_user).over(of_device),
            last_of_user_at=links.last_seen_at.max().over(
                ibis.window(group_by=["device_id", "user_id"])
            ),
        )
        is_last_of_user = has_user & (links.last_seen_at == links.last_of_user_at)
        wanted = (links.first_seen_at == links.first_user_at) | (
            links.last_seen_at >= links.last_user_at
        )
        wanted |= is_last_of_user
        links = links.filter(wanted).mutate(
            run_number=links.run_number + BEFORE,
            last_seen_at=ibis.least(links.last_seen_at, begins_at),
        )
        return tables.rows(links.select(*IdentityLinks.columns))

    def with_visitors(self, events: ir.Table) -> ir.Table:
        """Return live clean events with their visitors."""
        links, shared, merged = (
            self._con.table(name, database=("temp", "main")) for name in TABLES.values()
        )
        live = identity_links(events, self._rule)
        known_ids = KnownIds(
            union_all(live, links), union_all(shared_ids(live, self._rule), shared), merged
        )
        return with_visitors(events, known_ids, self._rule)

    def _replace(self, contract: Contract, rows: list[Row]) -> None:
        self._con.raw_sql(f"DROP TABLE IF EXISTS {TABLES[contract]}")
        self._con.create_table(TABLES[contract], schema=schema_of(contract), temp=True)
        self._add(contract, rows)

    def _add(self, contract: Contract, rows: list[Row]) -> None:
        self._con.con.register("rows", pa.Table.from_pylist(rows, schema=arrow_schema_of(contract)))
        self._con.con.execute(f"INSERT INTO {TABLES[contract]} SELECT * FROM rows")  # noqa: S608 (names of this module)
