"""Who a person is, by two rules: sign-ins count for some days,
or for a year on a device that only one user has.

    python -m benchmarks.behaviour.who_a_person_is [--rees46 rees46_2019_10_01.csv]

Over a year of the simulated shop, whose truth is known, and over a file of REES46, of which all
users are known, and most are hidden. Pairs are two events of one person: precision is the share of
the pairs found that are right, recall that of all right pairs that are found. The same arguments
give the same figures; docs/metrics/identity.md has them.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ibis.backends.duckdb import Backend

from benchmarks.measuring import say, scratch
from ecom_assets.behaviour.identity.rule import IdentityRule
from ecom_assets.behaviour.identity.visitors import with_visitors_of_all
from ecom_assets.core.warehouse.local import connect
from ecom_assets_tests.sandbox.people_found import COLUMNS, OWNED, RETURNED, merged_of
from ecom_assets_tests.sandbox.people_in_files import people_of_events
from ecom_assets_tests.sandbox.shop_recount import Recount

RULES = {
    "days only": IdentityRule(one_user_days=0),
    "one user, 90 days": IdentityRule(one_user_days=90),
    "one user, 180 days": IdentityRule(one_user_days=180),
    "one user, 365 days": IdentityRule(one_user_days=365),
}
DAYS, PEOPLE, SEEDS = 365, 2_000, (7,)
KEPT_OF = 10
"""Of so many sessions of REES46, all of whose users are hidden but that of one event, one keeps it.
"""
HEAD = (
    "events",
    "rule",
    "precision",
    "without guests",
    "recall",
    "right",
    "wrong",
    "left to the device",
    "visitors",
    "people",
    "with a cart",
    "back in week 1",
)
PRECISION = """
    (with cells as (select visitor_id, person_id, count(*) as n from owned
            where {condition} group by all),
        by_visitor as (select sum(n) as n from cells group by visitor_id)
    select (select sum(n * (n - 1)) from cells) / (select sum(n * (n - 1)) from by_visitor))"""
COUNTED = f"""
    with cells as (select visitor_id, person_id, count(*) as n from owned group by all),
        by_person as (select sum(n) as n from cells group by person_id)
    select {PRECISION.format(condition="true")},
        {PRECISION.format(condition="user_id is distinct from 'guest'")},
        (select sum(n * (n - 1)) from cells) / (select sum(n * (n - 1)) from by_person),
        count(*) filter (user_id is null and is_person),
        count(*) filter (user_id is null and not is_person and not is_device),
        count(*) filter (user_id is null and is_device),
        count(distinct visitor_id), count(distinct person_id),
        count(distinct visitor_id) filter (event_type = 'add_to_cart')
    from owned"""
TRUTH = "select clean.*, person_id as visitor_id from clean join who using (event_id)"
HIDDEN = """
    with once as (select distinct * from read_csv('{file}', all_varchar = true)),
        numbered as (
            select *, event_time[:19]::timestamp as t, hash(user_session) as dice,
                row_number() over (
                    order by event_time, user_session, product_id, event_type, price) as n
            from once where user_session is not null),
        shuffled as (
            select *, row_number() over (partition by user_session order by hash(n)) as position
            from numbered)
    select 'e' || n as event_id, t as event_at, event_type, user_id as person_id,
        user_session as device_id,
        case when position = 1 and dice % {kept_of} < {kept} then user_id end as user_id
    from shuffled"""


@dataclass(frozen=True)
class Trial:
    """Clean events, the users whom aliases join, and who did what: `event_id` and `person_id`."""

    name: str
    con: Backend


def shops(folder: Path) -> Iterator[Trial]:
    """Yield years of the simulated shop, of robots' events too, which join nobody."""
    for seed in SEEDS:
        shop = Recount(folder / f"year_{seed}", days=DAYS, visitors=PEOPLE, seed=seed)
        con = connect()
        con.con.register("clean", shop.con.sql(f"select {COLUMNS} from clean").to_arrow_table())
        people = people_of_events(shop.folder).select(["event_id", "person_id", "is_bot"])
        con.con.register("who", people)
        con.con.register("merged", merged_of(con, IdentityRule()))
        yield Trial(f"a year of the shop, seed {seed}", con)


def rees46(file: Path) -> Trial:
    """Return the events of a file,
    of whose users one event in each of some sessions keeps its own.
    """
    con = connect()
    hidden = con.con.sql(HIDDEN.format(file=file, kept_of=KEPT_OF, kept=KEPT_OF // 2))
    con.con.register("hidden", hidden.to_arrow_table())
    con.con.execute("""
        create table clean as
        select event_id, event_at, event_at::date as event_date, event_at::date as received_date,
            event_type, user_id, device_id, null::varchar as source_session_id,
            null::varchar as properties
        from hidden""")
    con.con.execute("create table who as select event_id, person_id, false as is_bot from hidden")
    con.con.register("merged", merged_of(con, IdentityRule()))
    return Trial("REES46", con)


def figures(trial: Trial, rule: IdentityRule | None) -> list[str]:
    """Return the figures of a rule, or of the truth without one, in the order of `HEAD`."""
    con, rows = trial.con, TRUTH
    if rule is not None:
        rows = con.compile(
            with_visitors_of_all(con.table("clean"), con.table("merged"), rule, names_step=False)
        )
    con.con.execute("drop table if exists owned")
    con.con.execute(OWNED.format(rows=rows))
    ((*pairs, right, wrong, left, visitors, people, shoppers),) = con.con.execute(
        COUNTED
    ).fetchall()
    counts = (right, wrong, left, visitors, people, shoppers)
    return [
        *(f"{share:.2%}" for share in pairs),
        *(f"{count:,}" for count in counts),
        back_in_week_1(con),
    ]


def back_in_week_1(con: Backend) -> str:
    """Return the share of visitors who come back in the week after their first;
    empty for less than two weeks.
    """
    ((last,),) = con.con.execute("select date_trunc('week', max(event_at)) from owned").fetchall()
    ((rate,),) = con.con.execute(RETURNED, [last - timedelta(weeks=2)]).fetchall()
    return "" if rate is None else f"{rate:.1%}"


def main() -> None:
    """Print the table of docs/metrics/identity.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rees46", type=Path, help="a CSV file of REES46; without it the shop only"
    )
    arguments = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    with scratch() as folder:
        real = [rees46(arguments.rees46)] if arguments.rees46 else []
        for trial in (*real, *shops(folder)):
            say(trial.name)
            for name, rule in {**RULES, "the truth": None}.items():
                cells = [trial.name, name, *figures(trial, rule)]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
