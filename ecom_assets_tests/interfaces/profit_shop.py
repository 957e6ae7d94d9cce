"""A shop with costs whose profit can be counted by hand, run and published once for a process.

Two hats for 20 each, less 5 by SUMMER, are sold on Mon 18 May, when a hat costs 10, and one on
Wed 27 May, when it costs 12; one of May 18 comes back on Fri 29 May for 17.50. A sock for 50 costs
nobody knows what. So net sales are 35 + 20 - 17.50 + 50 = 87.50, of which 37.50 have a cost of
20 + 12 - 10 = 22, and gross profit is 15.50: 15 in the first week, 0.50 in the second.
"""

from functools import cache
from pathlib import Path

from ecom_assets_tests.command import ecom

ORDERS = """uniq_id,order_id,date_time,customer_id,city_id,city_name,item_id,item_name,\
item_category,quantity,payment_amount,status,id,gross_amount,discount_amount,discount_codes
a1,A,2026-05-18T10:00:00,anna,1,Berlin,hat,Hat,head,2,35,shipped,1,40,5,SUMMER
b1,B,2026-05-27T10:00:00,bob,1,Berlin,hat,Hat,head,1,20,shipped,2,20,0,
a2,A,2026-05-29T10:00:00,anna,1,Berlin,hat,Hat,head,1,17.5,refunded,3,,,
c1,C,2026-05-31T10:00:00,cleo,1,Berlin,sock,Sock,feet,1,50,shipped,4,50,0,
"""
COSTS = """item_id,unit_cost_amount,valid_from_date
hat,10,2026-01-01
hat,12,2026-05-25
"""
GROUP = "profit_shop"
"""The group of tests over this shop, so that one process runs it for all."""


@cache
def profit_shop_home(base: Path) -> Path:
    """Return the home in which the shop was run and published, below a folder."""
    folder = base / "profit_shop"
    folder.mkdir()
    orders, costs = folder / "orders.csv", folder / "costs.csv"
    orders.write_text(ORDERS)
    costs.write_text(COSTS)
    result = ecom("run", "--orders", orders, "--costs", costs, home=folder / "home")
    assert result.exit_code == 0, result.out + result.err
    return folder / "home"
