"""How well identity rules find the people of the simulated shop, whose truth is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import pyarrow as pa
from ibis.backends.duckdb import Backend

from ecom_assets.behaviour.identity.links import (
    alias_events,
    identity_aliases,
    merged_rows,
    merged_users,
)
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import with_visitors_of_all
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.sandbox.people_in_files import people_of_events
from ecom_assets_tests.sandbox.shop_recount import Recount

VARIANTS: Mapping[str, IdentityRule] = {
    "stitched": IdentityRule(),
    "... that looks ahead first within a visit": IdentityRule(looks_ahead_first=True),
    "... that does not guess between two users": IdentityRule(guesses_if_shared=False),
    "... within the visit only": IdentityRule(days_back=0, days_ahead=0, one_user_days=0),
    **{
        name: IdentityRule.preset(name)
        for name in ("amplitude", "mixpanel_simplified", "segment_dbt", "user")
    },
}
"""The rule, what it could be instead, and the rules of other tools."""


@dataclass(frozen=True)
class Found:
    """What became of the events of people who were not signed in, and how many visitors
    came back in the next week.

    `right` and `wrong` are those given to a user: the person, or somebody else. `unknown` were left
    to the device. `shoppers` are visitors who put something into a cart. `joined` are visitors with
    the user ids of several people, without those that aliases join.
    """

    right: int
    wrong: int
    unknown: int
    visitors: int
    shoppers: int
    joined: int
    week_1_rate: float

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares of events given to the person, to somebody else, and left to the device."""
        events = self.right + self.wrong + self.unknown
        return self.right / events, self.wrong / events, self.unknown / events


COLUMNS = """event_id, t as event_at, t::date as event_date, received_date, event_type,
    nullif(user_id, '') as user_id, nullif(anonymous_id, '') as device_id,
    nullif(session_id, '') as source_session_id, properties"""
OWNED = """
    create table owned as
    select *, starts_with(visitor_id, 'anon-') as is_device,
        visitor_id in (person_id, 'app-' || person_id) as is_person
    from ({rows}) join who using (event_id) where not is_bot"""
COUNTED = """
    select count(*) filter (user_id is null and is_person),
        count(*) filter (user_id is null and not is_person and not is_device),
        count(*) filter (user_id is null and is_device), count(distinct visitor_id),
        count(distinct visitor_id) filter (event_type = 'add_to_cart')
    from owned"""
JOINED = """
    select count(*) from (
        select visitor_id from owned where user_id <> 'guest' group by 1
        having count(distinct person_id) > 1)"""
RETURNED = """
    with came as (select distinct visitor_id, date_trunc('week', event_at) as week from owned),
        first as (select visitor_id, min(week) as week from came group by 1)
    select count(came.week) / count(*) from first left join came
    on came.visitor_id = first.visitor_id and came.week = first.week + interval 7 days
    where first.week <= ?"""
"""Of the visitors who came first in a week that has a whole one after it,
those who came in the next.
"""
MERGED = pa.schema(
    [("user_id", pa.string()), ("visitor_user_id", pa.string()), ("user_count", pa.int64())]
)


def merged_of(con: Backend, rule: IdentityRule) -> pa.Table:
    """Return the users whom the aliases in a table `clean` join, as rows of `MergedUsers`."""
    events = con.to_pyarrow(alias_events(con.table("clean"), rule)).to_pylist()
    aliases = identity_aliases(map(dict.values, events))
    groups, _ = merged_users([(user, previous) for *_, user, previous in aliases], rule.group_users)
    rows = [dict(zip(MERGED.names, row, strict=True)) for row in merged_rows(groups)]
    return pa.Table.from_pylist(rows, schema=MERGED)


@cache
def found_by(shop: Recount, rule: IdentityRule) -> Found:
    """Return what a rule finds out about the people of a shop, without its robots."""
    con = connect()
    con.con.register("clean", shop.con.sql(f"select {COLUMNS} from clean").to_arrow_table())
    con.con.register(
        "who", people_of_events(shop.folder).select(["event_id", "person_id", "is_bot"])
    )
    con.con.register("merged", merged_of(con, rule))
    clean = con.table("clean")
    con.con.execute(
        OWNED.format(rows=con.compile(with_visitors_of_all(clean, con.table("merged"), rule)))
    )
    ((right, wrong, unknown, visitors, shoppers),) = con.con.execute(COUNTED).fetchall()
    ((joined,),) = con.con.execute(JOINED).fetchall()
    ((last,),) = con.con.execute("select date_trunc('week', max(event_at)) from owned").fetchall()
    ((rate,),) = con.con.execute(RETURNED, [last - timedelta(weeks=2)]).fetchall()
    con.disconnect()
    return Found(right, wrong, unknown, visitors, shoppers, joined, rate)
