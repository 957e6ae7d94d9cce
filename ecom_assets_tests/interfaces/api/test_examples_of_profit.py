"""The examples of docs/metrics/costs.md by public commands: each is sold in a city of its own, so
that one run and one answer of the API have all of them.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ecom_assets.commerce.orders.orders import NONE
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.api.app import build_app, build_stack
from ecom_assets.interfaces.dashboard.app import build_dashboard_app
from ecom_assets_tests.command import ecom
from ecom_assets_tests.interfaces.api.conftest import Api, served
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import read

pytestmark = pytest.mark.xdist_group("profit")
NAMES = (
    *("uniq_id", "order_id", "date_time", "item_id", "quantity", "payment_amount", "status"),
    *("gross_amount", "discount_amount", "tax_rate", "is_tax_included", "is_restocked"),
    *("shipping_amount", "tax_amount", "shipping_cost_amount", "payment_method"),
)
HAT = "hat,2,214.20,shipped,238,23.80,0.19,true"
LABEL = "6,10.64,4.50,card"
SOLD = {
    "1": [f"2026-05-02,{HAT}"],
    "2": [
        "2026-05-02,sock,1,6.66,shipped,10,3.34",
        "2026-05-02,sock,1,6.67,shipped,10,3.33",
        "2026-05-02,sock,1,6.67,shipped,10,3.33",
    ],
    "3 sold again": [f"2026-05-02,{HAT}", "2026-05-09,hat,1,90,refunded,,,,,true"],
    "3 lost": [f"2026-05-02,{HAT}", "2026-05-09,hat,1,90,refunded,,,,,false"],
    "3 money": [f"2026-05-02,{HAT}", "2026-05-09,hat,0,10,refunded"],
    "4": ["2026-05-02,hat,1,100,shipped", "2026-05-02,B,1,50,shipped"],
    "5": ["2026-05-20,cap,3,60,shipped", "2026-06-03,cap,2,40,shipped"],
    "5 returned": [
        "2026-05-20,cap,3,60,shipped",
        "2026-06-05,cap,1,20,refunded",
        "2026-06-03,cap,2,40,shipped",
    ],
    "6": ["2026-05-02,tie,1,40,shipped,40,0", "2026-05-02,gift,1,0,shipped,12,12"],
    "6 free": ["2026-05-02,tie,1,0,shipped,40,40", "2026-05-02,gift,1,0,shipped,12,12"],
    "7": [f"2026-05-02,pen,1,50,shipped,,,,,,{LABEL}"],
    "7 paid back": [
        f"2026-05-02,pen,1,50,shipped,,,,,,{LABEL}",
        "2026-05-09,,0,0,refunded,,,,,,6",
    ],
}
"""The lines of the order of each example, without their ids."""
COSTS = """item_id,unit_cost_amount,valid_from_date
hat,60,2026-01-01
cap,10,2026-01-01
cap,12,2026-06-01
tie,15,2026-01-01
gift,4,2026-01-01
pen,20,2026-01-01
"""
FEES = '[{"payment_method": "card", "percent": 2, "per_order": 0.25}]'
EXPECTED: dict[str, dict[str, Any]] = {
    "1": {"gross_sales": 200, "discount": 20, "revenue": 180, "cost": 120, "gross_profit": 60},
    "2": {"gross_sales": 30, "discount": 10, "revenue": 20, "cost": None},
    "3 sold again": {"returns": 90, "revenue": 90, "cost": 60, "gross_profit": 30},
    "3 lost": {"returns": 90, "revenue": 90, "cost": 120, "gross_profit": -30},
    "3 money": {"returns": 10, "revenue": 170, "cost": 120, "gross_profit": 50},
    "4": {"revenue": 150, "cost": 60, "gross_profit": 40},
    "5": {"revenue": 100, "cost": 54, "gross_profit": 46},
    "5 returned": {"revenue": 80, "cost": 44, "gross_profit": 36},
    "6": {"gross_sales": 52, "discount": 12, "revenue": 40, "cost": 19, "gross_profit": 21},
    "6 free": {"revenue": 0, "cost": 19, "gross_profit": -19},
    "7": {"gross_profit": 30, "payment_fee": "1.58", "contribution_before_ads": "29.92"},
    "7 paid back": {"revenue": 50, "gross_profit": 30, "contribution_before_ads": "23.92"},
}
RATES: dict[str, tuple[Any, Any]] = {
    "1": ("0.3333", 1),
    "3 money": ("0.2941", 1),
    "4": ("0.4", "0.6667"),
    "6": ("0.525", 1),
    "6 free": (None, None),
}
"""The margin, and the share of sales whose cost is known."""


def orders() -> Iterator[str]:
    """Yield the lines of a file of orders."""
    yield ",".join([*NAMES, "customer_id", "city_id", "city_name", "id", "item_name"])
    for order, (city, lines) in enumerate(SOLD.items()):
        for number, line in enumerate(lines):
            # A second sale of an order is an order of another day.
            day, _, rest = line.partition(",")
            order_id = f"{order} {day}" if city.startswith("5") and "06-03" in day else str(order)
            row = [f"{order}-{number}", order_id, f"{day}T10:00:00", *rest.split(",")]
            row += [""] * (len(NAMES) - len(row))
            yield ",".join([*row, f"customer {order}", city, city, row[0], row[3]])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run over the examples."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "orders.csv").write_text("\n".join(orders()))
    (folder / "costs.csv").write_text(COSTS)
    options = ("--orders", folder / "orders.csv", "--costs", folder / "costs.csv")
    env = {"ECOM_PAYMENT_FEE_RULES": FEES, "ECOM_OTHER_COST_RULES": RENT}
    result = ecom("run", *options, home=folder / "home", env=env)
    assert result.exit_code == 0, result.out + result.err
    return folder / "home"


RENT = '[{"name": "Tool", "per_month": 31, "valid_from_date": "2026-05-20"}]'


@pytest.fixture(scope="module")
def api(home: Path) -> Iterator[Api]:
    """The API over the examples."""
    settings = Settings(home=home, api_timeout_s=300)
    with served(build_stack(settings, build_app(settings))) as running:  # type: ignore[arg-type]
        yield running


DAYS: dict[str, Any] = {"start_date": "2026-05-01", "end_date": "2026-06-30"}


@pytest.fixture(scope="module")
def answer(api: Api) -> Any:
    """The profit of all examples, by city."""
    return api.json("/analytics/profit", dimension="city_id", **DAYS)


@pytest.mark.slow
def test_each_example_comes_out_of_a_run_and_the_api(answer: Any) -> None:
    parts = {part["value"]: part for part in answer["parts"]}
    assert parts.keys() == EXPECTED.keys()
    for city, expected in EXPECTED.items():
        for name, amount in expected.items():
            text = parts[city][f"{name}_amount"]
            expected_amount = None if amount is None else Decimal(amount)
            assert (text and Decimal(text)) == expected_amount, (city, name)
    for city, (margin, coverage) in RATES.items():
        for name, rate in (("gross_margin_rate", margin), ("cost_coverage_rate", coverage)):
            assert parts[city][name] == (
                None if rate is None else pytest.approx(float(rate), abs=1e-4)
            )


@pytest.mark.slow
def test_amounts_of_orders_and_what_is_estimated_are_marked(answer: Any) -> None:
    steps = {step["step"]: step for step in answer["steps"]}
    assert [name for name, step in steps.items() if step["is_shared"]] == [
        "shipping",
        "shipping_cost",
        "payment_fees",
        "commissions",
        "goodwill",
    ]
    fees = steps["payment_fees"]
    assert fees["step_amount"] == fees["estimated_amount"] == "-3.16"
    assert steps["contribution_before_ads"]["step_amount"] == "53.84"


@pytest.mark.slow
def test_costs_that_belong_to_no_order_stand_beside_the_steps(answer: Any) -> None:
    """31 a month are 12 of 20 to 31 May, and 5.17 of 1 to 5 June."""
    assert answer["other_costs"] == [{"cost_name": "Tool", "estimated_amount": "17.17"}]
    assert answer["estimated_other_cost_amount"] == "17.17"


@pytest.mark.slow
def test_products_are_sorted_by_profit_by_loss_and_by_margin(api: Api) -> None:
    """A pen leaves 30 of 50 twice, which is 60 %; hats leave the most, 60 + 30 - 30 + 50 + 40, of
    630. Gifts brought nothing in, so they have a loss and no margin; a sock costs nobody knows
    what.
    """

    def top(number: str, **parameters: Any) -> list[tuple[str, Any]]:
        rows = api.json("/analytics/products/top", **DAYS, **parameters)["products"]
        return [(row["product_id"], row[number]) for row in rows if row["product_id"] != NONE]

    profits = top("gross_profit_amount", sort_by="profit", limit=50)
    amounts = {"hat": "150.00", "cap": "82.00", "pen": "60.00", "tie": "10.00", "gift": "-8.00"}
    assert profits == [*amounts.items(), ("B", None), ("sock", None)]
    losses = top("gross_profit_amount", sort_by="loss", limit=50)
    assert losses == [*reversed(amounts.items()), ("B", None), ("sock", None)]
    parts = api.json("/analytics/profit", **DAYS, dimension="item_id", sort_by="loss")["parts"]
    known = [(part["value"], part["gross_profit_amount"]) for part in parts]
    assert [(value, amount) for value, amount in known if value in amounts] == [
        *reversed(amounts.items())
    ]
    assert known[-1][1] is None, "what is not known comes last in both orders"
    margins = top("gross_margin_rate", sort_by="margin", limit=50)
    assert margins == [
        ("pen", 0.6),
        ("cap", pytest.approx(82 / 180, abs=1e-4)),
        ("tie", 0.25),
        ("hat", pytest.approx(150 / 630, abs=1e-4)),
        *[(name, None) for name in ("B", "gift", "sock")],
    ]
    assert top("gross_margin_rate", sort_by="margin", limit=1, offset=2) == [("tie", 0.25)]
    assert top("gross_margin_rate", sort_by="margin", search="HA") == margins[3:4]


@pytest.mark.slow
def test_losses_of_a_page_stand_before_profits(home: Path) -> None:
    """Gifts lost 8.00, and hats left the most, 150.00; what is not known stands last anyhow."""
    settings = Settings(home=home)
    shown = {}
    with served(build_dashboard_app(settings)) as answer:
        for first in ("losses", "loss", "profit"):
            days = "&".join(f"{name}={day}" for name, day in DAYS.items())
            address = f"/dashboard/profit?{days}&dimension=item_id&first={first}"
            root = read(Client(answer.address).get(address).text)
            chart = json.loads(root.all("script", class_="chart-data")[1].texts[0])
            shown[first] = [row["gross_profit_amount"] for row in chart["rows"]]
    assert shown["losses"] == shown["loss"]
    known = {
        first: [amount for amount in amounts if amount is not None]
        for first, amounts in shown.items()
    }
    assert (known["loss"][0], known["loss"][-1]) == (-8, 150)
    assert known["profit"] == known["loss"][::-1]
    assert all(amounts[-1] is None for amounts in shown.values())


@pytest.mark.slow
def test_an_amount_goes_down_to_the_rule(home: Path) -> None:
    shown = ecom(
        "explain",
        "mart.profit_lines",
        *("--column", "payment_fee_amount", "--where", "city_id = '7'", "--json"),
        home=home,
    )
    number = shown.json["number"]
    assert Decimal(number["value"]) == Decimal("1.58")
    assert number["how"].endswith(
        "a rule of ecom.toml says: 2 % of what was charged + 0.25 per order, card"
    )
    (down,) = number["down"]
    assert [level["table"] for level in down["levels"]][-1] == "raw.user_order_log"
