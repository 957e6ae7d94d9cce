"""Exports as people drop them, what a person answers about each on the page, and what it must come
to: the cases of public reports, and the samples of shipped layouts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ecom_assets.ingestion.sources.proposal.visit_sources import DIRECT
from ecom_assets_tests.cases.case import inputs_of
from ecom_assets_tests.ingestion.sources.event_layouts import LAYOUTS, EventLayout
from ecom_assets_tests.ingestion.sources.test_customer_files import SHOPIFY
from ecom_assets_tests.ingestion.sources.test_shop_order_documents import (
    CHARGE,
    MAGENTO_ORDER,
    PRESTA_ORDER,
    SHOPIFY_ORDER,
    TXN,
    WOO_ORDER,
)
from ecom_assets_tests.ingestion.sources.test_shop_orders import (
    ANN,
    ANN_2,
    BOB,
    CARLA,
    MAGENTO_GRID,
    PRESTA_LIST,
    STRIPE_PAYMENTS,
    WOO_ANALYTICS,
    csv_text,
)

ZONE = "timezone"
BERLIN = "Europe/Berlin"


@dataclass(frozen=True)
class Export:
    """An export, and what the page must say of it.

    Attributes:
        files: Writes or finds the files in a folder.
        kind: What they are.
        counted: Of each file, the rows that count, in order.
        money: What counts of orders, sold less paid back, by file; in the currency of `currency`.
        orders: The orders that count, of all files.
        events: Of events, the rows by our name, of all files.
        asks: What is open at first: a state's or event's own word, or the key of a question; with
            the answers. A zone is that of the shop.
        says: What a person chooses besides what is open, by the same keys.
        kind_is_set: Whether a person has to say what the file is.
        zone: The shop's zone.
        currency: The shop's currency.
        rates: What one unit of other currencies is worth, by their codes.
        refusal: What the page says in place of numbers, where that is right.
        loaded: What all of it comes to once it is loaded, where that is not the sum of `money`.
        funnel: Of events, steps in order, each with the visitors that got there.
    """

    files: Callable[[Path], Sequence[Path]]
    kind: str = "orders"
    counted: tuple[int, ...] = ()
    money: tuple[str, ...] = ()
    orders: int | None = None
    events: Mapping[str, int] = field(default_factory=dict)
    asks: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    kind_is_set: bool = False
    zone: str = "UTC"
    currency: str = "EUR"
    rates: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    loaded: str = ""
    funnel: tuple[tuple[str, int], ...] = ()

    @property
    def revenue(self) -> Decimal:
        """Return what the first page must show of orders once it is loaded."""
        return Decimal(self.loaded) if self.loaded else sum(map(Decimal, self.money), Decimal(0))


def of_case(name: str, *only: str) -> Callable[[Path], Sequence[Path]]:
    """Return what finds the files of a case, or some of them, by the order of their folders."""

    def found(_folder: Path) -> Sequence[Path]:
        inputs = inputs_of(name)
        paths = sorted(path for path in inputs.rglob("*") if path.is_file())
        return [
            path
            for path in paths
            if path.suffix not in {".yaml", ".md"} and (not only or path.name in only)
        ]

    return found


ASKS_ZONE = {ZONE: ""}
STATES_OF_BIGCOMMERCE = {
    "Awaiting Payment": "no sale",
    "Incomplete": "no sale",
    "Partially Refunded": "sale",
    ZONE: "",
}
THELOOK = {"home": "page_view", "product": "product_view", "Facebook": DIRECT}
"""Of its sources, Adwords and Email are filled in; those of Facebook came by links of their own."""
CASES: Mapping[str, Export] = {
    # The second file cancels order 101 of 100.00; the third changes order 102 to 40.00.
    "01": Export(of_case("01"), counted=(31, 6), money=("400", "60"), orders=37, loaded="360"),
    "02": Export(of_case("02"), counted=(32, 7), money=("540", "100"), orders=38, loaded="400"),
    "03": Export(of_case("03"), counted=(33,), money=("570",), orders=31),
    "04": Export(of_case("04"), counted=(32,), money=("338.75",), orders=31),
    "05": Export(of_case("05"), counted=(32,), money=("395",), orders=32),
    "06": Export(of_case("06"), counted=(32,), money=("300",), orders=31, currency="USD"),
    "07": Export(
        of_case("07"),
        "events",
        (12,),
        events={"page_view": 6, "purchase": 8},
        currency="USD",
        funnel=(
            ("page_view", 6),
            ("purchase", 6),
        ),
    ),
    "08": Export(
        of_case("08"),
        "events",
        (14,),
        events={"page_view": 7, "purchase": 7},
        funnel=(
            ("page_view", 7),
            ("purchase", 7),
        ),
    ),
    "09": Export(of_case("09"), "events", (7,), events={"revenue_amount": 3}),
    "12": Export(of_case("12"), counted=(31,), money=("500",), orders=31),
    "13": Export(
        of_case("13"),
        counted=(42,),
        money=("751.85",),
        orders=42,
        asks=ASKS_ZONE,
        zone="Europe/London",
        currency="GBP",
    ),
    "135": Export(
        of_case("135"), counted=(29,), money=("1033",), orders=23, asks={ZONE: ""}, zone=BERLIN
    ),
    "14 orders": Export(
        of_case("14"),
        counted=(18_025,),
        money=("0",),
        orders=13_506,
        asks={"payment_amount": "none", "no_customer": "left out", ZONE: ""},
        kind_is_set=True,
    ),
    "14 events": Export(
        of_case("14"),
        "events",
        (18_025,),
        events={"purchase": 18_025},
        asks={"event_type": "purchase", ZONE: ""},
        kind_is_set=True,
    ),
    "15": Export(
        of_case("15", "orders.csv"),
        counted=(33,),
        money=("380",),
        orders=32,
        asks=STATES_OF_BIGCOMMERCE,
        currency="USD",
    ),
    "15 status": Export(
        of_case("15", "orders_status.csv"),
        counted=(33,),
        money=("380",),
        orders=32,
        asks=STATES_OF_BIGCOMMERCE,
        currency="USD",
    ),
    "16 orders": Export(
        of_case("16", "order_items.csv"), counted=(40,), money=("924",), orders=32, currency="USD"
    ),
    "16 events": Export(
        of_case("16", "events.csv"),
        "events",
        (160,),
        says=THELOOK,
        events={"page_view": 40, "product_view": 40, "add_to_cart": 40, "purchase": 40},
        funnel=(
            ("product_view", 40),
            ("add_to_cart", 40),
            ("purchase", 40),
        ),
    ),
    "20": Export(of_case("20"), "events", (20,), events={"product_view": 10, "purchase": 10}),
    "25": Export(
        of_case("25", "orders_export.csv"),
        counted=(12,),
        money=("14800",),
        orders=10,
        currency="BDT",
    ),
    "25 sorted": Export(
        of_case("25", "sorted_by_item.csv"),
        counted=(12,),
        money=("14800",),
        orders=10,
        currency="BDT",
    ),
    "26": Export(
        of_case("26"),
        counted=(31,),
        money=("195500000",),
        orders=31,
        currency="VND",
        zone="Asia/Ho_Chi_Minh",
    ),
    "33": Export(of_case("33"), "events", (20,), events={"purchase": 20}),
    "35 events": Export(
        of_case("35", "events.jsonl"),
        "events",
        (60,),
        events={"page_view": 30, "purchase": 30},
        funnel=(
            ("page_view", 30),
            ("purchase", 30),
        ),
    ),
    "35 orders": Export(of_case("35", "orders.json"), counted=(30,), money=("300",), orders=30),
    "36": Export(of_case("36"), counted=(20, 20), money=("200", "600"), orders=40),
    "41": Export(of_case("41"), counted=(30,), money=("1035",), asks=ASKS_ZONE),
    "48 events": Export(
        of_case("48", "events_20260302.json"),
        "events",
        (40,),
        events={"page_view": 20, "purchase": 20},
        funnel=(
            ("page_view", 20),
            ("purchase", 20),
        ),
    ),
    "48 orders": Export(
        of_case("48", "orders_export.csv"), counted=(20,), money=("590",), orders=20
    ),
    "50": Export(of_case("50"), counted=(591,), money=("121230.70",), orders=281, zone=BERLIN),
    "51": Export(
        of_case("51"), counted=(591,), money=("121230.70",), orders=281, asks=ASKS_ZONE, zone=BERLIN
    ),
    "52": Export(
        of_case("52"), counted=(591,), money=("121230.70",), orders=281, asks=ASKS_ZONE, zone=BERLIN
    ),
    "53": Export(
        of_case("53"),
        "events",
        (70,),
        events={"page_view": 30, "product_view": 20, "purchase": 20},
        funnel=(
            ("product_view", 20),
            ("purchase", 20),
        ),
    ),
    "54": Export(
        of_case("54"),
        "events",
        (60,),
        says={"Charged": "purchase"},
        asks=ASKS_ZONE,
        events={"App Launched": 20, "product_view": 20, "purchase": 20},
        zone="Asia/Kolkata",
    ),
    "55": Export(
        of_case("55"),
        "events",
        (40,),
        events={"product_view": 20, "purchase": 20},
        funnel=(
            ("product_view", 20),
            ("purchase", 20),
        ),
    ),
    "56": Export(
        of_case("56"),
        "events",
        (60,),
        asks=ASKS_ZONE,
        zone="America/New_York",
        events={"product_view": 20, "add_to_cart": 20, "purchase": 20},
        funnel=(
            ("product_view", 20),
            ("add_to_cart", 20),
            ("purchase", 20),
        ),
    ),
    "57": Export(
        of_case("57"),
        "events",
        (20, 40),
        events={"page_view": 30, "purchase": 30},
        funnel=(
            ("page_view", 30),
            ("purchase", 30),
        ),
    ),
    "58": Export(
        of_case("58"),
        "events",
        (58,),
        events={"page_view": 20, "product_view": 20, "add_to_cart": 12, "purchase": 6},
        funnel=(
            ("product_view", 20),
            ("add_to_cart", 12),
            ("purchase", 6),
        ),
    ),
    "59": Export(
        of_case("59"),
        "events",
        (40,),
        events={"product_view": 20, "purchase": 20},
        funnel=(
            ("product_view", 20),
            ("purchase", 20),
        ),
    ),
    "60": Export(
        of_case("60"),
        "events",
        (60,),
        asks=ASKS_ZONE,
        events={"product_view": 20, "add_to_cart": 20, "purchase": 20},
        funnel=(
            ("product_view", 20),
            ("add_to_cart", 20),
            ("purchase", 20),
        ),
    ),
    "61": Export(of_case("61"), counted=(60,), money=("1440",), orders=30, zone=BERLIN),
    "62": Export(
        of_case("62"),
        counted=(32,),
        money=("1408",),
        orders=24,
        asks=ASKS_ZONE,
        zone="Europe/Vienna",
    ),
    "63": Export(
        of_case("63"),
        counted=(38,),
        money=("1297",),
        orders=25,
        asks=ASKS_ZONE,  # a row of an order repeats what its lines add up to, so it is no line
        zone=BERLIN,
    ),
    "64": Export(of_case("64"), counted=(40,), money=("800",), orders=40),
    "65": Export(
        of_case("65"),
        counted=(63,),
        money=("1976",),
        orders=60,
        zone="America/New_York",
        asks={"Payment": "sale", "no_customer": "of the order", ZONE: ""},
        currency="USD",
    ),
    # 20 of 25.00 euros, and 10 of 30.00 dollars at 0.90.
    "66": Export(
        of_case("66", "orders.csv"),
        counted=(30,),
        money=("770.00",),
        orders=30,
        asks=ASKS_ZONE,
        zone=BERLIN,
        rates={"USD": "0.90"},
    ),
}
"""By the number of the case, and the file where it has several kinds."""


def written(name: str, content: str | object) -> Callable[[Path], Sequence[Path]]:
    """Return what writes a file of a text, or of a JSON document."""
    import json  # noqa: PLC0415

    def write(folder: Path) -> Sequence[Path]:
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
        return [folder / name]

    return write


def of_layout(name: str) -> Callable[[Path], Sequence[Path]]:
    """Return what writes a vendor's layout of events: one file, or several."""

    def write(folder: Path) -> Sequence[Path]:
        out = LAYOUTS[name].write(folder)
        paths = sorted(out.rglob("*")) if out.is_dir() else [out]
        return [path for path in paths if path.is_file() and "manifest" not in path.name]

    return write


def story_of(layout: EventLayout) -> Mapping[str, int]:
    """Return what happens in a vendor's layout: three views, two to the cart, a purchase."""
    if layout.copies:  # the rows of copies are listed, too
        return {}
    cart = {"add_to_cart": 2} if layout.has_cart else {}
    return {"product_view": 3, **cart, "purchase": 1}


def funnel_of(layout: EventLayout) -> tuple[tuple[str, int], ...]:
    """Return who got how far in a vendor's layout."""
    cart = (("add_to_cart", 2),) if layout.has_cart else ()
    return (("product_view", 3), *cart, ("purchase", 1))


WOO_CUSTOMERS = (
    "Name,Username,Last Active,Sign Up,Email,Orders,Total Spend,AOV,Country / Region,City,Region,"
    "Postal Code\n"
    "Ann Ames,ann,2026-06-30 23:30:00,2026-01-05 08:00:00,Ann@example.com,2,72.00,36.00,DE,Dresden,"
    "SN,01067\n"
)
HUBSPOT = (
    "Record ID,First Name,Last Name,Email,City\n7,Zoë,Müller,Zoe@example.com,Köln\n"
    "8,Jörg,Groß,joerg@example.com,Köln\n"
)
SAMPLES: Mapping[str, Export] = {
    # Ann's two lines are 47.00, Bob's 25.00; Carla's order of 25.00 went back.
    "shopify": Export(
        written("orders_export.csv", csv_text([ANN, ANN_2, BOB, CARLA])),
        counted=(5,),
        money=("72.00",),
        orders=3,
    ),
    "shopify_admin": Export(
        written("orders.json", {"orders": [SHOPIFY_ORDER]}),
        counted=(5,),
        money=("27.50",),
        orders=1,
    ),
    "woocommerce": Export(
        written("orders.json", [WOO_ORDER]), counted=(4,), money=("26.00",), orders=1
    ),
    "woocommerce_analytics": Export(
        written("orders.csv", WOO_ANALYTICS), counted=(2,), money=("26.00",), orders=2
    ),
    "magento": Export(
        written("orders.json", {"items": [MAGENTO_ORDER], "total_count": 1}),
        counted=(3,),
        money=("65.00",),
        orders=1,
        currency="USD",
    ),
    "magento_grid": Export(
        written("orders.csv", MAGENTO_GRID),
        counted=(3,),
        money=("1100.00",),
        orders=2,
        currency="USD",
    ),
    "prestashop": Export(
        written("orders.json", {"orders": [PRESTA_ORDER]}),
        counted=(2,),
        money=("24.00",),
        orders=1,
    ),
    "prestashop_list": Export(
        written("orders.csv", PRESTA_LIST), counted=(1,), money=("1072.00",), orders=1
    ),
    "stripe": Export(
        written("charges.json", {"object": "list", "data": [CHARGE]}),
        counted=(1,),
        money=("19.99",),
        orders=1,
    ),
    "stripe_balance": Export(
        written("balance.json", {"data": [TXN]}), counted=(1,), money=("20.00",), orders=1
    ),
    "stripe_payments": Export(
        written("payments.csv", STRIPE_PAYMENTS), counted=(2,), money=("720.00",), orders=1
    ),
    "shopify customers": Export(written("customers.csv", SHOPIFY), "customers", (2,)),
    "woocommerce customers": Export(written("customers.csv", WOO_CUSTOMERS), "customers", (1,)),
    "hubspot": Export(written("contacts.csv", HUBSPOT), "customers", (2,)),
    **{
        name: Export(
            of_layout(name),
            "events",
            events=story_of(layout),
            funnel=funnel_of(layout),
            asks=ASKS_ZONE if name == "mixpanel" else {},  # that of the project
        )
        for name, layout in LAYOUTS.items()
    },
}
"""By the name of the mapping, or of the vendor's layout of events."""
