"""Bots in the simulated shop: crawlers that identify themselves, and scrapers that pretend to be a customer.

Both have far more events in one session than any person.
"""

import numpy as np

from ecom_assets.sandbox.shop import rows as r
from ecom_assets.sandbox.shop import traffic as t
from ecom_assets.sandbox.shop.catalogue import CATEGORIES
from ecom_assets.sandbox.shop.rows import Ints, Rows, joined
from ecom_assets.sandbox.shop.visits import World

VISITORS_PER_BOT = 1_000
_START_HOUR, _PAUSE_US = 1, 4_000_000
MOST_EVENTS = 1_400
_KINDS = np.array([r.PRODUCT] * 14 + [r.CATEGORY] * 3 + [r.PAGE] * 3, np.int8)


def bot_count(visitors: int) -> int:
    """Return the number of bots in a shop of this size: one per 1,000 people, at least one."""
    return max(1, visitors // VISITORS_PER_BOT)


def bot_events(world: World, day: int, bots: range, first_visit: int, first_number: int) -> Rows:
    """Return the events of bots, given by their ids, on a day: one session for each bot that is active on that day."""
    bot = np.arange(len(bots), dtype=np.int64)
    key = bot * 100_000 + day + world.days_before
    is_scraper = bot % 2 == 1
    is_active = world.dice.chance(np.where(is_scraper, 0.3, 0.5), "bot day", key)
    size = np.where(is_scraper, 600, 120) + world.dice.below(1, "bot size", key)
    size += world.dice.below(MOST_EVENTS - 600, "bot size", key) // np.where(is_scraper, 1, 6)
    parts, number = [], first_number
    for index in np.flatnonzero(is_active):
        who = (int(bot[index]), bots[int(index)], first_visit + int(index))
        parts.append(_session(world, day, who, np.arange(size[index], dtype=np.int64) + number))
        number += int(size[index])
    return joined(parts)


def _session(world: World, day: int, who: tuple[int, int, int], number: Ints) -> Rows:
    """Return one bot's session: mostly product pages, one every few seconds."""
    bot, visitor, visit = who
    dice, rows = world.dice, r.blank(len(number))
    pause = dice.below(_PAUSE_US, "bot pause", number)
    start = world.first_us + day * r.DAY + (_START_HOUR + bot % 20) * 3600 * r.SECOND
    rows["number"], rows["visitor"], rows["session"], rows["cookie"] = number, visitor, visit, visitor * 2
    rows["at"] = start + np.cumsum(pause)
    product = dice.below(len(world.catalogue.names), "bot product", number)
    category = dice.below(len(CATEGORIES), "bot category", number)
    rows["type"] = _KINDS[dice.below(len(_KINDS), "bot page", number)]
    rows["type"][0] = r.PAGE
    looks = rows["type"] == r.PRODUCT
    rows["product"][looks] = product[looks]
    rows["category"] = np.select([looks, rows["type"] == r.CATEGORY], [world.catalogue.category[product], category], -1)
    pages = [t.Pages.FIRST_PRODUCT + product, t.Pages.FIRST_CATEGORY + category]
    rows["page"] = np.select([looks, rows["type"] == r.CATEGORY], pages, t.Pages.HOME)
    is_scraper = bot % 2 == 1
    rows["is_known"] = is_scraper
    rows["agent"] = t.AGENTS_PER_DEVICE + 1 if is_scraper else t.FIRST_BOT_AGENT + bot // 2 % t.AGENTS_PER_DEVICE
    rows["properties"] = t.PROPERTIES_PER_DEVICE + bot % len(t.COUNTRIES) * t.PROPERTIES_PER_COUNTRY
    return rows
