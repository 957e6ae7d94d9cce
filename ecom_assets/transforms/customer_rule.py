"""Where engaged, active and valuable customers begin. Not here: what is counted (`customers.py`)."""

from dataclasses import dataclass
from decimal import Decimal

import ibis
import ibis.expr.types as ir

from ecom_assets.contracts.customers import SCORED_FIELDS
from ecom_assets.contracts.table import MONEY
from ecom_assets.errors import DefinitionError

MONTH_DAYS = 30
YEAR_DAYS = 365


@dataclass(frozen=True)
class CustomerRule:
    """Thresholds, all inclusive.

    `medium` and `high` engagement: at least so many sessions **and** so many engaged seconds in the last 30 days.
    `medium_score` and `high_score` (points of 100) are of the score that an API gives, where there are no sessions.
    `expected_fields` cost points of quality where they are missing or invalid: those that the API has.
    `active_days` (days): seen so long ago at most, a day being 24 h. Amounts are of the last 365 days.
    `has_visits`, `has_sales`: whether the shop gave a source that tells them; else who has none is unknown, not zero.
    """

    active_days: int = 30
    medium_sessions: int = 2
    medium_engaged_s: int = 60
    high_sessions: int = 5
    high_engaged_s: int = 600
    medium_score: float = 40
    high_score: float = 70
    premium_amount: Decimal = Decimal(100)
    enterprise_amount: Decimal = Decimal(500)
    expected_fields: tuple[str, ...] = SCORED_FIELDS
    timezone: str = "UTC"
    has_visits: bool = True
    has_sales: bool = True

    def __post_init__(self) -> None:
        """Refuse thresholds that are the wrong way round.

        Raises:
            DefinitionError: A higher level begins below a lower one.
        """
        for what, lower, higher in (
            ("sessions of high engagement", self.medium_sessions, self.high_sessions),
            ("engaged seconds of high engagement", self.medium_engaged_s, self.high_engaged_s),
            ("points of high engagement", self.medium_score, self.high_score),
            ("revenue of the tier enterprise", self.premium_amount, self.enterprise_amount),
        ):
            if higher < lower:
                raise DefinitionError(f"The {what} begin at {higher}, below the level under it, {lower}; raise them.")

    def engagement_level(self, session_count: ir.IntegerValue, engaged_s: ir.NumericValue) -> ir.StringValue:
        """Return high, medium or low; nothing known is low where the shop gave events, else unknown: null."""
        return ibis.cases(
            *(() if self.has_visits else ((session_count.isnull(), ibis.null("string")),)),
            ((session_count >= self.high_sessions) & (engaged_s >= self.high_engaged_s), "high"),
            ((session_count >= self.medium_sessions) & (engaged_s >= self.medium_engaged_s), "medium"),
            else_="low",
        )

    def level_of_score(self, score: ir.NumericValue) -> ir.StringValue:
        """Return high, medium or low by the score that an API gives."""
        return ibis.cases((score >= self.high_score, "high"), (score >= self.medium_score, "medium"), else_="low")

    def customer_tier(self, revenue_amount: ir.DecimalValue) -> ir.StringValue:
        """Return enterprise, premium or basic; null where the revenue is."""
        return ibis.cases(
            (revenue_amount.isnull(), ibis.null("string")),
            (revenue_amount >= _amount(self.enterprise_amount), "enterprise"),
            (revenue_amount >= _amount(self.premium_amount), "premium"),
            else_="basic",
        )


def _amount(value: Decimal) -> ir.DecimalScalar:
    return ibis.literal(value, MONEY)
