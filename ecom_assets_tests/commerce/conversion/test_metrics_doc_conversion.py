"""What `docs/metrics/` says of funnels by device and channel, recomputed from its input."""

from collections import defaultdict
from typing import Any

from ecom_assets.commerce.conversion.contracts import ConversionByDimension
from ecom_assets.core.tables.days import Days
from ecom_assets_tests.builders import DAY_ONE, Row, at, received
from ecom_assets_tests.markdown import definition
from ecom_assets_tests.platform import Platform

HOME = "https://shop.example/"
AGENTS = {
    "iPhone": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) Mobile/15E148",
    "Windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0.0.0",
    "(none)": None,
}
PAGES = {"Email": f"{HOME}?utm_source=news&utm_medium=email", "Direct": HOME}
MADE_OF = (
    "duplicate_events",
    "quarantined_events",
    "events",
    "session_events",
    "session_days",
    "sessions",
    "session_sources",
    "touches",
    "funnel_entries",
    "conversion_by_dimension",
)


def visit(name: str, agent: str | None, page: str, *kinds: str) -> list[Row]:
    """Rows of a visit: its events a minute apart, each of a product where its type wants one."""
    return [
        received(
            f"{name}-{n}",
            at(f"09:{n:02}"),
            user_id=name,
            event_type=kind,
            user_agent=agent,
            page_url=page,
            product_id="p1" if kind in {"product_view", "add_to_cart"} else None,
        )
        for n, kind in enumerate(kinds)
    ]


def counted(platform: Platform, rows: list[Row]) -> dict[tuple[str, str, str], dict[int, int]]:
    """Return sessions by step, for each funnel, dimension and value."""
    days = Days((DAY_ONE,))
    platform.receive(rows, days)
    platform.run(days, only=MADE_OF)
    actual: dict[tuple[str, str, str], dict[int, int]] = defaultdict(dict)
    for row in platform.rows(ConversionByDimension):
        actual[row["funnel_name"], row["dimension"], row["value"]][row["step"]] = row["unit_count"]
    return dict(actual)


def test_the_example_gives_what_the_page_says(platform: Platform) -> None:
    sessions, expected = definition("By device, channel and category").tables
    rows: list[Row] = []
    for line in sessions:
        kinds = line["does"].split(", ")
        rows += visit(
            f"visitor {line['session']}", AGENTS[line["browser"]], PAGES[line["came by"]], *kinds
        )
    actual = counted(platform, rows)
    for line in expected:
        steps = actual[line["funnel"], line["dimension"], line["value"]]
        assert (steps[1], steps[2]) == (int(line["step 1"]), int(line["step 2"])), line


AGENTS_BY_DEVICE: dict[str, list[Any]] = {
    "tablet": [
        "Mozilla/5.0 (iPad; CPU OS 18_2 like Mac OS X) Mobile/15E148",
        "Mozilla/5.0 (Linux; Android 14; SM-X710) Chrome/131.0.0.0 Safari/537.36",
    ],
    "mobile": [
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/131.0.0.0 Mobile Safari/537.36",
        "shop/3 (iPod)",
    ],
    "desktop": [
        "Mozilla/5.0 (X11; Linux x86_64) Firefox/133.0",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
    ],
    "robot": ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"],
    "other": [None, "curl/8.5.0"],
}


def test_the_browser_gives_the_device_of_its_session(platform: Platform) -> None:
    rows = [
        row
        for device, agents in AGENTS_BY_DEVICE.items()
        for n, agent in enumerate(agents)
        for row in visit(f"{device} {n}", agent, HOME, "page_view")
    ]
    actual = counted(platform, rows)
    answer = {
        value: steps[1]
        for (funnel, dimension, value), steps in actual.items()
        if dimension == "device"
    }
    assert answer == {device: len(agents) for device, agents in AGENTS_BY_DEVICE.items()}


def test_a_session_has_the_device_of_its_first_event(platform: Platform) -> None:
    first, second = visit("ann", AGENTS["iPhone"], HOME, "page_view", "page_view")
    second["user_agent"] = AGENTS["Windows"]
    actual = counted(platform, [second, first])
    assert {value for _, dimension, value in actual if dimension == "device"} == {"mobile"}
