"""What to look at, from rows of tables: what is found, what it is worth, and stock."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ecom_assets.behaviour.sessions.contracts import EngagementDaily
from ecom_assets.commerce.attribution.order_visits import ReconciliationRule
from ecom_assets.commerce.findings import findings as compute
from ecom_assets.commerce.findings.contracts import ShopFindings
from ecom_assets.commerce.findings.queries import findings
from ecom_assets.commerce.products.contracts import InventoryAlerts
from ecom_assets.commerce.sales.contracts import PurchaseRevenueDaily, RevenueDaily
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.portable import rows_of
from ecom_assets.core.warehouse.local import in_memory
from ecom_assets_tests.commerce.marketing.shop import AdShop
from ecom_assets_tests.commerce.marketing.test_queries import ShopReading

LAST = date(2026, 3, 15)
ONE_DAY = timedelta(days=1)
DAYS = [LAST - number * ONE_DAY for number in range(63)]
KNOWN = frozenset(DAYS)
Row = dict[str, Any]


def checkouts(day: date, device: str, begun: int, paid: int) -> list[Row]:
    """Return the rows of a day's checkouts on a device."""
    shared = {
        "funnel_name": "(checkout)",
        "cohort_date": day,
        "dimension": "device",
        "value": device,
    }
    return [
        shared | {"step": 1, "event_type": "checkout_start", "unit_count": begun},
        shared | {"step": 2, "event_type": "purchase", "unit_count": paid},
    ]


def test_of_conversion_the_one_number_is_found_that_is_furthest_off() -> None:
    """Of 100 checkouts on phones 60 are paid, of 100 on desktops 70; today none on phones. All
    devices together have 70 of 200 instead of 130, which the row of the phones explains.

    A session with a purchase is worth 50.00. Sixty of a day are missing: 60 · 7 · 50 = 21,000 a
    week.
    """
    rows = [
        row
        for day in DAYS
        for row in (
            *checkouts(day, "mobile", 100, 0 if day == LAST else 60),
            *checkouts(day, "desktop", 100, 70),
        )
    ]
    watched = compute.compared_steps(rows, Decimal(50))
    found = compute.deviations((one, LAST, KNOWN) for one in watched)
    (row,) = compute.finding_rows(found)
    assert (row["kind"], row["dimension"], row["subject"]) == ("conversion", "device", "mobile")
    assert (row["funnel_name"], row["step"]) == ("(checkout)", 2)
    assert (row["first_date"], row["last_date"]) == (LAST, LAST)
    assert (row["observed_number"], row["expected_number"]) == (0, 0.6)
    assert row["bound_number"] == pytest.approx(0.436, abs=0.0005)  # docs/metrics/findings.md
    assert row["weekly_amount"] == Decimal(21_000)


def test_a_step_that_nobody_ever_reached_is_worth_nothing_that_is_known() -> None:
    rows = [row for day in DAYS for row in checkouts(day, "mobile", 100, 0)]
    watched = list(compute.compared_steps(rows, Decimal(50)))
    assert {one.worth for one in watched} == {None}
    assert compute.deviations((one, LAST, KNOWN) for one in watched) == []


def test_each_channel_that_fell_is_a_row_and_one_that_rose_is_none() -> None:
    rows = [
        {"channel": channel, "day": day, "session_count": count}
        for day in DAYS
        for channel, count in (
            ("Email", 10 if day > LAST - 7 * ONE_DAY else 100),
            ("Direct", 300 if day == LAST else 100),
            ("Paid Search", 100),
        )
    ]
    watched = compute.compared_visits(rows, Decimal("1.50"))
    (row,) = compute.finding_rows(compute.deviations((one, LAST, KNOWN) for one in watched))
    assert (row["kind"], row["subject"]) == ("visits", "Email")
    # Ninety of a day are missing, whether of a day or of the week: 90 · 7 · 1.50 = 945.00.
    assert row["weekly_amount"] == Decimal(945)


def test_refunds_are_worth_what_is_paid_back_more_than_usual() -> None:
    """A hat is paid back once a week for 20.00, this week eleven times: 10 · 20.00 = 200.00."""
    mondays = [day for day in DAYS if day.weekday() == 0]
    rows = [
        {
            "product_id": "hat",
            "day": day,
            "refunded_item_count": 11 if day == mondays[0] else 1,
            "refunded_amount": Decimal(-220 if day == mondays[0] else -20),
        }
        for day in mondays
    ]
    watched = compute.compared_refunds(rows)
    (row,) = compute.finding_rows(compute.deviations((one, LAST, KNOWN) for one in watched))
    assert (row["kind"], row["subject"], row["observed_number"]) == ("refunds", "hat", 11)
    assert row["expected_number"] == 1
    assert row["weekly_amount"] == Decimal(200)


def test_a_session_is_worth_the_revenue_of_its_days_once() -> None:
    """Two days of 10 sessions, of which 2 buy, and 30.00, which stands by channel, too; the day
    after is not among those that both know.
    """
    rows: dict[type[Table], list[Row]] = {EngagementDaily: [], RevenueDaily: []}
    for number, (sessions, amount) in enumerate(((10, 30), (10, 30), (70, 0))):
        day = LAST + number * ONE_DAY
        visits: Row = dict.fromkeys(EngagementDaily.columns)
        rows[EngagementDaily].append(
            visits | {"event_date": day, "session_count": sessions, "purchase_session_count": 2}
        )
        for channel in ("(all)", "Email"):
            sold: Row = dict.fromkeys(RevenueDaily.columns)
            sold |= dict.fromkeys(RevenueDaily.key, "(all)")
            rows[RevenueDaily].append(
                sold | {"order_date": day, "channel": channel, "revenue_amount": Decimal(amount)}
            )
    engagement = in_memory(rows[EngagementDaily], EngagementDaily)
    con = engagement.get_backend()
    con.con.register("sold", in_memory(rows[RevenueDaily], RevenueDaily).to_pyarrow())
    con.con.register("bought", in_memory([], PurchaseRevenueDaily).to_pyarrow())
    (worth,) = rows_of(
        compute.worth_of_sessions(
            engagement, con.table("sold"), con.table("bought"), Days((LAST, LAST + ONE_DAY))
        )
    )
    assert worth == {
        "session_count": 20,
        "purchase_session_count": 4,
        "order_amount": Decimal(60),
        "purchase_amount": None,
    }


def test_stock_that_runs_out_is_one_row_with_what_its_products_bring_in_a_week() -> None:
    """No hat is left, and a day without hats costs 40.00; the scarves last three days of a delivery
    time of seven, a day without them costs 10.00; the boots last. So 7 · (40 + 10) = 350.00.
    """
    alert: Row = dict.fromkeys(InventoryAlerts.columns)
    alert |= {"alert": "low", "as_of_date": LAST, "lead_time_days": 7}
    stock = [("hat", 0, 0.0, 40), ("scarf", 3, 3.0, 10), ("boots", 90, 90.0, 99)]
    alerts = [
        alert
        | {
            "product_id": product,
            "stock_count": count,
            "sold_item_count": Decimal(28),
            "days_of_cover": cover,
            "day_without_stock_amount": Decimal(amount),
        }
        for product, count, cover, amount in stock
    ]
    short = rows_of(compute.stock_that_runs_out(in_memory(alerts, InventoryAlerts)))
    (row,) = compute.stock_rows(short)
    assert (row["kind"], row["observed_number"]) == ("stock", 2)
    assert row["weekly_amount"] == Decimal(350)
    assert compute.as_table([row]).num_rows == 1
    assert set(row) == set(ShopFindings.columns)


def test_nine_weeks_before_the_newest_day_are_read_and_the_week_of_it() -> None:
    days = compute.looked_at_days(LAST)
    assert days == Days.between(LAST - 69 * ONE_DAY, LAST + ONE_DAY)


def test_orders_meet_visits_on_the_newest_days_that_both_know() -> None:
    """Events end two days before orders, which began three days before: four weeks are looked at,
    or as many as there are; of nothing that both know there is nothing to say.
    """
    before = LAST - 2 * ONE_DAY
    events = KNOWN - {LAST, LAST - ONE_DAY}
    assert compute.meeting_days(events, KNOWN) == Days.between(
        before - 27 * ONE_DAY, before + ONE_DAY
    )
    since = before - 3 * ONE_DAY
    orders = {day for day in KNOWN if day >= since}
    assert compute.meeting_days(events, orders) == Days.between(since, before + ONE_DAY)
    assert compute.meeting_days(events, {LAST}).is_none
    assert compute.meeting_days(frozenset(), KNOWN).is_none
    nothing = in_memory([], InventoryAlerts)
    rule = ReconciliationRule()
    rows = compute.meeting_rows(nothing, nothing, nothing, nothing, rule, Days(()))
    assert list(rows) == []


MEETING: Row = {
    "kind": "meeting",
    "funnel_name": "(none)",
    "step": 0,
    "dimension": "(all)",
    "subject": "(all)",
    "first_date": LAST - 27 * ONE_DAY,
    "last_date": LAST,
    "observed_number": 0.1,
    "expected_number": 0.2,
    "bound_number": 0.2,
    "weekly_amount": None,
    "cause": "Events have no purchases.",
    "remedy": "Send some.",
}


@pytest.mark.parametrize("cause", ["Events have no purchases.", None])
def test_orders_that_meet_no_visit_are_the_first_thing_to_look_at(cause: str | None) -> None:
    """Before what costs more; of a publication without the cause, without it."""
    shop = AdShop()
    stock = MEETING | {"kind": "stock", "observed_number": 2.0, "weekly_amount": Decimal(350)}
    said = {"cause": cause, "remedy": cause and "Send some."}
    shop.hold(ShopFindings, [stock | {"cause": None, "remedy": None}, MEETING | said])
    first, second = findings(ShopReading(shop))
    assert (first["title"], second["kind"]) == ("Orders and visits do not meet", "stock")
    assert first["reason"] == (
        "Visits are known for 10.0% of the revenue from 2026-02-16 to 2026-03-15: what channels "
        "and ads brought is not known."
    ) + (" Events have no purchases. Send some." if cause else "")
