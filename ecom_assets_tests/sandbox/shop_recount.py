"""Reads a simulated shop again with SQL, which shares nothing with the code that made it."""

from pathlib import Path
from typing import Any

import duckdb

from ecom_sandbox.shop.shop import generate

REASONS = [
    "missing_event_id",
    "unparseable_timestamp",
    "future_timestamp",
    "missing_identity",
    "malformed_event_type",
    "too_late",
]
TYPES = [
    "page_view",
    "product_view",
    "category_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
    "refund",
    "alias",
]

# Every received row with the first reason that applies, written down from the definitions of the
# metrics.
CHECKED = f"""
create table checked as
with read as (
  select *, try_cast(event_timestamp as timestamp) as t, cast(received_at as timestamp) as received
  from read_parquet('{{out}}/events/*/*.parquet', hive_partitioning = true)
)
select *, case
    when coalesce(event_id, '') = '' then 'missing_event_id'
    when t is null then 'unparseable_timestamp'
    when t > received + interval 1 hour then 'future_timestamp'
    when coalesce(user_id, '') in ('', 'null', 'undefined', '0') and coalesce(session_id, '') = ''
        and coalesce(anonymous_id, '') in ('', 'null') then 'missing_identity'
    when coalesce(event_type, '') not in {tuple(TYPES)} then 'malformed_event_type'
    when received_date > t::date + 7 then 'too_late'
  end as reason
from read;
create table clean as
select * from checked where reason is null
qualify row_number() over (partition by event_id order by received, event_id) = 1;
"""

# Visits are cut on the device, else on the source session, else on the user; each user of a visit
# has a session of it. Events without a user are those of the last user of the visit, else of the
# next.
VISITS = """
create or replace table visits as
with gaps as (
  select *, coalesce(anonymous_id, session_id, user_id) as device,
    t - lag(t) over (partition by device order by t, event_id) as gap
  from clean
), cut as (
  select *, sum((coalesce(gap, interval 1 day) > interval 30 minutes)::int)
    over (partition by device order by t, event_id) as nth
  from gaps
)
select *, coalesce(
    last_value(user_id ignore nulls) over (visit rows between unbounded preceding and current row),
    first_value(user_id ignore nulls) over (visit rows between current row and unbounded following),
    ''
  ) as visitor
from cut window visit as (partition by device, nth order by t, event_id)
"""


class Recount:
    """A generated shop with its truth, and a DuckDB connection in which it is read again."""

    def __init__(self, out: Path, **settings: Any) -> None:
        self.folder = out
        self.truth: dict[str, Any] = generate(out, **settings)
        self.con = duckdb.connect()
        self.con.execute(CHECKED.format(out=out))
        self.con.execute(VISITS)
        self.con.execute(f"create view orders as select * from '{out}/orders.parquet'")
        self.con.execute(f"create view catalogue as select * from '{out}/catalogue.parquet'")

    def value(self, sql: str) -> Any:
        """Return the single value that a query gives."""
        # All of it: DuckDB refuses other work beside a result that may have more rows.
        ((value,),) = self.con.execute(sql).fetchall()
        return value

    def pairs(self, sql: str) -> dict[Any, Any]:
        """Return the two columns that a query gives as keys and values."""
        return dict(self.con.execute(sql).fetchall())
