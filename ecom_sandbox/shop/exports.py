"""The simulated shop as the shop that everybody has sees itself: Shopify's export of orders, GA4's
rows in BigQuery, and Google Ads' report of campaigns, with the truth about which visit sold what.

The files know each other only by the order: Shopify knows an address, GA4 a device. Who came is
known here. Every visit and order is plain Python, so that the truth can be read.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, get_args

from ecom_assets.core.errors import UsageError
from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.advertising import CAMPAIGNS, MICRO, Advertising, Campaign, micros_text
from ecom_sandbox.shop.catalogue import CATEGORIES
from ecom_sandbox.shop.files import replaced_folder
from ecom_sandbox.shop.shop import Shop, cast_of
from ecom_sandbox.shop.truth import GENERATOR

Sends = Literal["name", "id", "nothing"]
SENDS: Final = get_args(Sends)
"""What GA4 sends of an order: Shopify's `Name`, its `Id`, or nothing."""
TRAPS: Final = {
    "no_consent": "half of the visitors refuse consent, so that GA4 knows no device of them",
    "till": "a device of the shop itself places an order for another customer each day",
    "named_twice": "a second visitor's purchase names the order of another one",
    "other_number": "the `Id` of an order is the number of another one, of the same day",
    "two_shops": "a second shop, in a file of its own, sells under the same numbers at that time",
    "direct_after_ad": "who came by an ad buys in a direct visit later, and GA4 still names the ad",
    "late_order": "some orders are written three days after their event",
    "refund_next_month": "some orders are paid back in the month after",
    "feed_ids": "GA4 calls every third product by Shopify's ids, which its orders' export lacks",
    "old_orders": "three years of orders come before the first event",
}
"""What can be wrong with such a shop, with what happens then."""
FIRST_NUMBER: Final = 1001
FIRST_ID: Final = 5_600_000_000_001
SECOND_SHOPS_FIRST_ID: Final = 7_700_000_000_001
SECOND_SHOP: Final = "shopify_orders_2.csv"
TILL: Final = -1
"""Who a device of the shop itself is."""
CHANNELS: Final = {
    "google organic": "Organic Search",
    "google brand ads": "Paid Search",
    "google shopping": "Paid Shopping",
    "bing organic": "Organic Search",
    "duckduckgo organic": "Organic Search",
    "facebook ads": "Paid Social",
    "facebook again": "Paid Social",
    "facebook posts": "Organic Social",
    "stories": "Organic Social",
    "pinterest": "Organic Social",
    "youtube": "Organic Video",
    "newsletter": "Email",
    "reminder": "Email",
    "direct": "Direct",
    "coupons": "Affiliates",
    "blog": "Affiliates",
    "referral": "Referral",
    "banner": "Display",
    "assistant": "Referral",
}
"""The channel of each source, by GA4's rules."""
ADS: Final = {campaign.source: campaign for campaign in CAMPAIGNS if campaign.source}
"""The campaigns by their source."""
OF_GOOGLE: Final = [campaign for campaign in CAMPAIGNS if campaign.platform == "google_ads"]
NO_TOUCH: Final = "(none)"
DIRECT: Final = "Direct"
MODELS: Final = ("first", "last", "last_non_direct", "linear", "position", "j", "time_decay")
LOOKBACK: Final = timedelta(days=30)
HALF_LIFE: Final = timedelta(days=7)
OLD_DAYS: Final = 3 * 365
LATER: Final = timedelta(days=2)
MINUTE: Final = timedelta(minutes=1)
LOOKED: Final = (r.PRODUCT, r.ADD)
"""The events that name a product."""
_TYPES: Final = {
    r.PRODUCT: "view_item",
    r.CATEGORY: "view_item_list",
    r.SEARCH: "view_search_results",
    r.ADD: "add_to_cart",
    r.REMOVE: "remove_from_cart",
    r.CHECKOUT: "begin_checkout",
    r.PURCHASE: "purchase",
}


Row = dict[str, Any]
"""An event: `who`, `at`, `visit`, `begins`, `type`, `page`, `referrer`, `source` and `item`."""


@dataclass(frozen=True)
class Visit:
    """A visit: when it began, the name of its source, and the page on which it began."""

    at: datetime
    source: str
    landing_page: str

    @property
    def channel(self) -> str:
        """Return its channel."""
        return CHANNELS[self.source]


@dataclass(frozen=True)
class Order:
    """An order of Shopify.

    Attributes:
        number: Its place among all orders, from 0.
        who: The person, `TILL` for the shop's own device, or None where GA4 knows no visit.
        customer: The address of who bought.
        bought_at: When it was placed, as GA4 saw it.
        created_at: When Shopify wrote it.
        lines: Article, name, quantity and price in cents of each line.
        id: Shopify's `Id`.
        cancelled_at: When it was paid back; None if it was not.
        is_of_second_shop: Whether it is in the file of the second shop, which counts alike.
    """

    number: int
    who: int | None
    customer: str
    bought_at: datetime
    created_at: datetime
    lines: tuple[tuple[str, str, int, int], ...]
    id: int
    cancelled_at: datetime | None = None
    is_of_second_shop: bool = False

    @property
    def name(self) -> str:
        """Return Shopify's `Name`."""
        return f"#{FIRST_NUMBER + self.number}"

    @property
    def cents(self) -> int:
        """Return what its lines come to."""
        return sum(quantity * price for _, _, quantity, price in self.lines)


@dataclass(frozen=True)
class Exports:
    """What the files of a shop are made of.

    Attributes:
        visits: The visits of each person, in their order.
        orders: The orders, in their order.
        events: The rows of GA4.
        meets: Whether GA4 says of its purchases which order they are.
        looks: The events of which GA4 knows the product and a device.
        shared_numbers: Of whose orders GA4 says what two orders are called.
    """

    visits: Mapping[int, Sequence[Visit]]
    orders: Sequence[Order]
    events: Sequence[dict[str, Any]]
    meets: bool
    looks: Sequence[Row]
    shared_numbers: frozenset[int] = frozenset()


def write_exports(  # noqa: PLR0913 (all arguments but the folder have defaults)
    out: Path,
    *,
    days: int = 60,
    visitors: int = 300,
    seed: int = 7,
    first_day: date = date(2026, 1, 1),
    sends: Sends = "name",
    traps: Iterable[str] = (),
) -> dict[str, Any]:
    """Write `shopify_orders.csv`, `ga4_events.jsonl`, `google_ads.csv` and `truth.json` into `out`,
    with `SECOND_SHOP` where there are two shops, and return the truth. The same arguments give the
    same bytes.

    Raises:
        UsageError: There is no such trap.
    """
    chosen = frozenset(traps)
    if unknown := sorted(chosen - TRAPS.keys()):
        raise UsageError(f"There is no trap {unknown[0]!r}; give one of {', '.join(TRAPS)}.")
    shop = Shop(seed, replace(cast_of(days, visitors, seed, first_day), all_signed_in=True))
    last = first_day + timedelta(days=days - 1)
    exports = _exports(shop, sends, chosen)
    spend = list(shop.advertising.newest(last))
    with replaced_folder(out, made_by=GENERATOR) as folder:
        for is_second, name in ((False, "shopify_orders.csv"), (True, SECOND_SHOP)):
            of_shop = [order for order in exports.orders if order.is_of_second_shop == is_second]
            if of_shop:
                _write_orders(of_shop, folder / name)
        lines = (json.dumps(event) + "\n" for event in exports.events)
        (folder / "ga4_events.jsonl").write_text("".join(lines), encoding="utf-8")
        _write_spend(shop.advertising, last, folder / "google_ads.csv")
        cost = {
            campaign.id: sum(said.spend_micros for said in spend if said.campaign is campaign)
            for campaign in CAMPAIGNS
            if campaign.platform == "google_ads"
        }
        truth = {
            "settings": {
                "days": days,
                "visitors": visitors,
                "seed": seed,
                "first_day": first_day.isoformat(),
                "sends": sends,
                "traps": sorted(chosen),
            },
            **truth_of(exports, cost),
        }
        (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def _exports(shop: Shop, sends: Sends, traps: frozenset[str]) -> Exports:
    events, placed = shop.people(0, len(shop.schedule.visits))
    visits, rows = _visits(shop, events, traps)
    orders = [_order(shop, number, row) for number, row in enumerate(_in_order(placed))]
    if "no_consent" in traps:
        orders = [replace(order, who=None) if order.who % 2 else order for order in orders]  # type: ignore[operator]  # simulated orders are somebody's
        visits = {who: came for who, came in visits.items() if not who % 2}
    if "till" in traps:
        orders, rows = _with_till(orders, visits, rows)
    if "direct_after_ad" in traps:
        orders, rows = _bought_later(orders, visits, rows)
        _carry_over(rows)
    if "other_number" in traps:
        orders = [
            replace(order, id=FIRST_NUMBER + order.number + 1) if order.number % 5 == 0 else order
            for order in orders
        ]
    if "late_order" in traps:
        orders = [
            replace(order, created_at=order.created_at + timedelta(days=3))
            if order.number % 7 == 0
            else order
            for order in orders
        ]
    if "refund_next_month" in traps:
        orders = [
            replace(order, cancelled_at=_next_month(order.created_at))
            if order.number % 6 == 0
            else order
            for order in orders
        ]
    named = {(order.who, order.bought_at): order for order in orders}
    said = [_event(row, named, sends) for row in rows]
    if "named_twice" in traps:
        said += _named_twice(said)
    twins = _twins(orders) if "two_shops" in traps else []
    orders += twins
    if "old_orders" in traps:
        orders = [*_old(orders), *orders]
    said.sort(key=lambda event: (int(event["event_timestamp"]), event["event_name"]))
    shared = frozenset(twin.number for twin in twins) if sends == "name" else frozenset()
    looks = [row for row in rows if row["item"] and row["has_device"] and row["type"] in LOOKED]
    return Exports(visits, orders, said, sends != "nothing", looks, shared)


def _in_order(placed: r.Rows) -> list[r.Rows]:
    return sorted(placed, key=lambda row: (int(row["at"]), int(row["number"])))


def _instant(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))


def _visits(
    shop: Shop, events: r.Rows, traps: frozenset[str]
) -> tuple[dict[int, list[Visit]], list[Row]]:
    """Return the visits of each person, and the events with what GA4 says of them."""
    in_order = sorted(
        events, key=lambda event: (int(event["visitor"]), int(event["at"]), int(event["number"]))
    )
    pages = shop.world.pages
    visits: dict[int, list[Visit]] = {}
    rows: list[Row] = []
    sessions: set[tuple[int, int]] = set()
    for event in in_order:
        who, session = int(event["visitor"]), int(event["session"])
        page = pages.texts[event["page"]]
        referrer = pages.texts[event["referrer"]] if event["referrer"] >= 0 else None
        begins = (who, session) not in sessions
        sessions.add((who, session))
        # Who takes over a device in a visit has come from nowhere.
        code = int(pages.sources_of(event["page"], event["referrer"]))
        source = t.SOURCES[code].name if code >= 0 else "direct"
        if begins:
            visits.setdefault(who, []).append(
                Visit(_instant(event["at"]), source, page.partition("?")[0])
            )
        rows.append(
            {
                "who": who,
                "at": _instant(event["at"]),
                "visit": session,
                "begins": begins,
                "type": int(event["type"]),
                "page": page,
                "referrer": referrer,
                "source": source,
                "cents": int(event["cents"]),
                "item": _item(shop, int(event["product"]), traps),
                "has_device": not ("no_consent" in traps and who % 2),
            }
        )
    return visits, rows


def _sku(product: int) -> str:
    return f"SKU-{product}"


def _item(shop: Shop, product: int, traps: frozenset[str]) -> dict[str, str] | None:
    """Return what GA4 says of a product; Shopify's export of orders has no category."""
    if product < 0:
        return None
    catalogue = shop.world.catalogue
    has_feed_id = "feed_ids" in traps and product % 3 == 0
    return {
        "item_id": f"shopify_DE_{product + 1}_{product + 100_001}"
        if has_feed_id
        else _sku(product),
        "item_name": catalogue.names[product],
        "item_category": CATEGORIES[catalogue.category[product]],
    }


def _order(shop: Shop, number: int, row: r.Rows) -> Order:
    names = shop.world.catalogue.names
    lines = tuple(
        (
            _sku(row["products"][i]),
            names[row["products"][i]],
            int(row["quantities"][i]),
            int(row["prices"][i]),
        )
        for i in range(int(row["lines"]))
    )
    at = _instant(row["at"])
    who = int(row["visitor"])
    created = at.replace(microsecond=0) + timedelta(seconds=1)
    return Order(number, who, f"person{who}@mail.example", at, created, lines, FIRST_ID + number)


def _with_till(
    orders: Sequence[Order], visits: dict[int, list[Visit]], rows: list[Row]
) -> tuple[list[Order], list[Row]]:
    """Return orders and events with those that a device in the shop places, one each day."""
    first = min(order.created_at for order in orders)
    last = max(order.created_at for order in orders)
    placed, seen = list(orders), list(rows)
    for day in range((last - first).days):
        at = (first + timedelta(days=day + 1)).replace(hour=10, minute=0, second=0, microsecond=0)
        bought = at + timedelta(minutes=5)
        number = len(placed)
        placed.append(
            Order(
                number,
                TILL,
                f"walkin{day}@mail.example",
                bought,
                bought + timedelta(seconds=1),
                (("SKU-till", "Cap", 1, 1_000 + day),),
                FIRST_ID + number,
            )
        )
        visits.setdefault(TILL, []).append(Visit(at, "direct", f"{t.SHOP_URL}/"))
        for kind, when, page in (
            (r.PAGE, at, f"{t.SHOP_URL}/"),
            (r.PURCHASE, bought, f"{t.SHOP_URL}/order/complete"),
        ):
            seen.append(
                {
                    "who": TILL,
                    "at": when,
                    "visit": 10**9 + day,
                    "begins": kind == r.PAGE,
                    "type": kind,
                    "page": page,
                    "referrer": None,
                    "source": "direct",
                    "cents": 1_000 + day,
                    "item": None,
                    "has_device": True,
                }
            )
    return placed, seen


def _twins(orders: Sequence[Order]) -> list[Order]:
    """Return the orders of another shop that have numbers of some of these, minutes after them;
    none of those that are written late, whose twins would be all that is there.
    """
    return [
        Order(
            order.number,
            None,
            f"other{order.number}@mail.example",
            order.bought_at + timedelta(minutes=7),
            order.created_at + timedelta(minutes=7),
            (("SKU-other", "Scarf", 1, 3_000 + order.number),),
            SECOND_SHOPS_FIRST_ID + order.number,
            is_of_second_shop=True,
        )
        for order in orders
        if order.number % 4 == 1 and order.number % 7
    ]


def _old(orders: Sequence[Order]) -> list[Order]:
    """Return an order every third day of the years before the first one."""
    first = min(order.created_at for order in orders)
    return [
        Order(
            len(orders) + place,
            None,
            f"old{place}@mail.example",
            at,
            at,
            (("SKU-old", "Hat", 1, 2_500),),
            FIRST_ID + len(orders) + place,
        )
        for place, at in enumerate(first - timedelta(days=days) for days in range(OLD_DAYS, 5, -3))
    ]


def _bought_later(
    orders: Sequence[Order], visits: dict[int, list[Visit]], rows: Sequence[Row]
) -> tuple[list[Order], list[Row]]:
    """Return the orders and rows with those of visits by ads of Google bought in a direct visit
    `LATER` than that.
    """
    placed, seen, came = list(orders), list(rows), "direct"
    newest = max(row["at"] for row in rows)
    for number, order in enumerate(placed):
        touches = _touches(visits.get(order.who, ()), order.bought_at)  # type: ignore[arg-type]  # None has none
        by_ad = bool(touches) and ADS.get(touches[-1].source) in OF_GOOGLE
        if not by_ad or order.bought_at + LATER > newest:
            continue
        at = order.bought_at + LATER
        placed[number] = replace(order, bought_at=at, created_at=order.created_at + LATER)
        of_person = visits[order.who]  # type: ignore[index]  # who has touches is somebody
        of_person.append(Visit(at - MINUTE, came, f"{t.SHOP_URL}/"))
        of_person.sort(key=lambda visit: visit.at)
        (place,) = (
            place
            for place, row in enumerate(seen)
            if (row["who"], row["at"], row["type"]) == (order.who, order.bought_at, r.PURCHASE)
        )
        bought = {**seen[place], "at": at, "visit": 2 * 10**9 + number, "source": came}
        page = {
            **bought,
            "at": at - MINUTE,
            "begins": True,
            "type": r.PAGE,
            "page": f"{t.SHOP_URL}/",
            "referrer": None,
            "item": None,
        }
        seen[place : place + 1] = [page, bought]
    return placed, sorted(seen, key=lambda row: (row["who"], row["at"]))


def _carry_over(rows: Iterable[Row]) -> None:
    """Add to the rows after an ad of Google Ads, until another source brings the person, the
    campaign that GA4 still counts.

    Args:
        rows: The rows of each person, in their order.
    """
    last: tuple[int, Campaign] | None = None
    for row in rows:
        if last is not None and last[0] != row["who"]:
            last = None
        if (campaign := _ad_of(row)) is not None:
            last = (row["who"], campaign)
        elif row["source"] != "direct":
            last = None
        row["carried"] = last[1] if last else None


def _ad_of(row: Row) -> Campaign | None:
    """Return the campaign of Google Ads that a row was clicked in; None of others."""
    campaign = ADS.get(row["source"]) if "utm_" in row["page"] else None
    return campaign if campaign in OF_GOOGLE else None


def _next_month(at: datetime) -> datetime:
    return (at.replace(day=1) + timedelta(days=32)).replace(day=5, hour=12, minute=0, second=0)


def _event(row: Row, orders: Mapping[tuple[int | None, datetime], Order], sends: Sends) -> Row:
    """Return a row of GA4. Ads tag by a click id, of which GA4 knows the campaign from Ads."""
    page: str = row["page"]
    tags: Row = {}
    clicked = _ad_of(row)
    if clicked is not None:
        page = f"{page.partition('?')[0]}?gclid=Cj{row['visit']}"
        tags["collected_traffic_source"] = {"gclid": f"Cj{row['visit']}"}
    if (campaign := clicked or row.get("carried")) is not None:
        named = {"campaign_id": campaign.id, "campaign_name": campaign.name}
        tags["session_traffic_source_last_click"] = {"google_ads_campaign": named}
    params: list[Row] = [_param("page_location", string_value=page)]
    params.append(_param("ga_session_id", int_value=str(row["visit"])))
    if row["referrer"]:
        params.append(_param("page_referrer", string_value=row["referrer"]))
    kind = _TYPES.get(row["type"], "page_view")
    event: Row = {
        "event_timestamp": str(_micros(row["at"])),
        "event_name": kind,
        "event_params": params,
        "platform": "WEB",
        **tags,
    }
    if row["has_device"]:
        event["user_pseudo_id"] = f"{row['who'] + 2}.1"
    else:
        event["privacy_info"] = {"analytics_storage": "No"}
    if row["type"] in LOOKED and row["item"]:
        event["items"] = [row["item"]]
    if row["type"] == r.PURCHASE:
        params += [
            _param("value", double_value=row["cents"] / 100),
            _param("currency", string_value="EUR"),
        ]
        who = row["who"] if row["has_device"] else None
        order = orders.get((who, row["at"]))
        if order is not None and sends != "nothing":
            said = order.name if sends == "name" else str(order.id)
            event["ecommerce"] = {"transaction_id": said}
    return event


def _param(key: str, **value: object) -> Row:
    return {"key": key, "value": value}


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _named_twice(events: Sequence[Row]) -> list[Row]:
    """Return purchases of another device, minutes after some that name their order."""
    named = [event for event in events if event.get("ecommerce") and "user_pseudo_id" in event]
    return [
        {
            **event,
            "event_timestamp": str(int(event["event_timestamp"]) + 240_000_000),
            "user_pseudo_id": f"copy{place}.1",
        }
        for place, event in enumerate(named[::8])
    ]


_COLUMNS: Final = (
    "Name",
    "Email",
    "Financial Status",
    "Paid at",
    "Fulfillment Status",
    "Currency",
    "Subtotal",
    "Shipping",
    "Taxes",
    "Total",
    "Created at",
    "Lineitem quantity",
    "Lineitem name",
    "Lineitem price",
    "Lineitem sku",
    "Cancelled at",
    "Refunded Amount",
    "Id",
    "Source",
)


def _write_orders(orders: Sequence[Order], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        for order in sorted(orders, key=lambda order: order.created_at):
            total = r.money_text(order.cents)
            whole = {
                "Financial Status": "refunded" if order.cancelled_at else "paid",
                "Paid at": _text(order.created_at),
                "Fulfillment Status": "fulfilled",
                "Currency": "EUR",
                "Subtotal": total,
                "Shipping": "0.00",
                "Taxes": "0.00",
                "Total": total,
                "Cancelled at": _text(order.cancelled_at) if order.cancelled_at else "",
                "Refunded Amount": total if order.cancelled_at else "0.00",
                "Id": order.id,
                "Source": "web",
            }
            for place, (sku, name, quantity, price) in enumerate(order.lines):
                line = {
                    "Name": order.name,
                    "Email": order.customer,
                    "Created at": _text(order.created_at),
                    "Lineitem quantity": quantity,
                    "Lineitem name": name,
                    "Lineitem price": r.money_text(price),
                    "Lineitem sku": sku,
                }
                writer.writerow({**(whole if place == 0 else {}), **line})


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} +0000"


def _write_spend(advertising: Advertising, last: date, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            (
                "Customer ID",
                "Day",
                "Campaign",
                "Campaign ID",
                "Currency code",
                "Cost",
                "Impr.",
                "Clicks",
            )
        )
        for said in advertising.newest(last):
            campaign = said.campaign
            if campaign.platform == "google_ads":
                cost = micros_text(said.spend_micros)
                writer.writerow(
                    (
                        campaign.account,
                        said.day,
                        campaign.name,
                        campaign.id,
                        "EUR",
                        cost,
                        said.impressions,
                        said.clicks,
                    )
                )


# The truth


def truth_of(exports: Exports, cost: Mapping[str, int]) -> dict[str, Any]:
    """Return what is true of a shop, as far as its files can say it: how many orders have a visit,
    what each model credits by channel and Ads' campaign, and what landing pages, first channels and
    customers come to. `cost` is what campaigns cost, in millionths.
    """
    credited: dict[str, dict[str, int]] = {model: {} for model in MODELS}
    of_campaign: dict[str, dict[str, int]] = {model: {} for model in MODELS}
    landing: dict[str, int] = {}
    first_channel: dict[str, int] = {}
    first_order: dict[str, str] = {}
    first_visit: dict[str, int] = {}
    met = [order for order in exports.orders if _is_met(exports, order)]
    known = {
        order.customer: exports.visits[order.who]
        for order in met
        if order.who is not None and order.who != TILL
    }
    for order in sorted(exports.orders, key=lambda order: order.created_at):
        is_met = _is_met(exports, order)
        touches = _touches(_visits_of(exports, order), order.created_at) if is_met else []
        worth = 0 if order.cancelled_at else order.cents
        for model in MODELS:
            shares = _shares(model, touches, order.created_at)
            for touch, cents in zip(touches, _parts(worth, shares), strict=True):
                _add(credited[model], touch.channel, cents)
                if (campaign := ADS.get(touch.source)) and campaign.id in cost:
                    _add(of_campaign[model], campaign.id, cents)
            if not touches:
                _add(credited[model], NO_TOUCH, worth)
        sold_by = _sold_by(touches)
        _add(landing, sold_by.landing_page if sold_by else NO_TOUCH, worth)
        if order.cents:
            channel = sold_by.channel if sold_by else NO_TOUCH
            _add(first_channel, first_order.setdefault(order.customer, channel), worth)
        visits = known.get(order.customer, ())
        _add(
            first_visit,
            min(visits, key=lambda visit: visit.at).channel if visits else NO_TOUCH,
            worth,
        )
    return {
        "orders": len(exports.orders),
        "orders_met": len(met),
        "revenue_amount": r.money_text(
            sum(order.cents for order in exports.orders if not order.cancelled_at)
        ),
        "credited": {model: _texts(sums) for model, sums in credited.items()},
        "campaigns": {
            number: {
                "spend_amount": micros_text(micros),
                **{
                    model: {
                        "credited_revenue_amount": r.money_text(sums.get(number, 0)),
                        "roas": sums.get(number, 0) * (MICRO // 100) / micros,
                    }
                    for model, sums in of_campaign.items()
                },
            }
            for number, micros in cost.items()
        },
        "landing_pages": _texts(landing),
        "first_channels": _texts(first_channel),
        "first_visits": _texts(first_visit),
        "visit_coverage_rate": _visit_coverage(exports, met),
        **_categories(exports),
        "visits_by_customer": {customer: len(visits) for customer, visits in known.items()},
    }


def _visit_coverage(exports: Exports, met: Sequence[Order]) -> float | None:
    """Return the share of what was ordered on the days of GA4's visits that has a visit."""
    days = {visit.at.date() for visits in exports.visits.values() for visit in visits}
    first, last = min(days), max(days)
    ordered, of_met = (
        sum(order.cents for order in orders if first <= order.created_at.date() <= last)
        for orders in (exports.orders, met)
    )
    return of_met / ordered if ordered else None


def _categories(exports: Exports) -> dict[str, Any]:
    """Return the revenue of each category, or article of which GA4 has none, the visits that viewed
    a product of it, and the share of what was paid for articles that have one.
    """
    category = {row["item"]["item_id"]: row["item"]["item_category"] for row in exports.looks}
    revenue: dict[str, int] = {}
    paid = known = 0
    for order in exports.orders:
        for article, _, quantity, price in order.lines:
            cents = quantity * price
            _add(revenue, category.get(article, article), 0 if order.cancelled_at else cents)
            paid, known = paid + cents, known + cents * (article in category)
    viewed = {
        (row["item"]["item_category"], row["who"], row["visit"])
        for row in exports.looks
        if row["type"] == r.PRODUCT
    }
    visits = {name: 0 for name, _, _ in sorted(viewed)}
    for name, _, _ in viewed:
        visits[name] += 1
    return {
        "categories": _texts(revenue),
        "category_visits": visits,
        "category_coverage_rate": known / paid if paid else None,
    }


def _visits_of(exports: Exports, order: Order) -> Sequence[Visit]:
    return () if order.who is None else exports.visits.get(order.who, ())


def _is_met(exports: Exports, order: Order) -> bool:
    """Return whether an order is at most a day from its event, which says of which order it is, and
    GA4 knows the device of it.
    """
    days = (order.created_at.date() - order.bought_at.date()).days
    is_named = exports.meets and order.number not in exports.shared_numbers
    return is_named and order.who is not None and days <= 1


def _touches(visits: Sequence[Visit], at: datetime) -> list[Visit]:
    return [visit for visit in visits if at - LOOKBACK <= visit.at <= at]


def _sold_by(touches: Sequence[Visit]) -> Visit | None:
    """Return the last visit with a source, else the last; None of none."""
    sourced = [touch for touch in touches if touch.channel != DIRECT]
    either = sourced or touches
    return either[-1] if either else None


def _shares(model: str, touches: Sequence[Visit], at: datetime) -> list[Fraction]:
    """Return which share of an order each of its visits has."""
    count = len(touches)
    if not count:
        return []
    parts = [Fraction(0)] * count
    if model in {"first", "last", "last_non_direct"}:
        sold_by = _sold_by(touches) or touches[-1]
        place = {"first": 0, "last": count - 1}.get(model, touches.index(sold_by))
        parts[place] = Fraction(1)
    elif model == "linear":
        parts = [Fraction(1, count)] * count
    elif model == "time_decay":
        ages = [(at - touch.at) // timedelta(seconds=1) for touch in touches]
        weights = [Fraction(2 ** (-age / HALF_LIFE.total_seconds())) for age in ages]
        parts = [weight / sum(weights) for weight in weights]
    else:
        first, last = {"position": (40, 40), "j": (20, 60)}[model]
        if count == 1:
            parts = [Fraction(1)]
        elif count == 2:  # noqa: PLR2004 (both keep their proportion)
            parts = [Fraction(first, first + last), Fraction(last, first + last)]
        else:
            between = Fraction(100 - first - last, 100) / (count - 2)
            parts = [Fraction(first, 100), *[between] * (count - 2), Fraction(last, 100)]
    return parts


def _parts(cents: int, shares: Sequence[Fraction]) -> list[int]:
    """Return whole cents: what is up to each visit is rounded, so that the parts add up."""
    ends, up_to = [0], Fraction(0)
    for share in shares:
        up_to += share
        ends.append(int(cents * up_to + Fraction(1, 2)))
    return [end - begin for begin, end in pairwise(ends)]


def _add(sums: dict[str, int], name: str, cents: int) -> None:
    sums[name] = sums.get(name, 0) + cents


def _texts(sums: Mapping[str, int]) -> dict[str, str]:
    return {name: r.money_text(sums[name]) for name in sorted(sums)}
