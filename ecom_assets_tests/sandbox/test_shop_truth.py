"""The truth of the simulated shop, held against a recount over the files that it wrote."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ecom_assets_tests.sandbox.shop_recount import REASONS, Recount

pytestmark = pytest.mark.xdist_group("shop_month")


def test_every_row_is_clean_or_a_copy_or_quarantined(month: Recount) -> None:
    events = month.truth["events"]
    assert month.one("select count(*) from checked") == events["rows"]
    assert month.one("select count(*) from clean") == events["clean"]
    copies = month.one("select count(*) - count(distinct event_id) from checked where reason is null")
    assert copies == events["duplicates"]
    assert events["clean"] + events["duplicates"] + sum(events["quarantined"].values()) == events["rows"]


def test_every_reject_reason_occurs_as_often_as_the_truth_says(month: Recount) -> None:
    actual = month.pairs("select reason, count(*) from checked where reason is not null group by 1")
    assert actual == month.truth["events"]["quarantined"]
    assert list(month.truth["events"]["quarantined"]) == REASONS
    assert min(actual.values()) > 0


def test_some_rows_have_a_second_fault_that_does_not_count(month: Recount) -> None:
    sql = "select count(*) from checked where reason = 'malformed_event_type' and cart_value like '-%'"
    assert month.one(sql) > 0


def test_the_counts_of_each_received_day_hold(month: Recount) -> None:
    by_day = month.truth["by_received_date"]
    assert len(by_day) == 30
    rows = month.pairs("select received_date::varchar, count(*) from checked group by 1")
    assert rows == {day: counts["rows"] for day, counts in by_day.items()}
    clean = month.pairs("select received_date::varchar, count(*) from clean group by 1")
    assert clean == {day: counts["clean"] for day, counts in by_day.items()}
    for reason in REASONS:
        of_reason = f"from checked where reason = '{reason}' group by 1"
        actual = month.pairs(f"select received_date::varchar, count(*) {of_reason}")
        planted = {day: counts["quarantined"][reason] for day, counts in by_day.items()}
        assert actual == {day: count for day, count in planted.items() if count}


def test_a_row_lies_in_the_folder_of_the_day_on_which_it_arrived(month: Recount) -> None:
    assert month.one("select count(*) from checked where received_date <> received::date") == 0
    assert month.one("select max(received)::date from checked") == date(2026, 1, 30)


def test_late_rows_come_one_to_seven_days_late_and_hopeless_ones_from_the_eighth(month: Recount) -> None:
    late = "from clean where received_date > t::date group by 1"
    by_days = month.pairs(f"select (received_date - t::date)::varchar, count(*) {late}")
    assert by_days == month.truth["events"]["late_accepted_by_days"]
    assert set(month.truth["events"]["late_accepted_by_days"]) == set("1234567")
    delays = month.pairs("select received_date - t::date, count(*) from checked where reason = 'too_late' group by 1")
    assert (min(delays), max(delays)) == (8, 19)


def test_copies_are_equal_but_for_their_arrival_and_some_arrive_on_another_day(month: Recount) -> None:
    twice = "from checked where reason is null group by event_id having count(*) > 1"
    payload = "(event_timestamp, event_type, user_id, session_id, page_url, referrer_url, cart_value, properties)"
    assert month.one(f"select max(n) from (select count(distinct {payload}) as n {twice})") == 1
    assert month.one(f"select count(*) from (select event_id {twice} and count(distinct received_date) > 1)") > 0
    assert month.one(f"select count(*) from (select event_id {twice} and count(distinct received) = 1)") > 0
    assert month.one(f"select count(*) from (select event_id {twice} and count(*) = 3)") > 0


def test_the_event_types_of_the_clean_events_are_counted(month: Recount) -> None:
    assert month.pairs("select event_type, count(*) from clean group by 1") == month.truth["events"]["clean_by_type"]


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
    assert month.one("select count(*) from (select distinct visitor_id, nth from visits)") == sessions["total"]
    assert month.one("select count(distinct visitor_id) from visits") == month.truth["visitors"]["visitor_ids"]
    crossing = "select 1 from visits group by visitor_id, nth having min(t)::date < max(t)::date"
    assert month.one(f"select count(*) from ({crossing})") == sessions["midnight_sessions"] > 0
    started = "select min(t)::date::varchar as day from visits group by visitor_id, nth"
    by_day = {day: counts["sessions"] for day, counts in month.truth["by_event_date"].items()}
    assert month.pairs(f"select day, count(*) from ({started}) group by 1") == by_day


def test_orders_and_events_differ_for_the_causes_that_were_planted(month: Recount) -> None:
    month.con.execute(
        """
        create or replace table ordered as
        select split_part(uniq_id, '-', 1) as order_id, status = 'refunded' as is_refund, min(date_time) as t,
            any_value(customer_id)::varchar as user_id, sum(payment_amount) as amount
        from orders group by 1, 2;
        create or replace table reported as
        select properties->>'order_id' as order_id, event_type = 'refund' as is_refund, t, user_id,
            cast(cart_value as decimal(18, 2)) as amount,
            row_number() over (partition by order_id, event_type, if(order_id is null, event_id, '') order by t) as nth
        from clean where event_type in ('purchase', 'refund');
        create or replace table nameless as
        select o.order_id from reported as e join ordered as o using (user_id, amount, t) where e.order_id is null;
        """
    )
    same = "reported as e join ordered as o using (order_id, is_refund) where nth = 1"
    lone_order = (
        "ordered where (order_id, is_refund) not in (select (order_id, is_refund) from reported where order_id <> '')"
    )
    lone_order += " and order_id not in (from nameless)"
    lone_event = (
        "reported where order_id <> '' and (order_id, is_refund) not in (select (order_id, is_refund) from ordered)"
    )
    actual = {
        "missing_event": month.one(f"select count(*) from {lone_order} and not is_refund"),
        "missing_order": month.one(f"select count(*) from {lone_event} and not is_refund and nth = 1"),
        "amount_differs": month.one(f"select count(*) from {same} and e.amount <> o.amount"),
        "duplicate": month.one("select count(*) from reported where nth > 1"),
        "refund": month.one(f"select count(*) from {lone_order} and is_refund"),
        "time_zone_shift": month.one(f"select count(*) from {same} and e.t::date <> o.t::date"),
    }
    assert actual == month.truth["order_event_differences"]["by_cause"]
    assert min(actual.values()) > 0
    assert month.one(f"select count(*) from {same} and e.user_id <> o.user_id") == 0
    assert (
        month.one("select count(*) from reported where order_id is null")
        == month.one("select count(*) from nameless")
        > 0
    )


def test_the_differences_of_each_day_are_what_orders_come_to_less_what_events_say(month: Recount) -> None:
    orders = "select date_time::date as day, if(status = 'refunded', -1, 1) * payment_amount as amount from orders"
    events = """
        select t::date, if(event_type = 'refund', 1, -1) * cast(cart_value as decimal(18, 2)) from clean
        where event_type in ('purchase', 'refund')"""
    actual = month.pairs(f"select day::varchar, sum(amount) from ({orders} union all {events}) group by 1")
    planted = month.truth["order_event_differences"]["by_date"]
    assert len(planted) == 30
    assert actual == {
        day: sum(map(Decimal, causes.values()), Decimal(0)) for day, causes in planted.items() if day in actual
    }


def test_the_money_adds_up(month: Recount) -> None:
    orders = month.truth["orders"]
    amounts = month.pairs("select status, sum(payment_amount)::varchar from orders group by 1")
    assert amounts == {"shipped": orders["shipped_amount"], "refunded": orders["refunded_amount"]}
    lines = month.pairs("select status, count(*) from orders group by 1")
    assert lines == {"shipped": orders["order_lines"], "refunded": orders["refund_lines"]}
    assert month.one("select count(*) - count(distinct uniq_id) from orders") == 0
    assert month.one("select min(id) = 1 and max(id) = count(*) and count(distinct id) = count(*) from orders")
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


def test_even_the_smallest_shop_has_a_row_of_every_fault(tmp_path: Path) -> None:
    tiny = Recount(tmp_path / "tiny", days=1, visitors=1)
    assert tiny.pairs("select reason, count(*) from checked where reason is not null group by 1").keys() == set(REASONS)
    assert tiny.one("select count(*) from checked") == tiny.truth["events"]["rows"]
