"""Simulate what people do in the shop: they go from page to page, and most leave before they buy.

All visits of a batch take their n-th step together, so a step costs only a few array operations.
Bots, at the end, are crawlers that identify themselves, and scrapers that pretend to be a customer:
both have far more events in a session than any person.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ecom_sandbox.shop import rows as r
from ecom_sandbox.shop import traffic as t
from ecom_sandbox.shop.catalogue import CATEGORIES, Catalogue, choose_category
from ecom_sandbox.shop.faults import has_order_ids
from ecom_sandbox.shop.identities import FORMER, GUEST, GUEST_RATE, OWN, cookies_of, has_account
from ecom_sandbox.shop.people import LONGEST_VISIT_S
from ecom_sandbox.shop.rows import (
    Dice,
    Flags,
    Floats,
    Ints,
    Rows,
    cumulative,
    from_table,
    joined,
    pick,
    total_cents,
)

EXIT = len(r.EVENT_TYPES)
"""The pseudo-action of leaving the shop."""
# Weights of the next action after each event type, with an empty cart and with a filled one.
_EMPTY: dict[int, dict[int, float]] = {
    r.PAGE: {r.PAGE: 10, r.CATEGORY: 25, r.SEARCH: 9, r.PRODUCT: 29, EXIT: 24},
    r.CATEGORY: {r.PAGE: 4, r.CATEGORY: 22, r.SEARCH: 4, r.PRODUCT: 58, EXIT: 12},
    r.SEARCH: {r.PAGE: 3, r.CATEGORY: 8, r.SEARCH: 20, r.PRODUCT: 56, EXIT: 13},
    r.PRODUCT: {r.PAGE: 5, r.CATEGORY: 25, r.SEARCH: 6, r.PRODUCT: 46, r.ADD: 1.3, EXIT: 9.7},
    r.REMOVE: {r.PAGE: 10, r.CATEGORY: 20, r.SEARCH: 5, r.PRODUCT: 25, EXIT: 40},
    r.PURCHASE: {r.PAGE: 30, r.CATEGORY: 6, EXIT: 64},
}
_FILLED: dict[int, dict[int, float]] = {
    r.PAGE: {r.PAGE: 10, r.CATEGORY: 20, r.PRODUCT: 25, r.REMOVE: 5, r.CHECKOUT: 20, EXIT: 20},
    r.CATEGORY: {r.PAGE: 4, r.CATEGORY: 22, r.SEARCH: 4, r.PRODUCT: 56, r.CHECKOUT: 6, EXIT: 8},
    r.SEARCH: {r.PAGE: 3, r.CATEGORY: 8, r.SEARCH: 18, r.PRODUCT: 58, r.CHECKOUT: 4, EXIT: 9},
    r.PRODUCT: {
        r.PAGE: 5,
        r.CATEGORY: 19,
        r.SEARCH: 5,
        r.PRODUCT: 41,
        r.ADD: 9,
        r.REMOVE: 2,
        r.CHECKOUT: 6,
        EXIT: 13,
    },
    r.ADD: {
        r.PAGE: 12,
        r.CATEGORY: 19,
        r.SEARCH: 3,
        r.PRODUCT: 28,
        r.REMOVE: 4,
        r.CHECKOUT: 14,
        EXIT: 18,
    },
    r.REMOVE: {r.PAGE: 10, r.CATEGORY: 20, r.SEARCH: 5, r.PRODUCT: 25, r.CHECKOUT: 20, EXIT: 20},
    r.CHECKOUT: {r.PAGE: 12, r.PRODUCT: 5, r.REMOVE: 3, r.PURCHASE: 44, EXIT: 36},
}
# Factors on the weights for visitors who intend to buy.
_WARM = {r.ADD: 2.2, r.CHECKOUT: 1.4, r.PURCHASE: 1.4, EXIT: 0.75}
_EAGER = {r.ADD: 20.0, r.CHECKOUT: 2.0, r.PURCHASE: 2.0, EXIT: 0.5}


def _bounds(weights: dict[int, float], factors: dict[int, float]) -> Floats:
    """Return the upper bound of each action's share;
    a state that cannot occur leads to the exit.
    """
    full = [weights.get(action, 0.0) * factors.get(action, 1.0) for action in range(EXIT + 1)]
    return cumulative(full if weights else [0.0] * EXIT + [1.0])


def _flow(factors: dict[int, float]) -> Floats:
    states = [action for action in range(EXIT) if action <= r.REFUND]
    return np.array(
        [[_bounds(cart.get(s, {}), factors) for cart in (_EMPTY, _FILLED)] for s in states]
    )


EAGER = 2
FLOW: Floats = np.array([_flow({}), _flow(_WARM), _flow(_EAGER)])
"""Bounds of the next action, by intent to buy (0 to 2), last event type,
and whether the cart is filled (0 or 1).
"""


@cache
def _pauses() -> Ints:
    """Return pauses in microseconds: log-normal around 22 s, at most 25 minutes; a few are 0."""
    table = np.array(
        [min(int(s * r.SECOND), 1500 * r.SECOND) for s in r.log_normal(22, 1.15, 65536)], np.int64
    )
    table[: len(table) // 500] = 0
    return table


MOST_STEPS = 96
FREE_RATE, GIFT_RATE = 0.01, 0.04
"""Shares of orders that a code makes free, and that get a gift if the cart has room."""
GIFT_PRODUCTS = 5
"""Gifts are of so many products, the cheapest ones."""
_STATE = np.dtype(
    [
        ("visit", np.int64),
        ("event", r.EVENT),
        ("until", np.int64),
        ("flow", np.int64),
        ("login_step", np.int64),
        ("logout_step", np.int64),
        ("handover_step", np.int64),  # the first step at which the heir can take over
        ("heir", np.int64),
        ("source", np.int8),
        ("is_first", np.bool_),
        ("lines", np.int64),
        ("products", np.int64, (r.CART_LINES,)),
        ("quantities", np.int64, (r.CART_LINES,)),
        ("product", np.int64),
        ("category", np.int64),
        ("plain_properties", np.int64),
    ]
)


@dataclass(frozen=True)
class World:
    """The constants of a simulation."""

    dice: Dice
    catalogue: Catalogue
    pages: t.Pages
    first_us: int
    end_us: int
    days_before: int = 0
    """Days of the shop's calendar before the first day;
    a shop that is simulated at once begins on its day 0.
    """
    eager: float = 0.0
    """Share of the visits that come to buy, in addition to those that intend to."""
    incident: tuple[int, int] | None = None
    """From when to when nobody on a phone can pay, in microseconds, the end not included;
    None for never.
    """
    all_signed_in: bool = False
    """Whether everybody is signed in all the time, with their own account."""


def walk(world: World, visits: Rows, first_visit: int, first_number: int) -> tuple[Rows, Rows]:
    """Return the events and orders of visits; sessions are numbered from `first_visit`,
    events from `first_number`.
    """
    state = _arrive(world, visits, first_visit)
    events, orders, number = [], [], first_number
    for step in range(MOST_STEPS):
        if step:
            state = _go_on(world, state, step)
        if not len(state):
            break
        state["event"]["number"] = number + np.arange(len(state))
        _log_in_and_out(world.dice, state, step)
        number += len(state)
        orders.append(_ordered(world, state))
        events.append(state["event"].copy())
    rows = joined(events)
    if world.all_signed_in:
        rows["is_known"], rows["account"] = True, OWN
    return rows, joined(orders, r.ORDER)


def _arrive(world: World, visits: Rows, first_visit: int) -> Rows:
    """Return the state of each visit at its first page view."""
    dice, visitor = world.dice, visits["visitor"]
    state = np.zeros(len(visits), _STATE)
    state["visit"] = visit = first_visit + np.arange(len(visits), dtype=np.int64)
    state["event"] = r.blank(len(visits))
    event = state["event"]
    event["visitor"], event["session"], event["type"] = visitor, visit, r.PAGE
    event["at"] = (
        world.first_us + visits["start_s"] * r.SECOND + dice.below(r.SECOND, "start", visit)
    )
    state["until"] = event["at"] + LONGEST_VISIT_S * r.SECOND
    _equip(dice, state, visits)
    state["is_first"] = visits["is_first"]
    _land(world, state, visits["is_first"])
    _plan_logins(dice, state, visits)
    return state


def _plan_logins(dice: Dice, state: Rows, visits: Rows) -> None:
    """Choose when visits log in and out, with which account, and whether somebody else takes over.

    Some are still logged in from an earlier visit, some log in during the visit; the others log in
    at checkout.
    """
    visitor, visit, is_first = visits["visitor"], state["visit"], visits["is_first"]
    is_remembered = ~is_first & has_account(dice, visitor) & dice.chance(0.5, "remembered", visit)
    login_step = np.where(
        dice.chance(0.1, "login", visit), 1 + dice.below(6, "login step", visit), MOST_STEPS
    )
    has_former, changes = visits["has_former_id"], visits["changes_id"]
    is_guest = ~is_first & ~is_remembered & ~has_former & ~changes & (login_step == MOST_STEPS)
    is_guest &= dice.chance(GUEST_RATE, "guest", visit) & has_order_ids(dice, visitor)
    state["login_step"] = np.where(is_remembered | is_guest | changes, 0, login_step)
    state["event"]["account"] = np.select([has_former, is_guest], [FORMER, GUEST], OWN)
    state["heir"] = np.where(is_remembered & ~has_former & ~changes, visits["heir"], r.NOTHING)
    state["handover_step"] = 1 + dice.below(3, "handover step", visit)
    # Half of them log out before they hand the device over, and the others as they do.
    leaves = (state["heir"] != r.NOTHING) & dice.chance(0.5, "logout", visit)
    state["logout_step"] = np.where(leaves, state["handover_step"], MOST_STEPS)


def _log_in_and_out(dice: Dice, state: Rows, step: int) -> None:
    """Set who acts at a step, and whether the shop knows.

    The other of a household takes over with a page view and an empty cart, and logs in soon.
    """
    event = state["event"]
    event["is_known"] &= state["logout_step"] != step
    is_handed = (state["heir"] != r.NOTHING) & (step >= state["handover_step"])
    is_handed &= (event["type"] == r.PAGE) & (state["lines"] == 0)
    if is_handed.any():
        event["visitor"] = np.where(is_handed, state["heir"], event["visitor"])
        event["is_known"] &= ~is_handed
        login_step = step + dice.below(4, "next login", state["visit"])
        state["login_step"] = np.where(is_handed, login_step, state["login_step"])
        state["heir"] = np.where(is_handed, r.NOTHING, state["heir"])
    event["is_known"] |= (state["login_step"] == step) | (event["type"] == r.CHECKOUT)


def _equip(dice: Dice, state: Rows, visits: Rows) -> None:
    """Set the device, browser, cookie and country of each visit;
    most visits use the person's usual device.
    """
    visitor, event = visits["visitor"], state["event"]
    is_other_device = dice.chance(0.12, "other device", state["visit"])
    owner = np.where(visits["is_shared"] & ~is_other_device, visitor ^ 1, visitor)
    browser = owner * 2 + is_other_device
    device = pick(cumulative(t.DEVICE_SHARES), dice.unit("device", browser))
    city = city_of(dice, visitor)
    event["cookie"] = cookies_of(dice, browser, event["at"])
    event["agent"] = device * t.AGENTS_PER_DEVICE + dice.below(
        t.AGENTS_PER_DEVICE, "agent", browser
    )
    country = _COUNTRY_OF_CITY[city]
    state["plain_properties"] = (
        device * t.PROPERTIES_PER_DEVICE + country * t.PROPERTIES_PER_COUNTRY
    )
    event["properties"] = state["plain_properties"]


def _land(world: World, state: Rows, is_first: Flags) -> None:
    """Choose the source and the landing page of each visit."""
    dice, visit, event = world.dice, state["visit"], state["event"]
    unit = dice.unit("source", visit)
    source = np.where(is_first, pick(_NEW, unit), pick(_RETURNING, unit))
    state["source"] = source
    landing = (dice.unit("landing", visit)[:, None] >= _LANDINGS[source]).sum(axis=1)
    category = choose_category(dice.unit("landing category", visit))
    product = world.catalogue.choose(np.full(len(visit), -1), dice.unit("landing product", visit))
    pages = [
        np.zeros_like(visit),
        t.Pages.FIRST_CATEGORY + category,
        t.Pages.FIRST_PRODUCT + product,
    ]
    page = np.choose(landing, pages)
    event["page"] = page + np.array(world.pages.tag_offsets)[source]
    event["referrer"] = np.array(world.pages.referrers)[source]
    categories = [np.full_like(visit, -1), category, world.catalogue.category[product]]
    state["category"] = np.choose(landing, categories)
    state["product"] = np.where(landing == _ON_PRODUCT, product, -1)
    warmth = _WARMTH[source] + np.where(is_first, 0.0, 0.1)
    is_eager = dice.chance(world.eager, "eager", visit)
    state["flow"] = np.where(is_eager, EAGER, dice.chance(warmth, "warmth", visit))


def _go_on(world: World, state: Rows, step: int) -> Rows:
    """Return the visits after their next step, without those that end."""
    key = state["visit"] * MOST_STEPS + step
    unit = world.dice.unit("action", key)
    is_filled = (state["lines"] > 0).astype(np.int64)
    bounds = FLOW[state["flow"], state["event"]["type"].astype(np.int64), is_filled]
    action = (unit[:, None] >= bounds).sum(axis=1)
    at = state["event"]["at"] + from_table(_pauses(), world.dice.unit("pause", key))
    if world.incident is not None:
        is_on_phone = state["plain_properties"] // t.PROPERTIES_PER_DEVICE == t.DEVICES.index(
            "mobile"
        )
        is_during = (at >= world.incident[0]) & (at < world.incident[1])
        action = np.where((action == r.PURCHASE) & is_on_phone & is_during, EXIT, action)
    stays = (action != EXIT) & (at < state["until"])
    state, action, key = state[stays], action[stays], key[stays]
    event = state["event"]
    event["at"], event["type"] = at[stays], action
    event["product"], event["category"], event["cents"] = r.NOTHING, r.NOTHING, r.NO_MONEY
    event["properties"], event["order"] = state["plain_properties"], r.NOTHING
    is_tried = (action == r.PRODUCT) & state["is_first"]
    event["trial"] = np.where(is_tried, _trial(world.dice, event["visitor"], key), 0)
    _browse(world, state, action, key)
    _fill_cart(world, state, action, key)
    return state


def _trial(dice: Dice, visitor: Ints, key: Ints) -> Ints:
    """Return the codes of an experiment on product pages: a person sees one variant,
    which changes one habit only.

    It is about first visits, so that each visitor is a person of its own, and the split is that of
    people.
    """
    is_test = dice.chance(0.5, "variant", visitor)
    opens = dice.chance(
        np.where(is_test, t.OPENED_RATES[t.TEST], t.OPENED_RATES[t.CONTROL]), "size guide", key
    )
    codes: Ints = 1 + 2 * is_test + opens
    return codes


def _browse(world: World, state: Rows, action: Ints, key: Ints) -> None:
    """Choose the product, category or search query of each action, and its page."""
    unit, event = world.dice.unit("what", key), state["event"]
    category = np.where(action == r.CATEGORY, choose_category(unit), state["category"])
    query = (unit * len(t.QUERIES)).astype(np.int64)
    # A visit that landed on a product page views that product first.
    is_landed = (action == r.PRODUCT) & (state["product"] >= 0) & (key % MOST_STEPS == 1)
    is_new = (action == r.PRODUCT) & ~is_landed
    anywhere = np.where(world.dice.chance(0.35, "stray", key), -1, category)
    product = np.where(is_new, world.catalogue.choose(anywhere, unit), state["product"])
    category = np.where(action == r.PRODUCT, world.catalogue.category[product], category)
    state["product"], state["category"] = product, category
    shows = (action == r.PRODUCT) | (action == r.ADD)
    event["product"] = np.where(shows, product, r.NOTHING)
    event["category"] = np.where(shows | (action == r.CATEGORY), category, r.NOTHING)
    event["properties"] += np.where(action == r.SEARCH, query + 1, 0)
    other = _OTHER_PAGES[(unit * len(_OTHER_PAGES)).astype(np.int64)]
    first = np.where(action == r.PAGE, other, _FIRST_PAGE[action])
    page = first + np.select(
        [action == r.CATEGORY, action == r.SEARCH, shows], [category, query, product], 0
    )
    page = np.where(is_landed, event["page"], page)
    event["referrer"] = np.where(page == event["page"], event["referrer"], event["page"])
    event["page"] = page


def _fill_cart(world: World, state: Rows, action: Ints, key: Ints) -> None:
    """Add products to carts, remove them, and set the cart value of cart,
    checkout and purchase events.

    In a full cart, a new product replaces the last one.
    """
    event, each = state["event"], np.arange(len(state))
    slot = np.minimum(state["lines"], r.CART_LINES - 1)
    adds = action == r.ADD
    state["products"][each[adds], slot[adds]] = state["product"][adds]
    quantity = _QUANTITIES[world.dice.below(len(_QUANTITIES), "quantity", key)]
    state["quantities"][each[adds], slot[adds]] = quantity[adds]
    state["lines"] = np.where(adds, slot + 1, state["lines"])
    last = np.maximum(state["lines"] - 1, 0)
    removes = action == r.REMOVE
    about = np.where(removes, state["products"][each, last], state["products"][:, 0])
    state["quantities"][each[removes], last[removes]] = 0
    state["lines"] -= removes
    is_order = (action == r.CHECKOUT) | (action == r.PURCHASE)
    event["product"] = np.where(removes | is_order, about, event["product"])
    event["category"] = np.where(
        removes | is_order, world.catalogue.category[about], event["category"]
    )
    has_value = adds | removes | is_order
    priced = state[has_value]
    event["cents"] = r.NO_MONEY
    event["cents"][has_value] = (_prices(world.catalogue, priced) * priced["quantities"]).sum(
        axis=1
    )


def _prices(catalogue: Catalogue, state: Rows) -> Ints:
    """Return the price of each product in the carts, on the day of the visits' last events."""
    return catalogue.prices(state["products"], state["event"]["at"][:, None] // r.DAY)


def _ordered(world: World, state: Rows) -> Rows:
    """Return this step's purchases as orders, and empty their carts.

    A code takes 100 % off some, and others get a gift, whose price is 0, where the cart has room.
    """
    buys = state["event"]["type"] == r.PURCHASE
    state["event"]["order"][buys] = state["event"]["number"][buys]
    bought = state[buys]
    orders = np.zeros(len(bought), r.ORDER)
    for name in ("number", "visitor", "at"):
        orders[name] = bought["event"][name]
    for name in ("products", "quantities", "lines", "source"):
        orders[name] = bought[name]
    prices = _prices(world.catalogue, bought)
    is_free = world.dice.chance(FREE_RATE, "100 % off", orders["number"])
    orders["prices"] = np.where(is_free[:, np.newaxis], 0, prices)
    orders["properties"] = bought["plain_properties"]
    state["event"]["cents"][buys] = total_cents(orders)
    _add_gifts(world, orders)
    state["lines"][buys] = 0
    state["quantities"][buys] = 0
    return orders


def _add_gifts(world: World, orders: Rows) -> None:
    """Add a piece of a product for nothing to some orders."""
    dice, catalogue = world.dice, world.catalogue
    has_gift = dice.chance(GIFT_RATE, "gift", orders["number"]) & (orders["lines"] < r.CART_LINES)
    given, nth = np.flatnonzero(has_gift), orders["lines"][has_gift]
    cheapest = np.argsort(catalogue.price_cents, kind="stable")[:GIFT_PRODUCTS]
    chosen = cheapest[dice.below(GIFT_PRODUCTS, "gift product", orders["number"][has_gift])]
    orders["products"][given, nth], orders["prices"][given, nth] = chosen, 0
    orders["quantities"][given, nth] = 1
    orders["lines"] += has_gift


def city_of(dice: Dice, visitor: Ints) -> Ints:
    """Return the index of the city where a person lives."""
    return pick(_CITY_BOUNDS, dice.unit("city", visitor))


_ON_PRODUCT = 2
# The first page code of each event type; page views choose from `_OTHER_PAGES`.
_PAGES = {
    r.PRODUCT: t.Pages.FIRST_PRODUCT,
    r.ADD: t.Pages.FIRST_PRODUCT,
    r.CATEGORY: t.Pages.FIRST_CATEGORY,
    r.SEARCH: t.Pages.FIRST_SEARCH,
    r.REMOVE: t.Pages.CART,
    r.CHECKOUT: t.Pages.CHECKOUT,
    r.PURCHASE: t.Pages.THANKS,
}
_FIRST_PAGE = np.array(
    [_PAGES.get(kind, t.Pages.HOME) for kind in range(len(r.EVENT_TYPES))], np.int64
)
_NEW = cumulative([source.new for source in t.SOURCES])
_RETURNING = cumulative([source.returning for source in t.SOURCES])
_WARMTH: Floats = np.array([source.warmth for source in t.SOURCES])
_LANDINGS = np.array([cumulative(source.landing) for source in t.SOURCES])
_CITY_BOUNDS = cumulative([share for _, _, share in t.CITIES])
_COUNTRY_OF_CITY = np.array([t.COUNTRIES.index(country) for _, country, _ in t.CITIES], np.int64)
_OTHER_PAGES = np.array(
    [t.Pages.HOME, t.Pages.HOME, t.Pages.ACCOUNT, t.Pages.ABOUT, t.Pages.SHIPPING, t.Pages.SALE]
)
_QUANTITIES = np.array([1] * 16 + [2, 2, 2, 3], np.int64)


VISITORS_PER_BOT = 1_000
_START_HOUR, _PAUSE_US = 1, 4_000_000
MOST_EVENTS = 1_400
_KINDS = np.array([r.PRODUCT] * 14 + [r.CATEGORY] * 3 + [r.PAGE] * 3, np.int8)


def bot_count(visitors: int) -> int:
    """Return the number of bots in a shop of this size: one per 1,000 people, at least one."""
    return max(1, visitors // VISITORS_PER_BOT)


def bot_events(world: World, day: int, bots: range, first_visit: int, first_number: int) -> Rows:
    """Return the events of bots, given by their ids, on a day:
    one session for each bot that is active on that day.
    """
    bot = np.arange(len(bots), dtype=np.int64)
    key = bot * 100_000 + day + world.days_before
    is_scraper = bot % 2 == 1
    is_active = world.dice.chance(np.where(is_scraper, 0.3, 0.5), "bot day", key)
    size = np.where(is_scraper, 600, 120) + world.dice.below(1, "bot size", key)
    size += world.dice.below(MOST_EVENTS - 600, "bot size", key) // np.where(is_scraper, 1, 6)
    parts, number = [], first_number
    for index in np.flatnonzero(is_active):
        bot_ids = (int(bot[index]), bots[int(index)], first_visit + int(index))
        parts.append(_session(world, day, bot_ids, np.arange(size[index], dtype=np.int64) + number))
        number += int(size[index])
    return joined(parts)


def _session(world: World, day: int, bot_ids: tuple[int, int, int], number: Ints) -> Rows:
    """Return one bot's session: mostly product pages, one every few seconds."""
    bot, visitor, visit = bot_ids
    dice, rows = world.dice, r.blank(len(number))
    pause = dice.below(_PAUSE_US, "bot pause", number)
    start = world.first_us + day * r.DAY + (_START_HOUR + bot % 20) * 3600 * r.SECOND
    rows["number"], rows["visitor"], rows["session"], rows["cookie"] = (
        number,
        visitor,
        visit,
        visitor * 2,
    )
    rows["at"] = start + np.cumsum(pause)
    product = dice.below(len(world.catalogue.names), "bot product", number)
    category = dice.below(len(CATEGORIES), "bot category", number)
    rows["type"] = _KINDS[dice.below(len(_KINDS), "bot page", number)]
    rows["type"][0] = r.PAGE
    looks = rows["type"] == r.PRODUCT
    rows["product"][looks] = product[looks]
    rows["category"] = np.select(
        [looks, rows["type"] == r.CATEGORY], [world.catalogue.category[product], category], -1
    )
    pages = [t.Pages.FIRST_PRODUCT + product, t.Pages.FIRST_CATEGORY + category]
    rows["page"] = np.select([looks, rows["type"] == r.CATEGORY], pages, t.Pages.HOME)
    is_scraper = bot % 2 == 1
    rows["is_known"] = is_scraper
    rows["agent"] = (
        t.AGENTS_PER_DEVICE + 1
        if is_scraper
        else t.FIRST_BOT_AGENT + bot // 2 % t.AGENTS_PER_DEVICE
    )
    rows["properties"] = t.PROPERTIES_PER_DEVICE + bot % len(t.COUNTRIES) * t.PROPERTIES_PER_COUNTRY
    return rows
