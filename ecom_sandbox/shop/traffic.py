"""The traffic of the simulated shop: its sources, and visitors' cities, devices,
search queries and pages.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ecom_sandbox.shop.catalogue import CATEGORIES, FIRST_PRODUCT_ID, Catalogue
from ecom_sandbox.shop.rows import Ints

SHOP_URL = "https://shop.example.com"


@dataclass(frozen=True)
class Source:
    """A traffic source, with its weights among new and returning visits;
    `warmth` is the chance of an intent to buy.
    """

    name: str
    utm: str
    referrer: str
    new: float
    returning: float
    warmth: float
    landing: tuple[float, float, float]
    """Shares of visits that land on the home page, a category page and a product page."""


def _utm(source: str, medium: str, campaign: str) -> str:
    return f"utm_source={source}&utm_medium={medium}&utm_campaign={campaign}"


_GOOGLE, _FACEBOOK = "https://www.google.com/", "https://l.facebook.com/"
_HOME, _MIXED, _DEEP = (0.8, 0.15, 0.05), (0.4, 0.3, 0.3), (0.1, 0.2, 0.7)
SOURCES = (
    Source("google organic", "", _GOOGLE, 27, 16, 0.5, _MIXED),
    Source("google brand ads", _utm("google", "cpc", "brand"), _GOOGLE, 6, 6, 0.7, _HOME),
    Source("google shopping", _utm("google", "cpc", "shopping_feed"), _GOOGLE, 11, 4, 0.55, _DEEP),
    Source("bing organic", "", "https://www.bing.com/", 4, 2, 0.5, _MIXED),
    Source("duckduckgo organic", "", "https://duckduckgo.com/", 1.5, 1, 0.5, _MIXED),
    Source(
        "facebook ads", _utm("facebook", "paid_social", "new_season"), _FACEBOOK, 9, 2, 0.25, _DEEP
    ),
    Source(
        "facebook again",
        _utm("facebook", "paid_social", "retargeting"),
        _FACEBOOK,
        0,
        5,
        0.6,
        _DEEP,
    ),
    Source("facebook posts", "", "https://m.facebook.com/", 3, 2, 0.3, _MIXED),
    Source(
        "stories",
        _utm("instagram", "social", "stories"),
        "https://l.instagram.com/",
        7,
        4,
        0.25,
        _DEEP,
    ),
    Source("pinterest", "", "https://www.pinterest.com/", 2, 1, 0.3, _DEEP),
    Source(
        "youtube",
        _utm("youtube", "video", "lookbook"),
        "https://www.youtube.com/",
        2,
        1,
        0.3,
        _MIXED,
    ),
    Source("newsletter", _utm("newsletter", "email", "weekly_digest"), "", 0.5, 12, 0.8, _MIXED),
    Source(
        "reminder",
        _utm("crm", "email", "cart_reminder"),
        "https://mail.google.com/",
        0,
        3,
        0.9,
        _DEEP,
    ),
    Source("direct", "", "", 17, 35, 0.65, _HOME),
    Source(
        "coupons",
        _utm("dealhunter", "affiliate", "coupons"),
        "https://deals.example.net/",
        3,
        2,
        0.75,
        _HOME,
    ),
    Source(
        "blog",
        _utm("styleblog", "affiliate", "reviews"),
        "https://style.example.org/",
        2,
        1,
        0.5,
        _DEEP,
    ),
    Source("referral", "", "https://forum.example.org/best-shops", 3, 2, 0.5, _MIXED),
    Source(
        "banner",
        _utm("adnetwork", "display", "banner"),
        "https://news.example.net/",
        2,
        0.6,
        0.15,
        _MIXED,
    ),
    Source("assistant", "", "https://chatgpt.com/", 1, 0.4, 0.6, _DEEP),
)
# City, country, weight among visitors.
CITIES = (
    ("Berlin", "DE", 9),
    ("Hamburg", "DE", 6),
    ("Munich", "DE", 6),
    ("Cologne", "DE", 4),
    ("Vienna", "AT", 4),
    ("Zurich", "CH", 3),
    ("Paris", "FR", 7),
    ("Lyon", "FR", 3),
    ("London", "GB", 8),
    ("Manchester", "GB", 3),
    ("Madrid", "ES", 4),
    ("Barcelona", "ES", 3),
    ("Milan", "IT", 4),
    ("Rome", "IT", 3),
    ("Amsterdam", "NL", 4),
    ("Warsaw", "PL", 4),
    ("Stockholm", "SE", 2),
    ("Copenhagen", "DK", 2),
    ("New York", "US", 6),
    ("Los Angeles", "US", 4),
    ("Chicago", "US", 2),
    ("Toronto", "CA", 2),
    ("Tokyo", "JP", 2),
    ("Sydney", "AU", 2),
)
COUNTRIES = tuple(dict.fromkeys(country for _, country, _ in CITIES))
DEVICES = ("mobile", "desktop", "tablet")
DEVICE_SHARES = (0.62, 0.33, 0.05)
_M, _LIKE = "Mozilla/5.0", "(KHTML, like Gecko)"
_WEBKIT, _APPLE = f"AppleWebKit/537.36 {_LIKE}", f"AppleWebKit/605.1.15 {_LIKE} Version/18.2"
_APP = "Safari/537.36 ExampleShop/3.1"
"""The shop's own app, which shows pages in a web view."""
AGENTS = {
    "mobile": (
        f"{_M} (iPhone; CPU iPhone OS 18_2 like Mac OS X) {_APPLE} Mobile/15E148 Safari/604.1",
        f"{_M} (Linux; Android 15; Pixel 9) {_WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36",
        f"{_M} (Linux; Android 14; SM-S921B; wv) {_WEBKIT} Chrome/131.0.0.0 Mobile {_APP}",
    ),
    "desktop": (
        f"{_M} (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36",
        f"{_M} (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
        f"{_M} (Macintosh; Intel Mac OS X 10_15_7) {_APPLE} Safari/605.1.15",
    ),
    "tablet": (
        f"{_M} (iPad; CPU OS 18_2 like Mac OS X) {_APPLE} Mobile/15E148 Safari/604.1",
        f"{_M} (Linux; Android 14; SM-X710) {_WEBKIT} Chrome/131.0.0.0 Safari/537.36",
        f"{_M} (Linux; Android 13; Lenovo TB-J606F) {_WEBKIT} Chrome/130.0.0.0 Safari/537.36",
    ),
    "bot": (
        f"{_M} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        f"{_M} (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        f"{_M} (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    ),
}
AGENT_TEXTS = tuple(agent for agents in AGENTS.values() for agent in agents)
AGENTS_PER_DEVICE = 3
FIRST_BOT_AGENT = AGENTS_PER_DEVICE * len(DEVICES)
QUERIES = (
    "running shoes",
    "black boots",
    "rain jacket",
    "linen shirt",
    "slim jeans",
    "beanie",
    "backpack 20l",
    "leather belt",
    "diver watch",
    "gift for him",
    "gift for her",
    "wool scarf",
    "tea pot",
    "chef knife",
    "yoga mat",
    "tent 2 person",
    "hand cream",
    "candle",
    "sale",
    "waterproof",
    "white sneaker",
    "chino",
    "polo",
    "lamp",
    "weekend bag",
)


class Pages:
    """All URLs that can occur in page_url or referrer_url.

    The code of a URL is its index in `texts`.

    The shop's pages come first, without UTM parameters and then with those of each source. External
    referrers follow.
    """

    HOME, CART, CHECKOUT, THANKS, ACCOUNT, ABOUT, SHIPPING, SALE = range(8)
    FIRST_CATEGORY = 8
    FIRST_SEARCH = FIRST_CATEGORY + len(CATEGORIES)
    FIRST_PRODUCT = FIRST_SEARCH + len(QUERIES)
    _FIXED = (
        "/",
        "/cart",
        "/checkout",
        "/order/complete",
        "/account",
        "/about",
        "/shipping",
        "/sale",
    )

    def __init__(self, catalogue: Catalogue) -> None:
        paths = [*self._FIXED, *(f"/c/{name.lower()}" for name in CATEGORIES)]
        paths += [f"/search?q={query.replace(' ', '+')}" for query in QUERIES]
        paths += [
            f"/p/{FIRST_PRODUCT_ID + i}-{name.lower().replace(' ', '-')}"
            for i, name in enumerate(catalogue.names)
        ]
        tags = list(dict.fromkeys(["", *(source.utm for source in SOURCES)]))
        outside = list(dict.fromkeys(source.referrer for source in SOURCES if source.referrer))
        plain = [SHOP_URL + path for path in paths]
        tagged = [f"{url}?{tag}" if tag else url for tag in tags for url in plain]
        self.texts = (*tagged, *outside)
        self.tag_offsets = [tags.index(source.utm) * len(plain) for source in SOURCES]
        self.referrers = [
            len(tagged) + outside.index(s.referrer) if s.referrer else -1 for s in SOURCES
        ]
        self._source_of_page = np.full(len(self.texts) + 1, -1, np.int64)
        self._source_of_referrer = self._source_of_page.copy()
        for index, source in reversed(list(enumerate(SOURCES))):
            offset, referrer = self.tag_offsets[index], self.referrers[index]
            if source.utm:
                self._source_of_page[offset : offset + len(plain)] = index
            elif source.referrer:
                self._source_of_referrer[referrer] = index

    def sources_of(self, page: Ints, referrer: Ints) -> Ints:
        """Return the index of the source that the addresses of each event say, -1 for none; the
        code of no address is -1, too.
        """
        by_tag: Ints = self._source_of_page[page]
        return np.where(by_tag >= 0, by_tag, self._source_of_referrer[referrer])


def property_texts() -> tuple[str, ...]:
    """Return the JSON of each property code: every combination of trial, device,
    country and search query.
    """
    return tuple(
        f'{{"device":"{device}","country":"{country}"'
        + (f',"query":"{query}"' if query else "")
        + trial
        + "}"
        for trial in ("", *TRIALS)
        for device in DEVICES
        for country in COUNTRIES
        for query in ("", *QUERIES)
    )


CONTROL, TEST = "control", "size_guide"
TRIALS: Final = tuple(
    f',"variant":"{variant}"' + (',"size_guide":"opened"' if is_opened else "")
    for variant in (CONTROL, TEST)
    for is_opened in (False, True)
)
"""What the codes of `trial`, from 1 on, add to the properties of an event."""
OPENED_RATES: Final = {CONTROL: 0.04, TEST: 0.08}
"""The planted effect: the share of product views on which the size guide is opened, by variant."""
PROPERTIES_PER_COUNTRY = len(QUERIES) + 1
PROPERTIES_PER_DEVICE = len(COUNTRIES) * PROPERTIES_PER_COUNTRY
PROPERTIES_PER_TRIAL = len(DEVICES) * PROPERTIES_PER_DEVICE
