"""In which time zone the days of each ad account are: they are said, and never shifted.

METRICS "Advertising"; docs/metrics/marketing.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.core.rows import NamedValues, Row
from ecom_assets.core.tables.days import have_same_days

UTC: Final = "UTC"
UTC_PLATFORMS: Final = ("linkedin", "pinterest", "reddit", "snapchat", "tiktok")
"""Platforms whose days are those of UTC; at others the zone is that of the account."""
ACCOUNT: Final = ("platform", "account_id")
ACCOUNT_ZONE: Final = (*ACCOUNT, "account_time_zone")


@dataclass(frozen=True)
class AccountZones:
    """The zone of the shop, and those of accounts whose source does not say it.

    `by_account` has the IANA name of the zone by platform and account.
    """

    timezone: str = UTC
    by_account: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of_rows(self, rows: ir.Table) -> ir.StringValue:
        """Return the zone of each row of spend: as its source says, else as the shop does, else
        that of the platform; null if nobody says it.
        """
        of_accounts = [
            ((rows.platform == platform) & (rows.account_id == account_id), zone)
            for (platform, account_id), zone in sorted(self.by_account.items())
        ]
        # As sources write them: TikTok, reddit_ads.
        in_utc = rows.platform.lower().isin(
            [*UTC_PLATFORMS, *(f"{platform}_ads" for platform in UTC_PLATFORMS)]
        )
        otherwise = ibis.cases(*of_accounts, (in_utc, UTC), else_=ibis.null("string"))
        return ibis.coalesce(rows.account_time_zone, otherwise)


def days_of_zones(daily: ir.Table) -> ir.Table:
    """Return the accounts of rows of `AdSpendDaily`, one row for each zone that is known, with its
    first and last day.
    """
    known = daily.filter(daily.account_time_zone.notnull())
    return known.group_by(*ACCOUNT_ZONE).agg(
        first_date=known.spend_date.min(), last_date=known.spend_date.max()
    )


def in_other_zones(accounts: Iterable[NamedValues], timezone: str) -> list[Row]:
    """Return rows of `days_of_zones` whose days begin at other times than those of a zone."""
    others = (
        dict(row)
        for row in accounts
        if not have_same_days(
            row["account_time_zone"], timezone, row["first_date"], row["last_date"]
        )
    )
    return sorted(others, key=lambda row: tuple(row[name] for name in ACCOUNT_ZONE))
