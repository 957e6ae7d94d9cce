"""The people of the simulated shop: they leak out of the funnel, come back, log in, and some are robots."""

from itertools import pairwise

import pytest

from ecom_assets_tests.sandbox.shop_recount import Recount

pytestmark = pytest.mark.xdist_group("shop_month")


def test_the_funnel_leaks_at_every_step(month: Recount) -> None:
    funnel = month.truth["funnel_sessions"]
    reached = {
        name: month.one(f"select count(distinct session_id) from clean where event_type = '{name}'") for name in funnel
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
    people = f"user_agent not like '%bot%' and session_id is not null and coalesce(user_id, '') not in ({busy})"
    sizes = f"select count(*) as n from clean where {people} group by session_id"
    assert month.one(f"select max(n) from ({sizes})") <= 96


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


def test_a_refund_follows_its_purchase_by_two_to_twenty_days(month: Recount) -> None:
    sql = """
        select min(days), max(days), count(*) from (
          select r.date_time::date - s.date_time::date as days
          from orders r join orders s on r.uniq_id = s.uniq_id || '-r'
        )"""
    low, high, count = month.con.execute(sql).fetchall()[0]
    assert 2 <= low <= high < 20
    assert count == month.truth["orders"]["refund_lines"] > 0
