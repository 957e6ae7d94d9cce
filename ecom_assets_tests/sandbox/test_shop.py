"""The simulated shop: its truth is recounted with SQL over the files it wrote, which shares nothing with it.

Not here: what the platform makes of such files.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

import ecom_assets.sandbox
from ecom_assets.errors import UsageError
from ecom_assets.sandbox import shop
from ecom_assets.sandbox.shop import generate, write_sample

REASONS = [
    "missing_event_id",
    "unparseable_timestamp",
    "future_timestamp",
    "missing_identity",
    "unknown_event_type",
    "negative_cart_value",
    "product_missing",
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
]

# Every received row with the first reason that applies, written down from the definitions of the metrics.
JUDGED = f"""
create table judged as
with read as (
  select *, try_cast(event_timestamp as timestamp) as t, cast(received_at as timestamp) as received
  from read_parquet('{{out}}/events/*/*.parquet', hive_partitioning = true)
)
select *, case
    when coalesce(event_id, '') = '' then 'missing_event_id'
    when t is null then 'unparseable_timestamp'
    when t > received + interval 1 hour then 'future_timestamp'
    when coalesce(user_id, '') in ('', 'null', 'undefined', '0') and coalesce(session_id, '') = ''
        then 'missing_identity'
    when coalesce(event_type, '') not in {tuple(TYPES)} then 'unknown_event_type'
    when cast(cart_value as decimal(18, 2)) < 0 then 'negative_cart_value'
    when event_type in ('product_view', 'add_to_cart') and product_id is null then 'product_missing'
    when received_date > t::date + 7 then 'too_late'
  end as reason
from read;
create table clean as
select * from judged where reason is null
qualify row_number() over (partition by event_id order by received, event_id) = 1;
"""


class Recount:
    """A generated shop with its truth, and a DuckDB connection in which it is read again."""

    def __init__(self, out: Path, **settings: Any) -> None:
        self.truth: dict[str, Any] = generate(out, **settings)
        self.con = duckdb.connect()
        self.con.execute(JUDGED.format(out=out))
        self.con.execute(f"create view orders as select * from '{out}/orders.parquet'")
        self.con.execute(f"create view catalogue as select * from '{out}/catalogue.parquet'")

    def one(self, sql: str) -> Any:
        """Return the single value that a query gives."""
        row = self.con.execute(sql).fetchone()
        assert row is not None
        return row[0]

    def pairs(self, sql: str) -> dict[Any, Any]:
        """Return the two columns that a query gives as keys and values."""
        return dict(self.con.execute(sql).fetchall())


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Recount:
    """The shop that `ecom run` shows to somebody who has no data: a month of 2,000 people."""
    return Recount(tmp_path_factory.mktemp("shop") / "month")


def digests(out: Path) -> dict[str, str]:
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_default_shop_is_big_enough_to_look_at_and_made_in_seconds(tmp_path: Path) -> None:
    start = time.monotonic()
    truth: dict[str, Any] = generate(tmp_path / "shop")
    assert time.monotonic() - start < 15  # alone on two cores it takes 1.3 s
    assert 90_000 < truth["events"]["rows"] < 300_000


def test_the_same_settings_give_the_same_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    for name, seed in (("once", 3), ("again", 3), ("other", 4)):
        generate(tmp_path / name, days=12, visitors=150, seed=seed)
    once = digests(tmp_path / "once")
    assert once == digests(tmp_path / "again")
    other = digests(tmp_path / "other")
    assert not {name for name in once if once[name] == other.get(name)}
    assert {"truth.json", "orders.parquet", "catalogue.parquet"} < set(once)


def test_the_size_of_batches_does_not_change_what_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Recount(tmp_path / "whole", days=3, visitors=300)
    monkeypatch.setattr(shop, "VISITS_AT_ONCE", 40)
    parts = Recount(tmp_path / "parts", days=3, visitors=300)
    assert len(list((tmp_path / "parts").glob("events/received_date=2026-01-01/*"))) > 1
    sessions = """
        select session_id, string_agg(event_type || event_timestamp, ' ' order by event_timestamp, event_type)
        from clean where user_agent not like '%bot%' group by 1"""
    assert whole.pairs(sessions) == parts.pairs(sessions)


def test_every_row_is_clean_or_a_copy_or_quarantined(month: Recount) -> None:
    events = month.truth["events"]
    assert month.one("select count(*) from judged") == events["rows"]
    assert month.one("select count(*) from clean") == events["clean"]
    copies = month.one("select count(*) - count(distinct event_id) from judged where reason is null")
    assert copies == events["duplicates"]
    assert events["clean"] + events["duplicates"] + sum(events["quarantined"].values()) == events["rows"]


def test_every_reject_reason_occurs_as_often_as_the_truth_says(month: Recount) -> None:
    found = month.pairs("select reason, count(*) from judged where reason is not null group by 1")
    assert found == month.truth["events"]["quarantined"]
    assert list(month.truth["events"]["quarantined"]) == REASONS
    assert min(found.values()) > 0


def test_even_the_smallest_shop_has_a_row_of_every_fault(tmp_path: Path) -> None:
    tiny = Recount(tmp_path / "tiny", days=1, visitors=1)
    assert tiny.pairs(
        "select reason, count(*) from judged where reason is not null group by 1"
    ).keys() == set(REASONS)
    assert tiny.one("select count(*) from judged") == tiny.truth["events"]["rows"]


def test_some_rows_have_a_second_fault_that_does_not_count(month: Recount) -> None:
    sql = "select count(*) from judged where reason = 'unknown_event_type' and cart_value like '-%'"
    assert month.one(sql) > 0


def test_the_counts_of_each_received_day_hold(month: Recount) -> None:
    by_day = month.truth["by_received_date"]
    assert len(by_day) == 30
    rows = month.pairs("select received_date::varchar, count(*) from judged group by 1")
    assert rows == {day: counts["rows"] for day, counts in by_day.items()}
    clean = month.pairs("select received_date::varchar, count(*) from clean group by 1")
    assert clean == {day: counts["clean"] for day, counts in by_day.items()}
    for reason in REASONS:
        of_reason = f"from judged where reason = '{reason}' group by 1"
        found = month.pairs(f"select received_date::varchar, count(*) {of_reason}")
        planted = {day: counts["quarantined"][reason] for day, counts in by_day.items()}
        assert found == {day: count for day, count in planted.items() if count}


def test_a_row_lies_in_the_folder_of_the_day_on_which_it_arrived(month: Recount) -> None:
    assert month.one("select count(*) from judged where received_date <> received::date") == 0
    assert month.one("select max(received)::date from judged") == date(2026, 1, 30)


def test_late_rows_come_one_to_seven_days_late_and_hopeless_ones_from_the_eighth(month: Recount) -> None:
    late = "from clean where received_date > t::date group by 1"
    by_days = month.pairs(f"select (received_date - t::date)::varchar, count(*) {late}")
    assert by_days == month.truth["events"]["late_accepted_by_days"]
    assert set(month.truth["events"]["late_accepted_by_days"]) == set("1234567")
    delays = month.pairs(
        "select received_date - t::date, count(*) from judged where reason = 'too_late' group by 1"
    )
    assert (min(delays), max(delays)) == (8, 19)


def test_copies_are_equal_but_for_their_arrival_and_some_arrive_on_another_day(month: Recount) -> None:
    twice = "from judged where reason is null group by event_id having count(*) > 1"
    payload = (
        "(event_timestamp, event_type, user_id, session_id, page_url, referrer_url, cart_value, properties)"
    )
    assert month.one(f"select max(n) from (select count(distinct {payload}) as n {twice})") == 1
    assert (
        month.one(f"select count(*) from (select event_id {twice} and count(distinct received_date) > 1)") > 0
    )
    assert month.one(f"select count(*) from (select event_id {twice} and count(distinct received) = 1)") > 0
    assert month.one(f"select count(*) from (select event_id {twice} and count(*) = 3)") > 0


def test_the_event_types_of_the_clean_events_are_counted(month: Recount) -> None:
    assert (
        month.pairs("select event_type, count(*) from clean group by 1")
        == month.truth["events"]["clean_by_type"]
    )


def test_thirty_minutes_of_idleness_find_the_sessions_that_were_planted(month: Recount) -> None:
    month.con.execute(
        """
        create or replace table visits as
        with named as (
          select *, coalesce(user_id, max(user_id) over (partition by session_id), 'anon-' || session_id)
            as visitor_id
          from clean
        ), gaps as (
          select *, t - lag(t) over (partition by visitor_id order by t, event_id) as gap from named
        )
        select *, sum((coalesce(gap, interval 1 day) > interval 30 minutes)::int)
            over (partition by visitor_id order by t, event_id) as nth
        from gaps
        """
    )
    sessions = month.truth["sessions"]
    assert (
        month.one("select count(*) from (select distinct visitor_id, nth from visits)") == sessions["total"]
    )
    assert (
        month.one("select count(distinct visitor_id) from visits") == month.truth["visitors"]["visitor_ids"]
    )
    crossing = "select 1 from visits group by visitor_id, nth having min(t)::date < max(t)::date"
    assert month.one(f"select count(*) from ({crossing})") == sessions["midnight_sessions"] > 0
    started = "select min(t)::date::varchar as day from visits group by visitor_id, nth"
    by_day = {day: counts["sessions"] for day, counts in month.truth["by_event_date"].items()}
    assert month.pairs(f"select day, count(*) from ({started}) group by 1") == by_day


def test_the_funnel_leaks_at_every_step(month: Recount) -> None:
    funnel = month.truth["funnel_sessions"]
    reached = {
        name: month.one(f"select count(distinct session_id) from clean where event_type = '{name}'")
        for name in funnel
    }
    assert reached == funnel
    assert list(funnel) == ["page_view", "product_view", "add_to_cart", "checkout_start", "purchase"]
    assert sorted(funnel.values(), reverse=True) == list(funnel.values())
    assert 0.08 < funnel["add_to_cart"] / funnel["page_view"] < 0.12
    assert 0.02 < funnel["purchase"] / funnel["page_view"] < 0.04


def test_no_step_of_the_funnel_is_reached_without_the_one_before(month: Recount) -> None:
    steps = list(month.truth["funnel_sessions"])
    for before, after in pairwise(steps):
        sql = f"""
            select count(*) from (
              select min(t) filter (event_type = '{before}') as b, min(t) filter (event_type = '{after}') as a
              from clean where session_id is not null group by session_id
            ) where a is not null and (b is null or b > a)"""
        assert month.one(sql) == 0, f"{after} without {before}"


def test_visits_begin_anonymous_and_some_log_in_on_the_way(month: Recount) -> None:
    both = "select 1 from clean group by session_id having count(user_id) between 1 and count(*) - 1"
    assert month.one(f"select count(*) from ({both})") == month.truth["sessions"]["login_sessions"] > 0
    anonymous = "select count(*) from (select 1 from clean group by session_id having count(user_id) = 0)"
    assert month.one(anonymous) == month.truth["sessions"]["anonymous_sessions"] > 0
    assert month.one("select count(*) from clean where user_id is null and anonymous_id is null") == 0
    assert month.one("select count(*) from clean where event_type = 'purchase' and user_id is null") == 0
    after = """
        select count(*) from clean a join clean b using (session_id)
        where a.user_id is not null and b.user_id is null and b.t > a.t"""
    assert month.one(after) == 0


def test_robots_name_themselves_or_are_far_busier_than_people(month: Recount) -> None:
    crawlers = "select count(distinct session_id) from clean where user_agent like '%bot%'"
    assert month.one(crawlers) == month.truth["visitors"]["crawler_sessions"] > 0
    busy = "select distinct user_id as u from clean group by user_id, session_id having count(*) >= 600"
    assert month.one(f"select count(*) from ({busy})") == month.truth["visitors"]["scrapers"] > 0
    people = (
        f"user_agent not like '%bot%' and session_id is not null and coalesce(user_id, '') not in ({busy})"
    )
    sizes = f"select count(*) as n from clean where {people} group by session_id"
    assert month.one(f"select max(n) from ({sizes})") <= 96


def test_orders_and_purchase_events_are_the_same_orders(month: Recount) -> None:
    report = """
        select split_part(uniq_id, '-', 1) as order_id, status, any_value(customer_id)::varchar as user_id,
            any_value(date_time) as t, sum(payment_amount) as amount,
            count(distinct (customer_id, date_time)) as n
        from orders group by 1, 2"""
    events = """
        select properties->>'order_id', if(event_type = 'refund', 'refunded', 'shipped'), user_id, t,
            cast(cart_value as decimal(38, 2)), 1
        from clean where event_type in ('purchase', 'refund')"""
    assert month.one(f"select count(*) from (({events}) except all ({report}))") == 0
    assert month.one(f"select count(*) from (({report}) except all ({events}))") == 0


def test_the_money_adds_up(month: Recount) -> None:
    orders = month.truth["orders"]
    amounts = month.pairs("select status, sum(payment_amount)::varchar from orders group by 1")
    assert amounts == {"shipped": orders["shipped_amount"], "refunded": orders["refunded_amount"]}
    lines = month.pairs("select status, count(*) from orders group by 1")
    assert lines == {"shipped": orders["order_lines"], "refunded": orders["refund_lines"]}
    assert month.one("select count(*) - count(distinct uniq_id) from orders") == 0
    assert month.one(
        "select min(id) = 1 and max(id) = count(*) and count(distinct id) = count(*) from orders"
    )
    priced = """
        select count(*) from orders join catalogue on product_id = item_id::varchar
        where name = item_name and payment_amount = price * quantity"""
    assert month.one(priced) == month.one("select count(*) from orders")


def test_the_counts_of_each_event_day_hold(month: Recount) -> None:
    by_day = month.truth["by_event_date"]
    clean = month.pairs("select t::date::varchar, count(*) from clean group by 1")
    assert clean == {day: counts["clean"] for day, counts in by_day.items()}
    for status, amount in (("shipped", "shipped_amount"), ("refunded", "refunded_amount")):
        of_status = f"from orders where status = '{status}' group by 1"
        paid = month.pairs(f"select date_time::date::varchar, sum(payment_amount)::varchar {of_status}")
        assert paid == {day: counts[amount] for day, counts in by_day.items() if counts[amount] != "0.00"}


def test_a_refund_follows_its_purchase_by_two_to_twenty_days(month: Recount) -> None:
    sql = """
        select min(days), max(days), count(*) from (
          select r.date_time::date - s.date_time::date as days
          from orders r join orders s on r.uniq_id = s.uniq_id || '-r'
        )"""
    low, high, count = month.con.execute(sql).fetchall()[0]
    assert 2 <= low <= high < 20
    assert count == month.truth["orders"]["refund_lines"] > 0


def test_few_products_and_few_people_make_much_of_the_traffic(month: Recount) -> None:
    shares = """
        select sum(n) filter (place <= total / 10) / sum(n) from (
          select count(*) as n, row_number() over (order by count(*) desc) as place, count(*) over () as total
          from clean where {what} is not null and user_agent not like '%bot%' group by {what})"""
    assert month.one(shares.format(what="product_id")) > 0.3
    assert month.one(shares.format(what="anonymous_id")) > 0.3


def test_visitors_come_from_many_sources_and_say_so_in_page_and_referrer(month: Recount) -> None:
    month.con.execute(
        """
        create or replace table landings as
        select page_url, referrer_url, regexp_extract(page_url, 'utm_medium=([a-z_]+)', 1) as medium
        from clean where session_id is not null
        qualify row_number() over (partition by session_id order by t, event_id) = 1
        """
    )
    mediums = month.pairs("select medium, count(*) from landings group by 1")
    assert set(mediums) == {"", "cpc", "paid_social", "social", "video", "email", "affiliate", "display"}
    organic = "select count(*) from landings where medium = '' and referrer_url = 'https://www.google.com/'"
    assert month.one(organic) > 0
    assert month.one("select count(*) from landings where medium = '' and referrer_url is null") > 0


def test_nights_are_quiet_and_sundays_busy(month: Recount) -> None:
    people = "count(distinct session_id) from clean where user_agent not like '%bot%'"
    hours = month.pairs(f"select hour(t), {people} group by 1")
    assert hours[20] > 5 * hours[4]
    week = month.pairs(f"select isodow(t), {people} and t >= '2026-01-05' and t < '2026-01-26' group by 1")
    assert max(week, key=week.__getitem__) == 7


def test_truth_is_written_beside_the_data_with_its_settings(tmp_path: Path) -> None:
    truth = generate(tmp_path / "shop", days=2, visitors=20, seed=11, first_day=date(2025, 12, 31))
    assert json.loads((tmp_path / "shop" / "truth.json").read_text()) == truth
    assert truth["settings"] == {
        "seed": 11,
        "days": 2,
        "visitors": 20,
        "first_day": "2025-12-31",
        "late_days": 7,
    }
    assert [p.name for p in sorted((tmp_path / "shop" / "events").iterdir())] == [
        "received_date=2025-12-31",
        "received_date=2026-01-01",
    ]


def test_progress_counts_the_days(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    generate(tmp_path / "shop", days=3, visitors=5, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_an_earlier_shop_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    generate(tmp_path / "shop", days=4, visitors=10)
    generate(tmp_path / "shop", days=2, visitors=10)
    assert len(list((tmp_path / "shop" / "events").iterdir())) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_a_run_that_fails_leaves_the_earlier_shop_as_it_was(tmp_path: Path) -> None:
    generate(tmp_path / "shop", days=2, visitors=10)
    before = digests(tmp_path / "shop")

    def stop(_done: int, _of: int) -> None:
        raise RuntimeError("the lights went out")

    with pytest.raises(RuntimeError, match="lights"):
        generate(tmp_path / "shop", days=3, visitors=10, progress=stop)
    assert digests(tmp_path / "shop") == before
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_a_killed_run_leaves_nothing_and_the_next_one_clears_up(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from ecom_assets.sandbox.shop import generate\n"
        "wait = lambda done, of: (print(done, flush=True), time.sleep(30))\n"
        "generate(Path(sys.argv[1]), days=9, visitors=50, progress=wait)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "shop")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"1\n"
        with pytest.raises(UsageError, match="Another run is writing"):
            generate(tmp_path / "shop", days=1, visitors=1)
        os.kill(run.pid, signal.SIGKILL)
    assert not (tmp_path / "shop").exists()
    generate(tmp_path / "shop", days=1, visitors=1)
    assert [p.name for p in tmp_path.iterdir()] == ["shop"]


def test_a_folder_with_something_else_in_it_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not a simulated shop"):
        generate(tmp_path, days=1, visitors=1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    with pytest.raises(UsageError, match="not a folder"):
        generate(tmp_path / "thesis.txt", days=1, visitors=1)


def test_somebody_elses_truth_file_does_not_make_a_folder_ours(tmp_path: Path) -> None:
    for content in ('{"generator": "another"}', "[]", "no json"):
        (tmp_path / "truth.json").write_text(content)
        with pytest.raises(UsageError, match="not a simulated shop"):
            generate(tmp_path, days=1, visitors=1)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    generate(tmp_path / "shop", days=1, visitors=1)
    assert (tmp_path / "shop" / "truth.json").is_file()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"days": 0}, "days"),
        ({"days": -1}, "days"),
        ({"days": 3_661}, "days"),
        ({"visitors": 0}, "visitors"),
        ({"visitors": 20_000_001}, "visitors"),
        ({"seed": -1}, "seed"),
        ({"first_day": date(1999, 12, 31)}, "first_day"),
    ],
)
def test_settings_that_make_no_shop_are_refused_by_name(
    tmp_path: Path, settings: dict[str, Any], word: str
) -> None:
    with pytest.raises(UsageError, match=f"`{word}` is") as refusal:
        generate(tmp_path / "shop", **settings)
    assert str(refusal.value).endswith(".")
    assert not list(tmp_path.iterdir())


def test_the_shipped_sample_is_what_the_generator_makes(tmp_path: Path) -> None:
    shipped = Path(ecom_assets.sandbox.__file__).with_name("sample_event_data.csv")
    write_sample(tmp_path / "sample.csv")
    assert shipped.read_bytes() == (tmp_path / "sample.csv").read_bytes()


def test_the_sample_holds_whole_purchases_and_three_broken_rows() -> None:
    shipped = Path(ecom_assets.sandbox.__file__).with_name("sample_event_data.csv")
    rows = f"read_csv('{shipped}', all_varchar = true)"
    con = duckdb.connect()
    assert con.execute(f"select count(*) from {rows}").fetchall() == [(200,)]
    assert con.execute(f"select count(*) from {rows} where event_type = 'purchase'").fetchall()[0][0] > 0
    broken = f"""
        select count(*) from {rows} where try_cast(event_timestamp as timestamp) is null
        or event_type is null or event_type not in {tuple(TYPES)} or cart_value like '-%'"""
    assert con.execute(broken).fetchall() == [(3,)]


def test_the_simulator_loads_neither_dagster_nor_the_command_line() -> None:
    program = "import sys, ecom_assets.sandbox.shop; print({'dagster', 'typer', 'ibis'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
