"""What the simulated shop earns, recounted from its files by SQL: by day, product and category."""

from decimal import Decimal

import pytest

from ecom_assets_tests.sandbox.shop_recount import Recount

pytestmark = pytest.mark.xdist_group("shop_month")
LINES = """
create or replace view profit_lines as
with costs as (
  select item_id, unit_cost_amount::decimal(18, 2) as dated_cost, valid_from_date as since,
    coalesce(lead(valid_from_date) over (partition by item_id order by valid_from_date),
      date '2100-01-01') as until
  from read_csv('{folder}/costs.csv')
)
select orders.*, date_time::date as day, catalogue.category, status = 'refunded' as is_refund,
  case when status = 'refunded' then orders.unit_cost_amount else dated_cost end as unit_cost,
  case when status = 'shipped' then unit_cost * quantity
    when is_restocked then -unit_cost * quantity else 0 end as cost
from orders
join catalogue on catalogue.product_id = orders.item_id::varchar
left join costs on costs.item_id = orders.item_id
  and date_time::date >= since and date_time::date < until
"""
SUMS = """
select {unit}::varchar as unit,
  coalesce(sum(gross_amount), 0) as gross_sales_amount,
  coalesce(sum(discount_amount), 0) as discount_amount,
  coalesce(sum(payment_amount) filter (is_refund), 0) as returns_amount,
  sum(if(is_refund, -payment_amount, payment_amount)) as revenue_amount,
  sum(cost) filter (unit_cost is not null) as cost_amount,
  coalesce(sum(if(is_refund, -payment_amount, payment_amount)) filter (unit_cost is not null), 0)
    as revenue_with_cost_amount,
  sum(if(is_refund, -payment_amount, payment_amount) - cost) filter (unit_cost is not null)
    as gross_profit_amount
from profit_lines group by 1
"""


@pytest.mark.parametrize(
    ("kind", "unit"), [("by_date", "day"), ("by_product", "item_id"), ("by_category", "category")]
)
def test_profit_is_the_truth(month: Recount, kind: str, unit: str) -> None:
    month.con.execute(LINES.format(folder=month.folder))
    result = month.con.execute(SUMS.format(unit=unit))
    names = [column[0] for column in result.description or ()]
    rows = {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in result.fetchall()}
    truth = month.truth["profit"][kind]
    assert rows.keys() == truth.keys()
    for name, sums in rows.items():
        expected = {key: truth[name][key] for key in sums}
        assert sums == {key: text and Decimal(text) for key, text in expected.items()}, name


def test_the_shop_has_what_makes_profit_difficult(month: Recount) -> None:
    month.con.execute(LINES.format(folder=month.folder))
    assert month.value("select count(*) from orders where discount_codes like '%,%'") > 0
    assert month.value("select count(*) from orders where discount_codes like 'THANKS-%'") > 0
    assert month.value("select sum(shipping_cost_amount) > sum(shipping_amount) from orders")
    assert month.value("select count(distinct is_restocked) from orders") == 2
    assert month.value("select count(*) from profit_lines where unit_cost is null and cost is null")
    starts = "select count(*) from (select item_id from profit_lines group by item_id having "
    assert month.value(f"{starts} count(distinct unit_cost) > 1)") > 0
    # A code takes its percent off the price before it.
    off = "select max(abs(discount_amount - gross_amount / 5)) from orders where discount_codes = "
    assert month.value(f"{off} 'SPRING20'") <= Decimal("0.01")
    # Gifts, and orders that a code makes free, cost customers nothing, and the shop what they cost.
    nothing = "select count(*) from profit_lines where payment_amount = 0 and not is_refund and "
    assert month.value(f"{nothing} discount_codes is null and cost > 0") > 0
    assert month.value(f"{nothing} discount_codes = 'TEAM100' and cost > 0") > 0
    assert month.value(f"{nothing} discount_amount <> gross_amount") == 0
    free = "select count(*) from orders where discount_codes = 'TEAM100' and "
    assert month.value(f"{free} (payment_amount > 0 or payment_method is not null)") == 0
    paid = "coalesce(sum(shipping_amount), 0) + coalesce(sum(payment_fee_amount), 0)"
    assert month.value(f"select {paid} from orders where discount_codes = 'TEAM100'") == 0
    fees = "select sum(payment_fee_amount) from orders where payment_method = 'cash'"
    assert month.value(fees) == 0


def test_days_add_up_to_products_and_categories(month: Recount) -> None:
    truth = month.truth["profit"]
    for name in ("gross_sales_amount", "revenue_amount", "cost_amount", "gross_profit_amount"):
        sums = {
            kind: sum(Decimal(each[name] or 0) for each in truth[kind].values())
            for kind in ("by_date", "by_product", "by_category")
        }
        assert len(set(sums.values())) == 1, (name, sums)
    assert Decimal(month.truth["orders"]["revenue"]) == sum(
        Decimal(each["revenue_amount"]) for each in truth["by_date"].values()
    )
