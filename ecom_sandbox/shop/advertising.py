"""What the simulated shop spends on ads: three platforms, which restate what they said of the last
days, and whose campaigns have other names than the tags of their addresses.

Spend follows from seed, campaign and day alone, so that a shop that grows has the same files as one
that was made at once. Amounts are millionths.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.credit import PlacedOrders, SourcedVisits, brought
from ecom_sandbox.shop.files import write_parquet
from ecom_sandbox.shop.rows import Dice, Ints, Rows

CURRENCY: Final = "USD"
MICRO: Final = 1_000_000


@dataclass(frozen=True)
class Campaign:
    """A campaign of a platform.

    Attributes:
        platform: The platform.
        account: Its account there.
        id: Its id there.
        name: Its name there.
        source: The traffic source whose visits come from it; empty if no visit has its tag.
        clicks: Clicks a day and visitor of the shop.
        click_cents: What a click costs.
        claims: Conversions that the platform claims of a hundred clicks.
    """

    platform: str
    account: str
    id: str
    name: str
    source: str
    clicks: float
    click_cents: int
    claims: int

    @property
    def tag(self) -> str:
        """Return its `utm_campaign`; empty if no visit has one."""
        return TAGS.get(self.source, "")


TAGS: Final = {
    source.name: source.utm.rpartition("utm_campaign=")[2] for source in t.SOURCES if source.utm
}
_GOOGLE, _META = ("google_ads", "123-456-7890"), ("meta", "act_9001")
CAMPAIGNS: Final = (
    Campaign(*_GOOGLE, "2001", "DE | Search | Brand", "google brand ads", 0.5, 180, 6),
    Campaign(*_GOOGLE, "2002", "DE | Shopping | All", "google shopping", 0.9, 410, 4),
    Campaign(*_GOOGLE, "2003", "DE | Video | Awareness", "", 0.3, 350, 1),
    Campaign(*_META, "120210001", "Prospecting - New season", "facebook ads", 0.8, 520, 3),
    Campaign(*_META, "120210002", "Retargeting - 30 days", "facebook again", 0.4, 390, 8),
    Campaign("criteo", "55012", "770001", "Display banners", "banner", 0.5, 160, 2),
)
WINDOW: Final = 3
LONG_WINDOW: Final = 14
"""Days that each day's load is about, and on Mondays."""
_SPEND_PER_MILLE: Final = (1_022, 1_004, 1_000)
"""What is said of a day's spend on it, on the next day, and afterwards."""
_CLAIM_PER_CENT: Final = (50, 75, 90, 90, 90, 90, 90, 100)
_WHOLE: Final = (
    "click_count",
    "impression_count",
    "credited_order_count",
    "new_customer_count",
)
_ORDER_CENTS: Final = 6_400
_WEEKDAY_PER_CENT: Final = (95, 100, 100, 100, 110, 105, 90)


@dataclass(frozen=True)
class Said:
    """What a platform says of a campaign's day."""

    campaign: Campaign
    day: date
    spend_micros: int
    impressions: int
    clicks: int
    claim_micros: int

    @property
    def claimed_micros(self) -> int:
        """Return what the conversions that it claims are worth; it claims parts of some."""
        return self.claim_micros * _ORDER_CENTS // 100


@dataclass(frozen=True)
class Advertising:
    """The spend of a shop.

    Attributes:
        dice: Those of its seed.
        daily_visitors: Visitors a day, by which it grows.
        first: The first day.
    """

    dice: Dice
    daily_visitors: float
    first: date

    def said(self, campaign: Campaign, day: date, on: date) -> Said:
        """Return what is said on a day of a campaign's day, which is not after it."""
        key = np.array([(day - date(1970, 1, 1)).days], np.int64)
        unit = float(self.dice.unit(f"clicks of {campaign.id}", key)[0])
        usual = self.daily_visitors * campaign.clicks * _WEEKDAY_PER_CENT[day.weekday()] / 100
        clicks = max(1, round(usual * (0.8 + 0.4 * unit)))
        price = 90 + int(self.dice.below(21, f"price of {campaign.id}", key)[0])
        age = (on - day).days
        final = clicks * campaign.click_cents * price * MICRO // 10_000
        # A platform says more than it keeps, and claims more the longer it looks back.
        spend = final * _SPEND_PER_MILLE[min(age, len(_SPEND_PER_MILLE) - 1)] // 1_000
        share = _CLAIM_PER_CENT[min(age, len(_CLAIM_PER_CENT) - 1)]
        claims = clicks * campaign.claims * share * MICRO // 10_000
        return Said(campaign, day, spend, clicks * 37, clicks, claims)

    def load(self, on: date) -> list[Said]:
        """Return what the platforms say on a day, of it and of days before it."""
        window = LONG_WINDOW if on.weekday() == 0 else WINDOW
        days = [on - timedelta(days=age) for age in reversed(range(window))]
        return [
            self.said(campaign, day, on)
            for day in days
            if day >= self.first
            for campaign in CAMPAIGNS
        ]

    def write(self, begin: date, last: date, folder: Path) -> None:
        """Write the loads of days, a landing folder each."""
        for on in _days(begin, last):
            path = folder / f"received_date={on}" / "spend.parquet"
            write_parquet(_table(self.load(on)), path)

    def newest(self, last: date) -> Iterator[Said]:
        """Yield what is known on a day of each day of the shop."""
        for day in _days(self.first, last):
            loads = [
                on
                for on in _days(day, min(last, day + timedelta(days=LONG_WINDOW - 1)))
                if (on - day).days < (LONG_WINDOW if on.weekday() == 0 else WINDOW)
            ]
            for campaign in CAMPAIGNS:
                yield self.said(campaign, day, loads[-1])

    def by_month(self, last: date) -> dict[str, int]:
        """Return the spend that counts by month, in millionths."""
        result: dict[str, int] = {}
        for said in self.newest(last):
            month = f"{said.day:%Y-%m}"
            result[month] = result.get(month, 0) + said.spend_micros
        return result

    def truth(
        self, last: date, brought: Mapping[str, Mapping[str, int]] | None
    ) -> dict[str, object]:
        """Return the spend that counts, as in `truth.json`: by day; and with what it brings by
        campaign, by platform, and in all.

        Args:
            last: The last day.
            brought: Sums of the orders that each traffic source brings; None if they are not known.
        """
        by_date: dict[str, int] = {}
        by_campaign: dict[str, dict[str, int]] = {campaign.id: {} for campaign in CAMPAIGNS}
        for said in self.newest(last):
            by_date[str(said.day)] = by_date.get(str(said.day), 0) + said.spend_micros
            _add(
                by_campaign[said.campaign.id],
                {
                    "spend_amount": said.spend_micros,
                    "click_count": said.clicks,
                    "impression_count": said.impressions,
                    "platform_conversion_count": said.claim_micros,
                    "platform_conversion_amount": said.claimed_micros,
                },
            )
        by_platform: dict[str, dict[str, int]] = {}
        total: dict[str, int] = {}
        for campaign in CAMPAIGNS:
            sums = by_campaign[campaign.id]
            if brought is not None:
                _add(sums, _in_micros(brought, campaign.source))
            _add(by_platform.setdefault(campaign.platform, {}), sums)
            _add(total, sums)
        return {
            "by_date": {day: micros_text(micros) for day, micros in by_date.items()},
            "by_campaign": {
                campaign.id: {
                    "platform": campaign.platform,
                    "account_id": campaign.account,
                    "name": campaign.name,
                    "tag": campaign.tag,
                    **_with_ratios(by_campaign[campaign.id]),
                }
                for campaign in CAMPAIGNS
            },
            "by_platform": {name: _with_ratios(sums) for name, sums in by_platform.items()},
            "total": _with_ratios(total),
        }


def _add(sums: dict[str, int], values: Mapping[str, int]) -> None:
    for name, value in values.items():
        sums[name] = sums.get(name, 0) + value


def _in_micros(brought: Mapping[str, Mapping[str, int]], source: str) -> dict[str, int]:
    """Return what a source brings, amounts in millionths; zeros of one that brings nothing."""
    names = next(iter(brought.values()), {})
    sums = brought.get(source) or dict.fromkeys(names, 0)
    return {
        name: value * (MICRO // 100 if name.endswith("_amount") else 1)
        for name, value in sums.items()
    }


_CONTRIBUTION: Final = {"contribution_revenue_amount", "contribution_before_ads_amount"}
RATIOS: Final = {
    "roas": ("credited_revenue_amount", "spend_amount"),
    "break_even_roas": ("contribution_revenue_amount", "contribution_before_ads_amount"),
    "cost_per_new_customer": ("spend_amount", "new_customer_count"),
}


def _with_ratios(sums: Mapping[str, int]) -> dict[str, object]:
    """Return sums as in `truth.json`, and what follows from them; null where that divides by
    nothing, or the contribution of no order is known.
    """
    ratios: dict[str, object] = {}
    for name, (part, whole) in RATIOS.items():
        if part in sums and whole in sums:
            unit = MICRO if whole in _WHOLE else 1
            ratios[name] = sums[part] / (sums[whole] * unit) if sums[whole] > 0 else None
    is_known = sums.get("known_order_count", 0) > 0
    texts = {
        name: value if name in _WHOLE else micros_text(value)
        for name, value in sums.items()
        if name != "known_order_count"
    }
    unknown = dict.fromkeys(() if is_known else _CONTRIBUTION & texts.keys())
    return {**texts, **unknown, **ratios}


def micros_text(micros: int) -> str:
    """Return millionths as decimal text, such as `0.050000`."""
    return f"{'-' if micros < 0 else ''}{abs(micros) // MICRO}.{abs(micros) % MICRO:06d}"


def _days(first: date, last: date) -> Iterator[date]:
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)


def _table(rows: list[Said]) -> pa.Table:
    """Return rows in the platform's own layout, all as text."""
    columns: Mapping[str, list[str]] = {
        "spend_date": [str(row.day) for row in rows],
        "platform": [row.campaign.platform for row in rows],
        "account_id": [row.campaign.account for row in rows],
        "campaign_id": [row.campaign.id for row in rows],
        "campaign_name": [row.campaign.name for row in rows],
        "spend_amount": [micros_text(row.spend_micros) for row in rows],
        "currency": [CURRENCY for _ in rows],
        "impression_count": [str(row.impressions) for row in rows],
        "click_count": [str(row.clicks) for row in rows],
        "platform_conversion_count": [micros_text(row.claim_micros) for row in rows],
        "platform_conversion_amount": [micros_text(row.claimed_micros) for row in rows],
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


class CustomerTruth:
    """Sums what new customers of each month leave, month by month, what sources sell, and what the
    last visit before each order with a source brings.

    A customer is new in the month of their first paid order; a refund is of its own month.
    """

    def __init__(self) -> None:
        self._orders: list[PlacedOrders] = []
        self._visits: list[SourcedVisits] = []

    def add(self, orders: Rows, contribution: Ints, is_known: Ints) -> None:
        """Count orders or refunds, each with what it leaves before ads in cents, and whether that
        is known; it is 0 where a cost is not.
        """
        self._orders.append(PlacedOrders.of_rows(orders, contribution, is_known))

    def add_visits(self, visits: SourcedVisits) -> None:
        """Note visits that may bring orders."""
        self._visits.append(visits)

    def brought(self, *, knows_first: bool) -> dict[str, dict[str, int]]:
        """Return the sums of the orders that each source brings.

        Args:
            knows_first: Whether all orders that customers ever placed are counted.
        """
        orders = PlacedOrders.joined(self._orders)
        source = SourcedVisits.joined(self._visits).credited(orders)
        return brought(orders, source, orders.first_paid().values() if knows_first else None)

    def truth(self, spend_of_month: Mapping[str, int], last: date) -> dict[str, object]:
        """Return cohorts and sources as in `truth.json`.

        Args:
            spend_of_month: What was spent on ads in each month, in millionths.
            last: The last day; a month counts once it is over.
        """
        if not self._orders:
            return {"cohorts": {}, "by_source": {}}
        orders = PlacedOrders.joined(self._orders)
        visitor, at, cents, left = orders.visitor, orders.at, orders.cents, orders.contribution
        source = orders.source
        month = [f"{date(1970, 1, 1) + timedelta(days=int(d)):%Y-%m}" for d in at // r.DAY]
        first = orders.first_paid()
        cohorts: dict[str, dict[int, list[int]]] = {}
        by_source: dict[str, list[int]] = {}
        for i in range(len(cents)):
            begun = first.get(int(visitor[i]))
            if begun is not None and at[i] >= at[begun]:
                since = _months(month[begun], month[i])
                sums = cohorts.setdefault(month[begun], {}).setdefault(since, [0, 0])
                sums[0] += int(cents[i])
                sums[1] += int(left[i])
            if source[i] >= 0:
                sold = by_source.setdefault(t.SOURCES[int(source[i])].name, [0, 0, 0])
                sold[0] += int(cents[i] > 0)
                sold[1] += int(cents[i])
                sold[2] += int(begun == i)
        sizes: dict[str, int] = {}
        for i in first.values():
            sizes[month[i]] = sizes.get(month[i], 0) + 1
        now = f"{last + timedelta(days=1):%Y-%m}"
        return {
            "cohorts": {
                name: _cohort(
                    cohorts[name], sizes[name], spend_of_month.get(name, 0), _months(name, now)
                )
                for name in sorted(cohorts)
            },
            "by_source": {
                name: {
                    "tag": TAGS.get(name, ""),
                    "orders": orders,
                    "revenue_amount": r.money_text(revenue),
                    "new_customers": new,
                }
                for name, (orders, revenue, new) in sorted(by_source.items())
            },
        }


def _cohort(sums: Mapping[int, list[int]], size: int, spend: int, over: int) -> dict[str, object]:
    """Return what is known of a cohort; `over` are its months that are over."""
    values, total = [], 0
    for k in range(over):
        total += sums.get(k, [0, 0])[1]
        values.append(total)
    # Both sides are of the whole cohort, so that nothing is rounded: cents against millionths.
    paid = [k for k, value in enumerate(values) if value * (MICRO // 100) >= spend]
    return {
        "new_customers": size,
        "spend_amount": micros_text(spend),
        "cost_per_new_customer": spend / size / MICRO,
        "revenue_amounts": [r.money_text(sums.get(k, [0, 0])[0]) for k in range(over)],
        "contribution_amounts": [r.money_text(sums.get(k, [0, 0])[1]) for k in range(over)],
        "payback_months": paid[0] if paid else None,
    }


def _months(first: str, last: str) -> int:
    """Return how many months `2026-03` is after `2026-01`."""
    (year, month), (other_year, other_month) = (map(int, text.split("-")) for text in (first, last))
    return (other_year - year) * 12 + other_month - month
