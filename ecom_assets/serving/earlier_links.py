"""Who signed in on the devices of live events before, by what is published: real time sees the last minutes only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.identity.contracts import IdentityLinks, MergedUsers, SharedIds
from ecom_assets.identity.links import identity_links, shared_ids
from ecom_assets.identity.rule import IdentityRule
from ecom_assets.identity.visitors import KnownIds, with_visitors
from ecom_assets.tables.contract import Table
from ecom_assets.tables.days import ONE_DAY
from ecom_assets.tables.portable import schema_of, union_all

AT_ONCE: Final = 2_000
"""Devices that are asked about at once."""
BEFORE: Final = -1_000_000
"""Added to the places of earlier links, so that they come before those of live events of the same day."""
TABLES: Final[dict[type[Table], str]] = {
    contract: f"earlier_{contract.name}" for contract in (IdentityLinks, SharedIds, MergedUsers)
}


@dataclass(frozen=True)
class PublishedLinks:
    """What is published: which version, which tables, and how to ask them for a small result."""

    version: object
    has: Callable[[type[Table]], bool]
    table: Callable[[type[Table]], ir.Table]
    rows: Callable[[ir.Table], list[dict[str, Any]]]


class EarlierLinks:
    """The published links of the devices of live events, and all ids that join nobody or are one person.

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
        if self._version != published.version:
            self._version, self._devices = published.version, set()
            self._replace(IdentityLinks, [])
            for contract in (SharedIds, MergedUsers):
                rows = published.rows(published.table(contract)) if published.has(contract) else []
                self._replace(contract, rows)
        unknown = sorted(set(devices) - self._devices)
        if unknown and published.has(IdentityLinks):
            for first in range(0, len(unknown), AT_ONCE):
                question = self._links(published.table(IdentityLinks), unknown[first : first + AT_ONCE], since)
                self._add(IdentityLinks, published.rows(question))
        self._devices.update(unknown)

    def _links(self, links: ir.Table, devices: Sequence[str], since: datetime) -> ir.Table:
        """Return the first link of each device by a user, and those from the last on, as far back as the rule looks."""
        begin = ibis.literal(since, "timestamp(6)")
        links = links.filter(links.device_id.isin(devices), links.first_seen_at < begin)
        if self._rule.days_around is not None:
            links = links.filter(links.event_date >= (since - self._rule.days_around[0] * ONE_DAY).date())
        of_device = ibis.window(group_by="device_id")
        has_user = links.user_id.notnull()
        links = links.mutate(
            first_user_at=links.first_seen_at.min(where=has_user).over(of_device),
            last_user_at=links.last_seen_at.max(where=has_user).over(of_device),
        )
        wanted = (links.first_seen_at == links.first_user_at) | (links.last_seen_at >= links.last_user_at)
        found = links.filter(wanted).mutate(
            run_number=links.run_number + BEFORE, last_seen_at=ibis.least(links.last_seen_at, begin)
        )
        return found.select(*IdentityLinks.columns)

    def with_visitors(self, events: ir.Table) -> ir.Table:
        """Return live clean events with their visitors."""
        links, shared, merged = (self._con.table(name, database=("temp", "main")) for name in TABLES.values())
        live = identity_links(events, self._rule)
        known = KnownIds(union_all(live, links), union_all(shared_ids(live, self._rule), shared), merged)
        return with_visitors(events, known, self._rule)

    def _replace(self, contract: type[Table], rows: list[dict[str, Any]]) -> None:
        self._con.raw_sql(f"DROP TABLE IF EXISTS {TABLES[contract]}")
        self._con.create_table(TABLES[contract], schema=schema_of(contract), temp=True)
        self._add(contract, rows)

    def _add(self, contract: type[Table], rows: list[dict[str, Any]]) -> None:
        self._con.con.register("rows", pa.Table.from_pylist(rows, schema=schema_of(contract).to_pyarrow()))
        self._con.con.execute(f"INSERT INTO {TABLES[contract]} SELECT * FROM rows")  # noqa: S608 (names of this module)
