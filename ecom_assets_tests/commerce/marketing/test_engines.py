"""What ads bring is the same on Postgres, also where spend or visits change on other days.

`core/warehouse/engines/test_parity.py` has it on every engine.
"""

import random
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from ecom_assets.behaviour.sessions.contracts import SessionDays
from ecom_assets.behaviour.sessions.rule import SessionRule
from ecom_assets.commerce.attribution.contracts import Conversions, Touches
from ecom_assets.commerce.attribution.credit import AttributionRule
from ecom_assets.commerce.costs.contracts import ProfitLines
from ecom_assets.commerce.marketing.assets import COHORT_ASSETS, MARKETING_ASSETS
from ecom_assets.commerce.marketing.campaigns import CampaignRule, CampaignTag
from ecom_assets.commerce.marketing.contracts import AdSpendDaily
from ecom_assets.commerce.orders.contracts import ChangedOrderDays
from ecom_assets.commerce.sales.contracts import Calendar, City, Customer, Item, Sales
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.contract import Table
from ecom_assets.core.tables.days import Days
from ecom_assets.core.tables.received import SliceOutput
from ecom_assets.core.warehouse.engine import Engine
from ecom_assets.core.warehouse.factory import new_engine
from ecom_assets_tests.builders import Row
from ecom_assets_tests.commerce.costs.shop import CUSTOMER, sale
from ecom_assets_tests.commerce.costs.test_engines import ITEM, _value, hold
from ecom_assets_tests.commerce.marketing.shop import PROFIT_LINE, calendar_row, spent, visit

FIRST: Final = date(2026, 3, 28)
DAYS: Final = Days.between(FIRST, FIRST + timedelta(days=6))
PEOPLE: Final = ("anna", "bob", "carl", "dora")
CAMPAIGNS: Final = (("google_ads", "7:Brand"), ("google_ads", "8:Shoes"), ("meta", "Spring"))
SAID: Final[tuple[tuple[str, Row], ...]] = (
    ("Paid Search", {"campaign_id": "7", "ad_platform": "google_ads"}),
    ("Paid Search", {"campaign": "shoes"}),
    ("Paid Social", {"campaign": "fruehling", "ad_platform": "meta"}),
    ("Paid Social", {"campaign": "unknown"}),
    ("Direct", {"ad_platform": "tiktok"}),
    ("Direct", {}),
    ("Email", {"campaign": "spring"}),
)
RULE: Final = CampaignRule((CampaignTag("fruehling", "spring", "meta"),))
CONTRACTS: Final[tuple[type[Table], ...]] = (
    *(City, Item, Calendar, Customer, Sales, ProfitLines, AdSpendDaily),
    *(Touches, Conversions, SessionDays, ChangedOrderDays),
)
ASSETS: Final = (*MARKETING_ASSETS, *COHORT_ASSETS)
Tables = dict[str, list[tuple[Any, ...]]]


@dataclass
class Shop:
    """The rows of a random shop."""

    dice: random.Random
    spend: list[Row] = field(default_factory=list)
    visits: list[Row] = field(default_factory=list)
    conversions: list[Row] = field(default_factory=list)
    sales: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Let things happen."""
        for day in DAYS.dates:
            for platform, campaign in CAMPAIGNS:
                if self.dice.random() < 0.7:
                    amount = str(self.dice.randrange(100, 9_999) / 1000)
                    claims = self.dice.choice((None, Decimal("1.5")))
                    self.spend.append(
                        spent(
                            str(day), platform, campaign, amount, platform_conversion_count=claims
                        )
                    )
            for minute in range(6):
                channel, said = self.dice.choice(SAID)
                at = datetime.combine(day, time(9, minute)).isoformat()
                self.visits.append(visit(self.dice.choice(PEOPLE), at, channel, **said))
            for number in range(self.dice.randrange(3)):
                self._order(f"{day:%d}{number}", day)

    def _order(self, order: str, day: date) -> None:
        at = datetime.combine(day, time(12, self.dice.randrange(60)))
        customer = self.dice.choice(PEOPLE)
        is_refund = self.dice.random() < 0.2
        revenue = Decimal(self.dice.randrange(1, 9_999)) / 100 * (-1 if is_refund else 1)
        row = sale(f"{order}-1", str(day), "hat", "1", str(revenue), customer=customer)
        is_renewal = self.dice.choice((None, None, False, True))
        row |= {"ordered_at": at, "discount_codes": self.dice.choice((None, "A", "A, B"))}
        row |= {"is_renewal": is_renewal}
        self.sales.append(row)
        self.conversions.append(
            {
                "unit": "order",
                "conversion_id": order,
                "visitor_id": customer,
                "is_refund": is_refund,
                "converted_at": at,
                "converted_date": day,
                "revenue_amount": revenue,
                "is_renewal": is_renewal,
            }
        )
        if self.dice.random() < 0.8:
            same = ("uniq_id", "order_id", "order_date", "customer_id", "status", "revenue_amount")
            left = (revenue * self.dice.randrange(-5, 9) / 7).quantize(Decimal("0.000001"))
            self.lines.append(
                PROFIT_LINE
                | {name: row[name] for name in same}
                | {
                    "placed_date": day,
                    "contribution_revenue_amount": revenue,
                    "contribution_before_ads_amount": left,
                }
            )


def fill(engine: Engine, shop: Shop) -> None:
    """Let these be the rows of a shop."""
    for contract in CONTRACTS:
        engine.ensure(contract)
    city = dict.fromkeys(City.columns, "(none)")
    customers = [CUSTOMER | {"customer_id": name, "first_paid_date": FIRST} for name in PEOPLE]
    hold(engine, City, [city], None)
    hold(engine, Item, [ITEM | {"item_id": "hat"}], None)
    hold(engine, Calendar, [calendar_row(day) for day in DAYS.dates], DAYS)
    hold(engine, Customer, customers, None)
    hold(engine, Sales, shop.sales, DAYS)
    hold(engine, ProfitLines, shop.lines, DAYS)
    hold(engine, AdSpendDaily, shop.spend, DAYS)
    hold(engine, Touches, shop.visits, DAYS)
    hold(engine, Conversions, shop.conversions, DAYS)


def run(engine: Engine, days: Days) -> None:
    """Compute what ads bring over some days."""
    for asset in ASSETS:
        engine.ensure(asset.contract)
        parameters = {
            **{name: engine.table(reads.contract) for name, reads in asset.reads.items()},
            "warehouse": engine,
            "campaign_rule": RULE,
            "attribution_rule": AttributionRule(),
            "session_rule": SessionRule(),
            "not_recorded": frozenset(),
        }
        output = asset.output(days, parameters, engine)
        rows, written = (
            (output.rows, output.days) if isinstance(output, SliceOutput) else (output, days)
        )
        engine.replace(asset.contract, rows, written if asset.contract.day_column else None)


def filled(engine: Engine, *, in_pieces: bool) -> Tables:
    """Fill the tables of a random shop, whose spend changes after a first run, and return them."""
    dice = random.Random(11)  # noqa: S311 (stories, not secrets)
    shop, other = Shop(dice), Shop(dice)
    fill(engine, shop)
    if in_pieces:
        run(engine, DAYS)
    shop.spend, shop.lines = other.spend, shop.lines[::2]
    fill(engine, shop)
    run(engine, Days((FIRST,)) if in_pieces else DAYS)
    return {
        asset.contract.name: sorted(
            (
                tuple(_value(row[name]) for name in asset.contract.columns)
                for row in engine.rows_of(engine.table(asset.contract))
            ),
            key=repr,
        )
        for asset in ASSETS
    }


def at(url: str, folder: Path, *, in_pieces: bool = True) -> Tables:
    """Return the tables of the shop in a warehouse."""
    with closing(new_engine(Settings(home=folder, warehouse=url)).open()) as engine:
        return filled(engine, in_pieces=in_pieces)


def in_duckdb(folder: Path, *, in_pieces: bool = False) -> Tables:
    """Return the tables of the shop in DuckDB."""
    folder.mkdir(exist_ok=True)
    return at(f"duckdb://{folder / 'shop.duckdb'}", folder, in_pieces=in_pieces)


@pytest.mark.slow
def test_other_spend_changes_days_that_no_run_names(tmp_path: Path) -> None:
    """The first spend of a shop credits orders of all days, too."""
    tables = in_duckdb(tmp_path / "pieces", in_pieces=True)
    assert tables == in_duckdb(tmp_path / "whole")
    assert all(tables.values())


@pytest.mark.slow
def test_postgres_has_the_same(tmp_path: Path, postgres_warehouse: str) -> None:
    assert at(postgres_warehouse, tmp_path) == in_duckdb(tmp_path / "duckdb")
