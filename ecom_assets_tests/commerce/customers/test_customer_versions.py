"""The newest version of a customer counts, whatever is in it: in files, streams and fetches,
in any order of arrival.

The reference knows nothing of tables: a customer is what the version that was changed last says, or
nobody if that one is no valid customer.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_assets.commerce.customers.checks import one_version_is_current
from ecom_assets.commerce.customers.contracts import Customers, RawCustomers
from ecom_assets.commerce.customers.customers import customer_versions
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.check import BrokenRows
from ecom_assets.core.tables.days import Days
from ecom_assets.core.warehouse.local import connect
from ecom_assets.ingestion.sources.customer_api.files import FileCustomers
from ecom_assets.ingestion.sources.customer_api.records import (
    CustomerMapping,
    customer_rows,
    read_record,
)
from ecom_assets.ingestion.sources.landing import LANDED_CUSTOMERS, stream_folder
from ecom_assets_tests.commerce.customers.customer_stories import PERFECT
from ecom_assets_tests.hypothesis_settings import examples
from ecom_assets_tests.platform import Platform

FIRST = date(2026, 3, 10)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """What a source says of a customer: since when, and the city; no city
    makes it no valid customer.
    """

    customer_id: str
    changed: int
    city: str | None

    @property
    def record(self) -> dict[str, Any]:
        """Return the record; a name that is a number is refused."""
        changed_at = (NOON + timedelta(hours=self.changed)).isoformat()
        refused = {} if self.city else {"first_name": 5}
        return PERFECT | {
            "id": self.customer_id,
            "updated_at": changed_at,
            "city": self.city,
            **refused,
        }


def newest(versions: Iterable[Version]) -> dict[str, str]:
    """Return the city of each customer by the version that was changed last."""
    latest = {
        version.customer_id: version
        for version in sorted(versions, key=lambda version: version.changed)
    }
    return {who: version.city for who, version in latest.items() if version.city}


VERSIONS = st.lists(
    st.builds(
        Version,
        st.sampled_from("abc"),
        st.integers(0, 9),
        st.sampled_from(("Berlin", "Rome", "Ulm", None)),
    ),
    min_size=1,
    max_size=10,
    unique_by=lambda version: (version.customer_id, version.changed),
)


def current(rows: ir.Table) -> dict[str, str]:
    """Return the city of each current customer."""
    versions = customer_versions(rows)
    rows_ = (
        versions.filter(versions.is_current).select("customer_id", "city").to_pyarrow().to_pylist()
    )
    return {row["customer_id"]: row["city"] for row in rows_}


def fetched(day: date, *versions: Version) -> ir.Table:
    """Return what a fetch of a day gives, in its order."""
    records = [read_record(version.record, 1, n) for n, version in enumerate(versions, start=1)]
    return customer_rows(records, day, "test")


def test_a_refused_record_ends_the_version_of_its_customer() -> None:
    shop = Platform()
    said = [Version("a", 1, "Berlin"), Version("a", 2, None), Version("a", 3, "Berlin")]
    for n, version in enumerate(said):
        day = FIRST + timedelta(days=2 * n)
        shop.engine.replace(RawCustomers, fetched(day, version), Days((day,)))
    shop.run(Days.between(FIRST, FIRST + timedelta(days=4)), only=["customers"])
    versions = [
        (row["valid_from"].day, row["valid_to"], row["is_current"]) for row in shop.rows(Customers)
    ]
    assert versions == [(10, date(2026, 3, 12), False), (14, None, True)]
    result = one_version_is_current.function(None, shop.table(Customers))
    assert isinstance(result, BrokenRows)
    assert result.broken.count().to_pyarrow().as_py() == 0
    shop.close()


def test_a_refused_record_is_of_its_customer_however_the_id_is_spelled() -> None:
    mapping = CustomerMapping.model_validate(
        {
            "name": "own",
            "fields": {"id": {"path": "id", "key": "address"}, "first_name": "first_name"},
        }
    )
    refused = read_record({"id": " Zoe@Example.com", "first_name": 5}, 1, 1, mapping)
    valid = read_record({"id": "zoe@example.com", "first_name": "Zoe"}, 1, 2, mapping)
    assert valid.customer is not None
    assert refused.customer is None
    assert refused.customer_id == valid.customer.id == "zoe@example.com"


@examples(60)
@given(versions=VERSIONS, cut=st.integers(0, 10))
def test_of_files_the_version_that_was_changed_last_counts(
    tmp_path_factory: pytest.TempPathFactory, versions: Sequence[Version], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for name, part in (("1", versions[:cut]), ("2", versions[cut:])):
        if part:
            (folder / f"{name}.json").write_text(
                json.dumps({"data": [version.record for version in part]})
            )
    settings = Settings(home=folder, customers=str(folder / "*.json"))
    rows = FileCustomers(settings).received(Days((FIRST,))).rows
    assert current(rows) == newest(versions)


@examples(60)
@given(versions=VERSIONS, days=st.lists(st.integers(0, 3), min_size=10, max_size=10))
def test_of_a_stream_the_version_that_was_changed_last_counts(
    tmp_path_factory: pytest.TempPathFactory, versions: Sequence[Version], days: Sequence[int]
) -> None:
    home = tmp_path_factory.mktemp("stream")
    settings = Settings(home=home, customers="kafka://broker:9092/customers")
    for n, (version, day) in enumerate(zip(versions, days, strict=False)):
        folder = (
            stream_folder(settings, "customers") / f"received_date={FIRST + timedelta(days=day)}"
        )
        folder.mkdir(parents=True, exist_ok=True)
        received_at = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(
            days=day, minutes=n
        )
        row = {
            "customer_id": version.customer_id,
            "payload": json.dumps(version.record),
            "received_at": received_at,
        }
        pq.write_table(
            pa.Table.from_pylist([row], schema=LANDED_CUSTOMERS), folder / f"{n}.parquet"
        )
    rows = FileCustomers(settings).received(Days((FIRST + timedelta(days=3),))).rows
    assert current(rows) == newest(versions)


@examples(60)
@given(versions=VERSIONS, days=st.lists(st.integers(0, 3), min_size=10, max_size=10))
def test_of_fetches_the_version_that_was_changed_last_counts(
    versions: Sequence[Version], days: Sequence[int]
) -> None:
    fetches = [
        fetched(
            FIRST + timedelta(days=day),
            *(v for v, own in zip(versions, days, strict=False) if own == day),
        )
        for day in range(4)
    ]
    con = connect()
    con.con.register("raw", pa.concat_tables([fetch.to_pyarrow() for fetch in fetches]))
    assert current(con.table("raw")) == newest(versions)


@examples(60)
@given(
    cities=st.lists(
        st.lists(st.sampled_from(("Berlin", "Rome", None)), max_size=3), min_size=1, max_size=4
    )
)
def test_without_a_time_of_change_the_later_arrival_counts_and_of_a_fetch_the_later_record(
    cities: Sequence[Sequence[str | None]],
) -> None:
    said = [[Version("a", 0, city) for city in fetch] for fetch in cities]
    con = connect()
    fetches = [
        fetched(FIRST + timedelta(days=n), *fetch).to_pyarrow() for n, fetch in enumerate(said)
    ]
    con.con.register("raw", pa.concat_tables(fetches))
    arrived = [city for fetch in cities for city in fetch]
    assert current(con.table("raw")) == ({"a": arrived[-1]} if arrived and arrived[-1] else {})
