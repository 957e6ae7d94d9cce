"""From received records to customers with their history: METRICS "Customer".

A version is valid from one day until the next change at the source. Values that depend on behaviour
are as of the end of a day, never as of the current time: the day of the newest fetch for the
current version, the last valid day for versions that have ended. See docs/adr/0012.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from operator import add, or_
from typing import Final

import ibis
import ibis.expr.types as ir

from ecom_assets.commerce.attribution.credit import buyer_of
from ecom_assets.commerce.attribution.queries import met_too_few
from ecom_assets.commerce.attribution.touches import first_touch_ever
from ecom_assets.commerce.customers.contracts import (
    PROFILE_DIMENSIONS,
    SCORE,
    SCORED_FIELDS,
    UNKNOWN,
    CustomerProfiles,
    Customers,
    DuplicateCustomers,
    EmailConsents,
    QuarantinedCustomers,
)
from ecom_assets.core.errors import DefinitionError
from ecom_assets.core.tables.contract import MONEY
from ecom_assets.core.tables.copies import CopyRule, counted_copies
from ecom_assets.core.tables.days import Days, day_start
from ecom_assets.core.tables.places import FOUND, Places
from ecom_assets.core.tables.portable import NO, union_all

OTHER = "other"


@dataclass(frozen=True)
class MarketSegment:
    """A market segment: whole countries, regions of countries that are split,
    and cities in lower case.
    """

    name: str
    countries: tuple[str, ...] = ()
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cities: tuple[str, ...] = ()


@dataclass(frozen=True)
class MarketSegments:
    """All segments in order; `written` has the other spellings of countries, in upper case,
    by country code.
    """

    segments: tuple[MarketSegment, ...]
    written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a segment that is called `other` or `unknown`,
        or a place in two segments.
        """
        for name, meaning in ((OTHER, "what is left"), (UNKNOWN, "who gave no place")):
            if any(segment.name == name for segment in self.segments):
                raise DefinitionError(
                    f"`{name}` is {meaning}, and cannot be a segment; give it another name."
                )
        split = {country for segment in self.segments for country in segment.regions}
        places = [f"the country {name}" for segment in self.segments for name in segment.countries]
        places += [f"the country {name}" for name in split]
        places += [
            f"the region {name} of {country}"
            for segment in self.segments
            for country, names in segment.regions.items()
            for name in names
        ]
        places += [f"the city {name}" for segment in self.segments for name in segment.cities]
        twice = [place for place, count in Counter(places).items() if count > 1]
        if twice:
            raise DefinitionError(f"{twice[0].capitalize()} is named twice; leave it in one place.")

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all segments, with `other` last; who gave no place is in none."""
        return (*(segment.name for segment in self.segments), OTHER)

    def add_to(self, rows: ir.Table, present: ir.Table, places: Places) -> ir.Table:
        """Return rows with `market_segment`, by their `country`, `region` and `city`,
        which `present` has as well.

        The region that is given decides, then the cities that segments name, then the region and
        the country of the city in the lists. Without a country, the city decides; without any of
        the three, the segment is unknown.
        """
        given = ibis.coalesce(*(rows[name].nullif("") for name in ("country", "region", "city")))
        rows = rows.mutate(has_place=given.notnull())
        rows = places.add_to(rows, present, "country", "city")
        spelled = rows.country.upper().fill_null("")
        named = [(spelled.isin(names), code) for code, names in self.written.items() if names]
        spelled = ibis.cases(*named, else_=spelled) if named else spelled
        own = (spelled.length() == len("US")).ifelse(spelled, ibis.null("string"))
        listed = (spelled == "").ifelse(ibis.null("string"), rows.place_country_code)
        # Columns of their own: each segment reads the codes, and their expressions are long.
        rows = rows.mutate(given_code=ibis.coalesce(own, listed, ""))
        rows = rows.mutate(
            country_code=ibis.coalesce(rows.given_code.nullif(""), rows.place_country_code, "")
        )
        segment = self._segment_of(rows, places.region_names)
        segment = rows.has_place.ifelse(segment, UNKNOWN)
        rows = rows.mutate(market_segment=segment)
        return rows.drop("given_code", "country_code", "has_place", *FOUND)

    def _segment_of(
        self, rows: ir.Table, region_names: Mapping[tuple[str, str], str]
    ) -> ir.StringValue:
        code, state, town = (
            rows.country_code,
            rows.region.upper().fill_null(""),
            rows.city.lower().fill_null(""),
        )
        listed = [
            rows[name].upper().fill_null("") for name in ("place_region_code", "place_region")
        ]
        split = [
            (
                segment.name,
                country,
                (*names, *(region_names.get((country, name), name).upper() for name in names)),
            )
            for segment in self.segments
            for country, names in segment.regions.items()
        ]
        by_region = [
            ((code == country) & state.isin(names), name) for name, country, names in split
        ]
        by_city = [
            (town.isin(segment.cities) & rows.given_code.isin(["", *segment.regions]), segment.name)
            for segment in self.segments
            if segment.cities
        ]
        by_list = [
            (
                (code == country)
                & (state == "")
                & reduce(or_, [column.isin(names) for column in listed]),
                name,
            )
            for name, country, names in split
        ]
        by_country = [
            (code.isin(segment.countries), segment.name)
            for segment in self.segments
            if segment.countries
        ]
        branches = [*by_region, *by_city, *by_list, *by_country]
        return ibis.cases(*branches, else_=OTHER) if branches else ibis.literal(OTHER)


MONTH_DAYS = 30
YEAR_DAYS = 365


@dataclass(frozen=True)
class CustomerRule:
    """Thresholds, all inclusive.

    `medium_…`, `high_…`: an engagement level needs this many sessions **and** engaged seconds in
    the last 30 days.
    `medium_score`, `high_score` (points of 100): for customers without sessions, thresholds of the
    API's score.
    `premium_amount`, `enterprise_amount`: thresholds of the revenue in the last 365 days.
    `expected_fields`: the fields that the API has; each that is missing or invalid lowers the
    quality score.
    `active_days` (days of 24 h): customers seen within this time are active.
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

    def __post_init__(self) -> None:
        """Raise `DefinitionError` for a threshold of a higher level below that of a lower one."""
        for label, lower, higher in (
            ("sessions of high engagement", self.medium_sessions, self.high_sessions),
            ("engaged seconds of high engagement", self.medium_engaged_s, self.high_engaged_s),
            ("points of high engagement", self.medium_score, self.high_score),
            ("revenue of the tier enterprise", self.premium_amount, self.enterprise_amount),
        ):
            if higher < lower:
                raise DefinitionError(
                    f"The {label} begin at {higher}, below the level under it, {lower}; raise them."
                )

    def engagement_level(
        self, session_count: ir.IntegerValue, engaged_s: ir.NumericValue
    ) -> ir.StringValue:
        """Return high, medium or low; unknown if the number of sessions is."""
        return ibis.cases(
            (session_count.isnull(), UNKNOWN),
            ((session_count >= self.high_sessions) & (engaged_s >= self.high_engaged_s), "high"),
            (
                (session_count >= self.medium_sessions) & (engaged_s >= self.medium_engaged_s),
                "medium",
            ),
            else_="low",
        )

    def level_of_score(self, score: ir.NumericValue) -> ir.StringValue:
        """Return high, medium or low for a score from the API."""
        return ibis.cases(
            (score >= self.high_score, "high"), (score >= self.medium_score, "medium"), else_="low"
        )

    def customer_tier(self, revenue_amount: ir.DecimalValue) -> ir.StringValue:
        """Return enterprise, premium or basic; unknown if the revenue is null."""
        return ibis.cases(
            (revenue_amount.isnull(), UNKNOWN),
            (revenue_amount >= _amount(self.enterprise_amount), "enterprise"),
            (revenue_amount >= _amount(self.premium_amount), "premium"),
            else_="basic",
        )


def _amount(value: Decimal) -> ir.DecimalScalar:
    return ibis.literal(value, MONEY)


VERSIONED = ("email", "first_name", "last_name", "city", "region", "country", "created_timestamp")
"""A change of one of these makes a new version.

New times of the last change or sign-in alone do not.
"""
VALID_EMAIL = "^[^@ ]+@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)+$"
POINTS_PER_FLAW = 10
BANDS = ((90, "high"), (70, "medium"))
LONG_AGO = ibis.timestamp("0001-01-01 00:00:00")


def quarantined_customers(raw: ir.Table) -> ir.Table:
    """Return the records that are not valid customers."""
    return raw.filter(raw.reject_reason.notnull()).select(*QuarantinedCustomers.columns)


def duplicate_customers(raw: ir.Table) -> ir.Table:
    """Return the customers with valid copies in a fetch that do not count,
    and how many these are.
    """
    good = raw.filter(raw.reject_reason.isnull())
    unit = ["received_date", "customer_id"]
    copies = good.group_by(*unit).agg(copy_count=good.count())
    kept = latest_copies(raw).select(*unit, kept_count=ibis.literal(1))
    surplus = copies.left_join(kept, unit).select(copies, "kept_count")
    surplus = surplus.mutate(surplus_count=surplus.copy_count - surplus.kept_count.fill_null(0))
    return surplus.filter(surplus.surplus_count > 0).select(*DuplicateCustomers.columns)


def customers(  # noqa: PLR0913, PLR0917 (each is a table or a definition)
    raw: ir.Table,
    sessions: ir.Table,
    conversions: ir.Table,
    first_touches: ir.Table,
    touches: ir.Table,
    rule: CustomerRule,
    markets: MarketSegments,
    places: Places,
    days: Days,
) -> ir.Table:
    """Return every version of every customer.

    The tables are all rows of `RawCustomers`, `Sessions`, `Conversions`, `FirstTouches` and
    `Touches`; sessions and first touches are of customers, too, see `with_customers`. `days` are
    those of the fetches, to find when each ends in the time zone.

    Whose visits are known, by the customer's own id or by an order, has the numbers of these. Who
    has none that is known made none, unless too few orders of the shop meet visits to say so: then
    their visits are unknown, as in a shop without events.
    """
    versions = markets.add_to(customer_versions(raw), raw, places)
    behaviour, spent = _behaviour(versions, sessions), _spent(versions, conversions)
    keys = ["customer_id", "valid_from"]
    joined = versions.left_join(behaviour, keys).select(
        versions, *(behaviour[name] for name in _BEHAVIOUR)
    )
    joined = joined.left_join(spent, keys).select(
        joined, spent.year_revenue_amount, spent.bought_count
    )
    joined = joined.cross_join(_sources(sessions, conversions))
    joined = joined.cross_join(met_too_few(conversions, touches))
    first = first_touch_ever(first_touches)
    is_earlier = [joined.customer_id == first.visitor_id, joined.as_of_date >= first.touched_date]
    came = {
        name: first[name].fill_null(UNKNOWN)
        for name in ("acquisition_channel", "default_channel_group")
    }
    joined = joined.left_join(first, is_earlier).select(joined, **came)
    return _with_quality(_described(joined, rule, days), rule).select(*Customers.columns)


def customer_versions(raw: ir.Table) -> ir.Table:
    """Return one row per customer and version,
    with the last record received while the version was valid.

    A customer who is missing from a fetch keeps the current version: APIs omit customers for many
    reasons. A record that is no valid customer ends the version: what an older record says is out
    of date.
    """
    records = _without_older(newest_copies(raw))
    records = records.mutate(
        newest_date=records.received_date.max().over(ibis.window()),
        is_valid=records.reject_reason.isnull(),
    )
    in_order = ibis.window(group_by="customer_id", order_by="received_date")
    before = {
        f"{name}_before": records[name].lag().over(in_order) for name in ("is_valid", *VERSIONED)
    }
    records = records.mutate(**before)
    changed = [
        records[name].fill_null("") != records[f"{name}_before"].fill_null("") for name in VERSIONED
    ]
    is_first = ~records.is_valid_before.fill_null(NO)
    records = records.mutate(begins=records.is_valid & (is_first | reduce(or_, changed)))
    so_far = ibis.cumulative_window(group_by="customer_id", order_by="received_date")
    begun = records.begins.ifelse(records.received_date, ibis.null("date"))
    next_ends = (records.begins | ~records.is_valid).lead().over(in_order)
    records = records.mutate(valid_from=begun.max().over(so_far), next_ends=next_ends)
    records = records.mutate(valid_to=records.received_date.lead().over(in_order))
    last = records.filter(records.is_valid & records.next_ends.fill_null(ibis.literal(value=True)))
    day_before = (last.valid_to - ibis.interval(days=1)).cast("date")
    return last.mutate(
        last_received_date=last.received_date,
        is_current=last.valid_to.isnull(),
        as_of_date=last.valid_to.isnull().ifelse(last.newest_date, day_before),
    )


def email_consents(raw: ir.Table) -> ir.Table:
    """Return who said, by the newest record of each customer, whether they may be written to.

    Who refuses it by one customer of an address refuses it by all of them. `raw` are all rows of
    `RawCustomers`.
    """
    versions = customer_versions(raw)
    newest = versions.filter(versions.is_current, versions.has_email_consent.notnull())
    own = newest.email.re_search(VALID_EMAIL).fill_null(NO).ifelse(newest.email, newest.customer_id)
    newest = newest.mutate(address=own)
    refused = newest.has_email_consent.ifelse(0, 1)
    refused = refused.max().over(ibis.window(group_by=newest.address.lower()))
    is_address = newest.address.re_search(VALID_EMAIL).fill_null(NO)
    newest = newest.mutate(has_email_consent=refused == 0, is_address=is_address)
    is_shown = newest.has_email_consent & newest.is_address
    shown = newest.mutate(email=is_shown.ifelse(newest.address, ibis.null("string")))
    return shown.select(*EmailConsents.columns)


def _newest_first(rows: ir.Table) -> list[ir.Value]:
    return [ibis.desc(rows.updated_at.fill_null(LONG_AGO)), ibis.desc(rows.record_number)]


CUSTOMER_COPIES: Final = CopyRule(("received_date", "customer_id"), _newest_first)
"""Of the records of a customer in one fetch, that which was changed last counts, of equal times the
later one."""


def newest_copies(raw: ir.Table) -> ir.Table:
    """Return the record of each customer that counts in its fetch, valid or not."""
    return counted_copies(raw.filter(raw.customer_id.notnull()), CUSTOMER_COPIES)


def latest_copies(raw: ir.Table) -> ir.Table:
    """Return the valid ones of `newest_copies`: if the newest is no valid customer,
    the fetch has none.
    """
    newest = newest_copies(raw)
    return newest.filter(newest.reject_reason.isnull())


def _without_older(records: ir.Table) -> ir.Table:
    """Return records of fetches without those that say an older time of change
    than an earlier fetch did.
    """
    earlier = ibis.trailing_window(None, group_by="customer_id", order_by="received_date")
    newest = records.updated_at.fill_null(LONG_AGO).max().over(earlier)
    records = records.mutate(is_older=records.updated_at < newest)
    return records.filter(~records.is_older.fill_null(ibis.literal(value=False))).drop("is_older")


_OF_VISITS = ("recent_session_count", "recent_engaged_us")
_BEHAVIOUR = ("last_event_at", *_OF_VISITS)


def _behaviour(versions: ir.Table, sessions: ir.Table) -> ir.Table:
    """Add up each version's sessions until its `as_of_date`."""
    versions = versions.select("customer_id", "valid_from", "as_of_date")
    until = [
        versions.customer_id == sessions.visitor_id,
        versions.as_of_date >= sessions.started_date,
    ]
    joined = versions.join(sessions, until)
    month_ago = (joined.as_of_date - ibis.interval(days=MONTH_DAYS)).cast("date")
    is_recent = joined.started_date > month_ago
    # A sum of floats depends on the order of rows; a sum of whole microseconds does not.
    length_us = joined.ended_at.delta(joined.started_at, unit="microsecond").cast("int64")
    return joined.group_by("customer_id", "valid_from").agg(
        last_event_at=joined.ended_at.max(),
        recent_session_count=is_recent.ifelse(1, 0).sum(),
        recent_engaged_us=length_us.sum(where=is_recent & joined.is_engaged).fill_null(0),
    )


def _spent(versions: ir.Table, conversions: ir.Table) -> ir.Table:
    """Add up each version's orders minus refunds until its `as_of_date`;
    purchases if the shop has no orders at all.

    The amount is null if none of a customer's orders and refunds has an amount.
    """
    conversions = conversions.mutate(
        first_unit=conversions.unit.min().over(ibis.window())
    )  # "order" < "purchase"
    counted = conversions.filter(conversions.unit == conversions.first_unit)
    versions = versions.select("customer_id", "valid_from", "as_of_date")
    until = [
        versions.customer_id == buyer_of(counted),
        versions.as_of_date >= counted.converted_date,
    ]
    joined = versions.join(counted, until)
    year_ago = (joined.as_of_date - ibis.interval(days=YEAR_DAYS)).cast("date")
    of_year = joined.filter(joined.converted_date > year_ago)
    return of_year.group_by("customer_id", "valid_from").agg(
        year_revenue_amount=of_year.revenue_amount.sum(), bought_count=of_year.count()
    )


def _described(fetched: ir.Table, rule: CustomerRule, days: Days) -> ir.Table:
    """Add names, domain, valid times and numbers, and `now_at`, the end of the day `as_of_date`."""
    day_after = (fetched.as_of_date + ibis.interval(days=1)).cast("date")
    now_at = day_start(day_after, days.widened(before=1, after=1), rule.timezone)
    is_valid = fetched.email.re_search(VALID_EMAIL).fill_null(NO)
    domain = fetched.email.substr(fetched.email.find("@") + 1).lower()
    times = {
        name: (fetched[name] < now_at).ifelse(fetched[name], ibis.null("timestamp(6)"))
        for name in _TIMES
    }
    first_and_last = fetched.first_name.concat(" ").concat(fetched.last_name)
    fetched = fetched.mutate(
        now_at=now_at,
        is_number_id=fetched.is_number_id.fill_null(
            ibis.literal(value=True)
        ),  # all ids were, before this was stored
        full_name=ibis.coalesce(first_and_last, fetched.first_name, fetched.last_name),
        email_domain=is_valid.ifelse(domain, UNKNOWN),
        **times,
    )
    # A session can continue after midnight, past the end of the day.
    last_event_at = (fetched.last_event_at < fetched.now_at).ifelse(
        fetched.last_event_at, fetched.now_at
    )
    last_event_at = fetched.last_event_at.isnull().ifelse(ibis.null("timestamp(6)"), last_event_at)
    seen = (
        ibis.coalesce(fetched.last_login_at, last_event_at),
        ibis.coalesce(last_event_at, fetched.last_login_at),
    )
    # No activity is zero only if the shop has a source that would report it, and whose visits meet
    # enough of its orders; otherwise it is unknown.
    would_be_seen = (fetched.visit_source_count > 0) & ~fetched.is_too_low
    none_seen = would_be_seen.ifelse(ibis.literal(0, "int64"), ibis.null("int64"))
    visits = {name: ibis.coalesce(fetched[name], none_seen) for name in _OF_VISITS}
    has_sales = fetched.visit_source_count + fetched.sale_source_count > 0
    nothing = has_sales.ifelse(ibis.literal(0, MONEY), ibis.null(MONEY))
    spent = fetched.bought_count.isnull().ifelse(nothing, fetched.year_revenue_amount)
    return fetched.mutate(
        seen_at=ibis.greatest(*seen),
        recent_session_count=visits["recent_session_count"],
        recent_engaged_s=visits["recent_engaged_us"].cast("float64") / 1e6,
        year_revenue_amount=spent.cast(MONEY),
    )


def _sources(sessions: ir.Table, conversions: ir.Table) -> ir.Table:
    """Return one row with how many visits and how many orders and purchases the shop has:
    0 where it has no source.
    """
    visits, sold = sessions.limit(1), conversions.limit(1)
    return visits.agg(visit_source_count=visits.count()).cross_join(
        sold.agg(sale_source_count=sold.count())
    )


_TIMES = ("created_at", "updated_at", "last_login_at")


def _with_quality(described: ir.Table, rule: CustomerRule) -> ir.Table:
    """Add activity status, engagement level, tier and data quality."""
    flaws = [
        (described.email_domain == UNKNOWN if name == "email" else described[name].isnull(), name)
        for name in SCORED_FIELDS
        if name in rule.expected_fields
    ]
    is_given = described.has_engagement_score.fill_null(NO) | ibis.literal(
        SCORE in rule.expected_fields
    )
    flaws.append((is_given & described.engagement_score.isnull(), SCORE))
    listed = reduce(
        add, (is_flaw.ifelse(f",{name}", "") for is_flaw, name in flaws), ibis.literal("")
    )
    flaw_count = reduce(add, (is_flaw.ifelse(1, 0) for is_flaw, _ in flaws), ibis.literal(0))
    described = described.mutate(flaws=listed, flaw_count=flaw_count)
    described = described.mutate(data_quality_score=quality_score(described.flaw_count))
    score = described.data_quality_score
    is_active = described.seen_at >= described.now_at - ibis.interval(days=rule.active_days)
    source = ibis.cases(
        (described.last_event_at.notnull(), "sessions"),
        (described.engagement_score.notnull(), "api"),
        else_=ibis.null("string"),
    )
    by_sessions = rule.engagement_level(described.recent_session_count, described.recent_engaged_s)
    by_api = rule.level_of_score(described.engagement_score)
    return described.mutate(
        activity_status=ibis.cases(
            (described.seen_at.isnull(), "unknown"), (is_active, "active"), else_="inactive"
        ),
        engagement_source=source,
        engagement_level=(source == "api").fill_null(NO).ifelse(by_api, by_sessions),
        customer_tier=rule.customer_tier(described.year_revenue_amount),
        flawed_fields=described.flaws.substr(1).nullif(""),
        quality_band=ibis.cases(*((score >= least, band) for least, band in BANDS), else_="low"),
    )


def quality_score(flaw_count: ir.IntegerValue) -> ir.IntegerValue:
    """Return 100 minus 10 for each missing or invalid field, never below 0."""
    left = 100 - POINTS_PER_FLAW * flaw_count
    return (left < 0).ifelse(0, left)


def customer_profiles(customers: ir.Table) -> ir.Table:
    """Return the current customers for each value of each dimension, without personal data,
    from all `Customers`.
    """
    current = customers.filter(customers.is_current)
    valued = union_all(
        *(
            current.select("as_of_date", dimension=ibis.literal(name), value=current[name])
            for name in PROFILE_DIMENSIONS
        )
    )
    profiles = valued.group_by("dimension", "value")
    profiles = profiles.agg(as_of_date=valued.as_of_date.max(), customer_count=valued.count())
    return profiles.select(*CustomerProfiles.columns)
