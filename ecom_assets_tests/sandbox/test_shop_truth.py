"""The truth of the simulated shop against a recount over its files, and its people: some come back,
some are robots.
"""

from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from ecom_assets_tests.command import ecom
from ecom_assets_tests.sandbox.shop_recount import REASONS, Recount

pytestmark = pytest.mark.xdist_group("shop_month")


def test_every_row_is_clean_or_a_copy_or_quarantined(month: Recount) -> None:
    events = month.truth["events"]
    assert month.value("select count(*) from checked") == events["rows"]
    assert month.value("select count(*) from clean") == events["clean"]
    copies = month.value(
        "select count(*) - count(distinct event_id) from checked where reason is null"
    )
    assert copies == events["duplicates"]
    assert (
        events["clean"] + events["duplicates"] + sum(events["quarantined"].values())
        == events["rows"]
    )


def test_every_reject_reason_occurs_as_often_as_the_truth_says(month: Recount) -> None:
    actual = month.pairs("select reason, count(*) from checked where reason is not null group by 1")
    assert actual == month.truth["events"]["quarantined"]
    assert list(month.truth["events"]["quarantined"]) == REASONS
    assert min(actual.values()) > 0


def test_some_rows_have_a_second_fault_that_does_not_count(month: Recount) -> None:
    also_late = (
        "select count(*) from checked where reason = 'malformed_event_type' and received_date > "
        "t::date + 7"
    )
    assert month.value(also_late) > 0


def test_everybody_sees_one_variant_of_the_experiment_and_opens_size_guides_as_planted(
    month: Recount,
) -> None:
    viewed = (
        "from clean where event_type = 'product_view' and json_extract_string(properties, "
        "'$.variant')"
    )
    planted = month.truth["experiment"]
    for name, counts in planted.items():
        assert month.value(f"select count(*) {viewed} = '{name}'") == counts["product_views"]
        opened = "json_extract_string(properties, '$.size_guide') = 'opened'"
        assert month.value(f"select count(*) {viewed} = '{name}' and {opened}") == counts["opened"]
        assert counts["opened"] / counts["product_views"] == pytest.approx(
            counts["planted_opened_rate"], abs=0.012
        )
    assert [counts["planted_opened_rate"] for counts in planted.values()] == [0.04, 0.08]
    variants = (
        "select count(distinct json_extract_string(properties, '$.variant')) as n from clean "
        "group by user_id"
    )
    assert month.value(f"select max(n) from ({variants} having user_id is not null)") == 1


@pytest.mark.slow
def test_the_experiment_command_finds_the_planted_effect(month: Recount, home: Path) -> None:
    """By device: people who share a device may see two variants on it,
    and are left out once they are one visitor.
    """
    options = ("--identity", "device", "--variant", "properties.variant", "--goal", "product_view")
    where = ("--goal-where", "properties.size_guide = opened")
    result = ecom(
        "experiment", "--events", month.folder / "events", *options, *where, "--json", home=home
    )
    assert result.exit_code == 0, result.err
    by_device = """
        select coalesce(anonymous_id, session_id) as unit,
            min(json_extract_string(properties, '$.variant')) as variant,
            max(json_extract_string(properties, '$.variant')) <> variant as is_mixed,
            max(json_extract_string(properties, '$.size_guide')) is not null as opened
        from clean where event_type = 'product_view'
            and json_extract_string(properties, '$.variant') is not null
        group by 1"""
    units = month.pairs(
        f"select variant, count(*) from ({by_device}) where not is_mixed group by 1"
    )
    opened = month.pairs(
        f"select variant, count(*) from ({by_device}) where opened and not is_mixed group by 1"
    )
    answered = {
        variant["variant"]: (variant["unit_count"], variant["converted_count"])
        for variant in result.json["variants"]
    }
    assert answered == {name: (units[name], opened[name]) for name in units}
    assert result.json["sample_ratio"]["p_value"] > 0.001
    differences = {
        variant["variant"]: variant["conversion"]["against_control"]
        for variant in result.json["variants"]
    }
    assert differences["size_guide"]["probability_better"] > 0.999


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
    assert month.value("select count(*) from checked where received_date <> received::date") == 0
    assert month.value("select max(received)::date from checked") == date(2026, 1, 30)


def test_late_rows_come_one_to_seven_days_late_and_hopeless_ones_from_the_eighth(
    month: Recount,
) -> None:
    late = "from clean where received_date > t::date group by 1"
    by_days = month.pairs(f"select (received_date - t::date)::varchar, count(*) {late}")
    assert by_days == month.truth["events"]["late_accepted_by_days"]
    assert set(month.truth["events"]["late_accepted_by_days"]) == set("1234567")
    delays = month.pairs(
        "select received_date - t::date, count(*) from checked where reason = 'too_late' group by 1"
    )
    assert (min(delays), max(delays)) == (8, 19)


def test_copies_are_equal_but_for_their_arrival_and_some_arrive_on_another_day(
    month: Recount,
) -> None:
    twice = "from checked where reason is null group by event_id having count(*) > 1"
    payload = (
        "(event_timestamp, event_type, user_id, session_id, page_url, referrer_url, cart_value, "
        "properties)"
    )
    assert month.value(f"select max(n) from (select count(distinct {payload}) as n {twice})") == 1
    assert (
        month.value(
            f"select count(*) from (select event_id {twice} and count(distinct received_date) > 1)"
        )
        > 0
    )
    assert (
        month.value(
            f"select count(*) from (select event_id {twice} and count(distinct received) = 1)"
        )
        > 0
    )
    assert month.value(f"select count(*) from (select event_id {twice} and count(*) = 3)") > 0


def test_the_event_types_of_the_clean_events_are_counted(month: Recount) -> None:
    assert (
        month.pairs("select event_type, count(*) from clean group by 1")
        == month.truth["events"]["clean_by_type"]
    )


def test_thirty_minutes_of_idleness_find_the_sessions_that_were_planted(month: Recount) -> None:
    sessions = month.truth["sessions"]
    assert (
        month.value("select count(*) from (select distinct device, nth, visitor from visits)")
        == sessions["total"]
    )
    crossing = (
        "select 1 from visits group by device, nth, visitor having min(t)::date < max(t)::date"
    )
    assert month.value(f"select count(*) from ({crossing})") == sessions["midnight_sessions"] > 0
    started = "select min(t)::date::varchar as day from visits group by device, nth, visitor"
    by_day = {day: counts["sessions"] for day, counts in month.truth["by_event_date"].items()}
    assert month.pairs(f"select day, count(*) from ({started}) group by 1") == by_day


def test_a_visitor_without_devices_is_a_user_or_a_session(month: Recount) -> None:
    named = (
        "coalesce(user_id, max(user_id) over (partition by session_id), 'anon-' || session_id) as "
        "visitor_id"
    )
    visitors = month.value(f"select count(distinct visitor_id) from (select {named} from clean)")
    assert visitors == month.truth["visitors"]["visitor_ids"]


@pytest.fixture
def compared(month: Recount) -> Recount:
    """The month, with tables of what orders and events say, and of orders
    found by the customer only.
    """
    month.con.execute(
        """
        create or replace table ordered as
        select split_part(uniq_id, '-', 1) as order_id, status = 'refunded' as is_refund,
            min(date_time) as t, any_value(customer_id)::varchar as user_id,
            sum(payment_amount) as amount
        from orders group by 1, 2;
        create or replace table reported as
        select properties->>'order_id' as order_id, event_type = 'refund' as is_refund, t,
            replace(user_id, 'app-', '') as user_id,
            cast(cart_value as decimal(18, 2)) as amount,
            row_number() over (
                partition by order_id, event_type, if(order_id is null, event_id, '') order by t
            ) as nth
        from clean where event_type in ('purchase', 'refund');
        create or replace table nameless as
        select o.order_id from reported as e join ordered as o using (user_id, amount, t)
        where e.order_id is null;
        """
    )
    return month


def test_orders_and_events_differ_for_the_causes_that_were_planted(compared: Recount) -> None:
    month = compared
    same = "reported as e join ordered as o using (order_id, is_refund) where nth = 1"
    lone_order = (
        "ordered where (order_id, is_refund) not in (select (order_id, is_refund) from reported "
        "where order_id <> '')"
    )
    lone_order += " and order_id not in (from nameless)"
    lone_event = (
        "reported where order_id <> '' and (order_id, is_refund) not in (select (order_id, "
        "is_refund) from ordered)"
    )
    actual = {
        "missing_event": month.value(f"select count(*) from {lone_order} and not is_refund"),
        "missing_order": month.value(
            f"select count(*) from {lone_event} and not is_refund and nth = 1"
        ),
        "amount_differs": month.value(f"select count(*) from {same} and e.amount <> o.amount"),
        "duplicate": month.value("select count(*) from reported where nth > 1"),
        "refund": month.value(f"select count(*) from {lone_order} and is_refund"),
        "time_zone_shift": month.value(f"select count(*) from {same} and e.t::date <> o.t::date"),
    }
    assert actual == month.truth["order_event_differences"]["by_cause"]
    assert min(actual.values()) > 0
    others = f"select count(*) from {same} and e.user_id <> o.user_id"
    assert month.value(f"{others} and e.user_id <> 'guest'") == 0
    assert month.value(others) > 0, "guests order, and the log knows who they are"
    assert (
        month.value("select count(*) from reported where order_id is null")
        == month.value("select count(*) from nameless")
        > 0
    )


def test_the_differences_of_each_day_are_what_orders_come_to_less_what_events_say(
    month: Recount,
) -> None:
    orders = (
        "select date_time::date as day, if(status = 'refunded', -1, 1) * payment_amount as amount "
        "from orders"
    )
    events = """
        select t::date, if(event_type = 'refund', 1, -1) * cast(cart_value as decimal(18, 2))
        from clean where event_type in ('purchase', 'refund')"""
    actual = month.pairs(
        f"select day::varchar, sum(amount) from ({orders} union all {events}) group by 1"
    )
    planted = month.truth["order_event_differences"]["by_date"]
    assert len(planted) == 30
    assert actual == {
        day: sum(map(Decimal, causes.values()), Decimal(0))
        for day, causes in planted.items()
        if day in actual
    }


def test_the_money_adds_up(month: Recount) -> None:
    orders = month.truth["orders"]
    amounts = month.pairs("select status, sum(payment_amount)::varchar from orders group by 1")
    assert amounts == {"shipped": orders["shipped_amount"], "refunded": orders["refunded_amount"]}
    of_channels = month.truth["orders"]["by_sales_channel"]
    signed = "sum(if(status = 'refunded', -payment_amount, payment_amount))::varchar"
    revenue = month.pairs(f"select sales_channel, {signed} from orders group by 1")
    assert revenue == {name: sold["revenue"] for name, sold in of_channels.items()}
    shipped = "select uniq_id[:16] as order_id, sales_channel from orders where status = 'shipped'"
    counts = month.pairs(
        f"select sales_channel, count(distinct order_id) from ({shipped}) group by 1"
    )
    assert counts == {name: sold["orders"] for name, sold in of_channels.items()}
    assert sum(counts.values()) == orders["orders"]
    assert counts["web"] > counts["app"] > max(counts["store"], counts["marketplace"])
    assert min(counts.values()) > 0
    lines = month.pairs("select status, count(*) from orders group by 1")
    assert lines == {"shipped": orders["order_lines"], "refunded": orders["refund_lines"]}
    assert month.value("select count(*) - count(distinct uniq_id) from orders") == 0
    assert month.value(
        "select min(id) = 1 and max(id) = count(*) and count(distinct id) = count(*) from orders"
    )


def test_each_order_line_has_the_price_of_the_day_on_which_its_product_was_bought(
    month: Recount,
) -> None:
    """The log dates some orders two hours ahead, so the day is that of the purchase
    event where there is one. What is free has a price of 0, see `test_shop_profit.py`.
    """
    purchases = (
        "select properties->>'order_id' as id, min(t)::date from clean where event_type = "
        "'purchase' group by 1"
    )
    bought: dict[str, date] = month.pairs(purchases)
    priced = (
        "select item_id::varchar, uniq_id[:16], date_time::date, payment_amount / quantity, "
        "status from orders where payment_amount > 0"
    )
    lines = month.con.execute(f"{priced} order by status desc").fetchall()
    ordered: dict[str, date] = {}
    for product, order, day, price, status in lines:
        if status == "shipped":
            ordered.setdefault(order, bought.get(order, day))
        assert price == pytest.approx(float(price_on(month, product, ordered[order])), abs=0.001), (
            product,
            order,
            day,
        )


def test_a_product_whose_price_changed_has_both_prices_in_its_order_lines(month: Recount) -> None:
    changes = month.truth["price_changes"]
    assert 0.05 < len({change["product_id"] for change in changes}) / 480 < 0.15
    later = [change["product_id"] for change in changes if change["day"] > "2026-01-01"]
    assert {later.count(product) for product in later} == {1, 2}
    sold = month.pairs(
        "select item_id::varchar, list(distinct (payment_amount / quantity)::decimal(18, "
        "2)::varchar) from orders where status = 'shipped' and payment_amount > 0 group by 1"
    )
    both = [
        change
        for change in changes
        if {change["before"], change["after"]} <= {*sold.get(change["product_id"], ())}
    ]
    assert both, "of no product were both prices paid"
    changing = {change["product_id"] for change in changes}
    assert {product for product, prices in sold.items() if len(prices) > 1} <= changing


@pytest.mark.slow
def test_a_cart_is_worth_what_its_products_cost_on_the_day_of_the_event(month: Recount) -> None:
    first = month.con.execute(
        """
        select product_id, t::date, cast(cart_value as decimal(18, 2)) from clean
        where event_type = 'add_to_cart'
        qualify row_number() over (partition by session_id order by t, event_id) = 1"""
    ).fetchall()
    changing = {change["product_id"] for change in month.truth["price_changes"]}
    assert [product for product, _, _ in first if product in changing]
    for product, day, value in first:
        assert value % price_on(month, product, day) == 0, (product, day, value)


def price_on(month: Recount, product: str, day: date) -> Decimal:
    """Return what a product cost on a day: before its next change, or as in the catalogue,
    which is of the last day.
    """
    for change in month.truth["price_changes"]:
        if change["product_id"] == product and change["day"] > str(day):
            return Decimal(change["before"])
    price: Decimal = month.value(f"select price from catalogue where product_id = '{product}'")
    return price


def test_the_counts_of_each_event_day_hold(month: Recount) -> None:
    by_day = month.truth["by_event_date"]
    clean = month.pairs("select t::date::varchar, count(*) from clean group by 1")
    assert clean == {day: counts["clean"] for day, counts in by_day.items()}
    for status, amount in (("shipped", "shipped_amount"), ("refunded", "refunded_amount")):
        of_status = f"from orders where status = '{status}' group by 1"
        paid = month.pairs(
            f"select date_time::date::varchar, sum(payment_amount)::varchar {of_status}"
        )
        assert paid == {
            day: counts[amount] for day, counts in by_day.items() if counts[amount] != "0.00"
        }


def test_even_the_smallest_shop_has_a_row_of_every_fault(tmp_path: Path) -> None:
    tiny = Recount(tmp_path / "tiny", days=1, visitors=1)
    assert tiny.pairs(
        "select reason, count(*) from checked where reason is not null group by 1"
    ).keys() == set(REASONS)
    assert tiny.value("select count(*) from checked") == tiny.truth["events"]["rows"]


def test_the_funnel_leaks_at_every_step(month: Recount) -> None:
    funnel = month.truth["funnel_sessions"]
    session, reached = "device, nth, visitor", {}
    at_step = f"create or replace table at_step as select {session}, min(visits.t) as t from visits"
    month.con.execute(f"{at_step} group by all")
    for name in funnel:
        later = f"event_type = '{name}' and visits.t >= at_step.t"
        month.con.execute(f"{at_step} join at_step using ({session}) where {later} group by all")
        reached[name] = month.value("select count(*) from at_step")
    assert reached == funnel
    assert list(funnel) == [
        "page_view",
        "product_view",
        "add_to_cart",
        "checkout_start",
        "purchase",
    ]
    assert sorted(funnel.values(), reverse=True) == list(funnel.values())
    assert 0.08 < funnel["add_to_cart"] / funnel["page_view"] < 0.12
    assert 0.02 < funnel["purchase"] / funnel["page_view"] < 0.04


def test_no_step_of_the_funnel_is_reached_without_the_one_before(month: Recount) -> None:
    steps = list(month.truth["funnel_sessions"])
    for before, after in pairwise(steps):
        sql = f"""
            select count(*) from (
              select min(t) filter (event_type = '{before}') as b,
                min(t) filter (event_type = '{after}') as a
              from clean where session_id is not null group by session_id
            ) where a is not null and (b is null or b > a)"""
        assert month.value(sql) == 0, f"{after} without {before}"


def test_visits_begin_anonymous_and_some_log_in_on_the_way(month: Recount) -> None:
    both = (
        "select 1 from visits group by device, nth, visitor having count(user_id) between 1 and "
        "count(*) - 1"
    )
    assert (
        month.value(f"select count(*) from ({both})")
        == month.truth["sessions"]["login_sessions"]
        > 0
    )
    anonymous = (
        "select count(*) from (select 1 from clean group by session_id having count(user_id) = 0)"
    )
    assert month.value(anonymous) == month.truth["sessions"]["anonymous_sessions"] > 0
    assert (
        month.value("select count(*) from clean where user_id is null and anonymous_id is null")
        == 0
    )
    assert (
        month.value("select count(*) from clean where event_type = 'purchase' and user_id is null")
        == 0
    )
    after = """
        select count(distinct session_id) from clean a join clean b using (session_id)
        where a.user_id is not null and b.user_id is null and b.t > a.t"""
    assert 0 < month.value(after) < 0.01 * month.truth["sessions"]["total"], (
        "only people who share the device log out"
    )


def test_robots_name_themselves_or_are_far_busier_than_people(month: Recount) -> None:
    crawlers = "select count(distinct session_id) from clean where user_agent like '%bot%'"
    assert month.value(crawlers) == month.truth["visitors"]["crawler_sessions"] > 0
    busy = (
        "select distinct user_id as u from clean group by user_id, session_id having count(*) >= "
        "600"
    )
    assert month.value(f"select count(*) from ({busy})") == month.truth["visitors"]["scrapers"] > 0
    people = (
        "user_agent not like '%bot%' and session_id is not null and coalesce(user_id, '') not in "
        f"({busy})"
    )
    sizes = f"select count(*) as n from clean where {people} group by session_id"
    assert month.value(f"select max(n) from ({sizes})") <= 96


def test_few_products_and_few_people_make_much_of_the_traffic(month: Recount) -> None:
    shares = """
        select sum(n) filter (nth <= total / 10) / sum(n) from (
          select count(*) as n, row_number() over (order by count(*) desc) as nth,
            count(*) over () as total
          from clean where {column} is not null
            and user_agent not like '%bot%' group by {column})"""
    assert month.value(shares.format(column="product_id")) > 0.3
    assert month.value(shares.format(column="anonymous_id")) > 0.3


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
    assert set(mediums) == {
        "",
        "cpc",
        "paid_social",
        "social",
        "video",
        "email",
        "affiliate",
        "display",
    }
    organic = (
        "select count(*) from landings where medium = '' and referrer_url = "
        "'https://www.google.com/'"
    )
    assert month.value(organic) > 0
    assert (
        month.value("select count(*) from landings where medium = '' and referrer_url is null") > 0
    )


def test_nights_are_quiet_and_sundays_busy(month: Recount) -> None:
    people = "count(distinct session_id) from clean where user_agent not like '%bot%'"
    hours = month.pairs(f"select hour(t), {people} group by 1")
    assert hours[20] > 5 * hours[4]
    week = month.pairs(
        f"select isodow(t), {people} and t >= '2026-01-05' and t < '2026-01-26' group by 1"
    )
    assert max(week, key=week.__getitem__) == 7


def test_a_refund_follows_its_purchase_by_two_to_twenty_days(month: Recount) -> None:
    sql = """
        select min(days), max(days), count(*) from (
          select r.date_time::date - s.date_time::date as days
          from orders r join orders s on r.uniq_id = s.uniq_id || '-r'
        )"""
    low, high, count = month.con.execute(sql).fetchall()[0]
    assert 2 <= low <= high < 20
    assert count == month.truth["orders"]["refund_lines"] > 0
