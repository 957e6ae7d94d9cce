"""The ways to show a trend, and what stands beside shares: against the files of the small shop."""

import json
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ecom_assets.behaviour.events.names import event_name
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.formats import MINUS
from ecom_assets.interfaces.api.routes import behaviour
from ecom_assets.interfaces.dashboard import trend_ways
from ecom_assets.interfaces.dashboard.blocks import (
    Chart,
    DataTable,
    Notice,
    Several,
    Tile,
    Tiles,
    of_share,
)
from ecom_assets.interfaces.dashboard.page import View
from ecom_assets.interfaces.dashboard.pages import funnel, retention
from ecom_assets.interfaces.dashboard.rendering import TEMPLATES
from ecom_assets.interfaces.dashboard.trend_ways import ShownTrend, TrendLine
from ecom_assets_tests.each import each
from ecom_assets_tests.interfaces.api.plain_shop import PlainShop
from ecom_assets_tests.interfaces.dashboard.conftest import Client
from ecom_assets_tests.interfaces.dashboard.html import Node, read
from ecom_assets_tests.interfaces.dashboard.test_builders import STEPS, page, post, section, table


@pytest.fixture(scope="module")
def shop(settings: Settings) -> PlainShop:
    """The files of the shop."""
    return PlainShop(settings.home.parent / "files")


def shown(lines: int, periods: int, *, is_broken_down: bool) -> ShownTrend:
    line = TrendLine("Views", [1] * periods, (), 1, adds_up=True, is_rest=False, kind="count")
    return ShownTrend([line] * lines, range(periods), [], is_broken_down, "", "EUR")


@each(
    "trend, way",
    [
        (shown(1, 5, is_broken_down=False), "lines"),
        (shown(26, 90, is_broken_down=False), "lines"),
        (shown(1, 4, is_broken_down=False), "bars"),
        (shown(2, 1, is_broken_down=False), "number"),
        (shown(2, 1, is_broken_down=True), "ranking"),
        (shown(6, 30, is_broken_down=True), "lines"),
        (shown(7, 30, is_broken_down=True), "ranking"),
    ],
)
def test_what_is_asked_chooses_the_way(trend: ShownTrend, way: str) -> None:
    assert trend.way == way


def test_numbers_that_have_no_space_are_not_left_out_in_silence() -> None:
    six, seven = (trend_ways.number(shown(lines, 5, is_broken_down=True)) for lines in (6, 7))
    assert isinstance(six, Tiles)
    assert isinstance(seven, Several)
    tiles, note = seven.blocks
    assert isinstance(tiles, Tiles)
    assert len(tiles.tiles) == len(six.tiles) == 6
    assert note == Notice("The first 6 of 7; a table has all.")


def test_a_total_before_is_of_what_adds_up_and_is_whole() -> None:
    line = TrendLine("Views", [4, 5], [1, 2], 9, adds_up=True, is_rest=False, kind="count")
    assert line.total_before == 3
    unknown = TrendLine("Views", [4, 5], [None, 2], 9, adds_up=True, is_rest=False, kind="count")
    visitors = TrendLine("Views", [4, 5], [1, 2], 9, adds_up=False, is_rest=False, kind="count")
    assert unknown.total_before is visitors.total_before is None


def drawn(shown: Node) -> dict[str, Any]:
    chart: dict[str, Any] = json.loads(shown.one("script", class_="chart-data").texts[0])
    return chart


def chosen(shown: Node) -> str:
    ways = shown.one("ul", class_="ways").all("a")
    return next(link.text for link in ways if link.attributes.get("aria-current") == "true")


def test_a_ranking_has_products_by_name_and_the_others_as_one(
    client: Client, shop: PlainShop
) -> None:
    trend = section(
        page(client, "trend", series1="product_view", by="product_id", limit="3", chart="ranking"),
        "Trend",
    )
    views = Counter(
        event["product_id"] for event in shop.events if event["event_type"] == "product_view"
    )
    names = {line["item_id"]: line["item_name"] for line in shop.lines}
    ranked = sorted(views.items(), key=lambda item: (-item[1], item[0]))
    expected = [[names.get(name, name), f"{count:,}"] for name, count in ranked[:3]]
    rest = sum(count for _, count in ranked[3:])
    assert sorted(table(trend)[:3]) == sorted(expected)
    assert table(trend)[3:] == [["All others", f"{rest:,}"]]
    assert rest > 0
    assert chosen(trend) == "Ranking"
    rows = drawn(trend)["rows"]
    assert [row["is_rest"] for row in rows] == [False, False, False, True]
    assert [row["value"] for row in rows[:3]] == sorted(
        (row["value"] for row in rows[:3]), reverse=True
    )


def test_a_number_is_that_of_all_days_and_visitors_count_once(
    client: Client, shop: PlainShop
) -> None:
    choices = {"series1": "product_view", "series2": "product_view:visitors"}
    trend = section(page(client, "trend", **choices, chart="number"), "Trend")
    views = [event for event in shop.events if event["event_type"] == "product_view"]
    numbers = [node.attributes["data-value"] for node in trend.all("p", class_="number")]
    assert [float(text) for text in numbers] == [
        len(views),
        len({event["user_id"] for event in views}),
    ]


def test_a_table_has_a_row_per_period_below_that_of_all_days(
    client: Client, shop: PlainShop
) -> None:
    choices = {"series1": "product_view", "series2": "product_view:visitors", "period": "week"}
    trend = section(page(client, "trend", **choices, chart="table"), "Trend")
    answer = post(
        client,
        "/analytics/trend",
        {"series": ["product_view", "product_view:visitors"], "period": "week"},
    )
    views = [event for event in shop.events if event["event_type"] == "product_view"]
    first, *rows = table(trend)
    assert first == [
        "All days",
        f"{len(views):,}",
        f"{len({event['user_id'] for event in views}):,}",
    ]
    assert [row[0] for row in rows] == answer["periods"]
    assert sum(int(row[1].replace(",", "")) for row in rows) == len(views)


def test_a_formula_has_that_of_the_totals(client: Client, shop: PlainShop) -> None:
    """Not the mean of the days: each view counts once."""
    asked = {"series": ["add_to_cart", "product_view"], "formula": "A / B"}
    (line,) = post(client, "/analytics/trend", asked)["formula"]
    counts = Counter(event["event_type"] for event in shop.events)
    assert line["total"] == pytest.approx(counts["add_to_cart"] / counts["product_view"])


def test_an_address_keeps_the_way_and_the_form_sends_it_again(client: Client) -> None:
    shown = page(client, "trend", series1="product_view", by="product_category", chart="bars")
    trend = section(shown, "Trend")
    assert chosen(trend) == "Bars"
    assert drawn(trend)["spec"]["mark"] == {"type": "bar"}
    (select,) = [one for one in shown.all("select") if one.attributes["name"] == "chart"]
    assert [
        option.attributes["value"]
        for option in select.all("option")
        if "selected" in option.attributes
    ] == ["bars"]
    links = trend.one("ul", class_="ways").all("a")
    assert [link.text for link in links] == ["Lines", "Bars", "Ranking", "Number", "Table"]
    assert all("by=product_category" in link.attributes["href"] for link in links)


def test_a_share_says_of_how_many_it_is_and_what_chance_allows(client: Client) -> None:
    """Wilson's interval as in textbooks: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)."""
    asked = page(client, "funnel", **STEPS, by="product_category")
    shown = section(asked, "Breakdown")
    answer = post(
        client, "/analytics/funnel", {"steps": [*STEPS.values()], "by": "product_category"}
    )
    z = 1.959964
    for part, row in zip(answer["breakdown"], shown.one("tbody").all("tr"), strict=True):
        n, share = part["steps"][0]["count"], part["steps"][-1]["conversion_from_start"]
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
        said = row.one("span", class_="counted")
        low, high = said.attributes["data-range"].removeprefix("by chance ").split(" to ")
        assert float(low.rstrip("%")) == pytest.approx(100 * (middle - reach), abs=0.06)
        assert float(high.rstrip("%")) == pytest.approx(100 * (middle + reach), abs=0.06)
        assert ("few" in said.attributes["class"].split()) == (n < 30)
        assert f"{low} to {high}" in row.text, "it stands in the table, too"
    assert min(step["count"] for step in answer["steps"]) >= 30
    of_all = section(asked, "Steps").all("span", class_="counted")
    assert [share for share in of_all if "few" in share.attributes["class"].split()] == []
    assert len(of_all) > 2


NOBODY = cast(
    "View",
    SimpleNamespace(
        filters=SimpleNamespace(saved=""),
        may=lambda _: False,
        why=lambda _: "",
        filled_by=lambda _: None,
        currency="EUR",
    ),
)
"""A view that keeps nothing and may see nothing."""
DEVICES = {"desktop": (56, 70), "mobile": (48, 80)}
"""Newcombe's example: 80 % and 60 % differ by 5 to 33 points by chance; of few they would not."""


def test_a_value_of_a_funnel_that_differs_from_the_others_is_marked() -> None:
    def breakdown(counts: dict[str, tuple[int, int]]) -> DataTable:
        parts = [
            {
                "value": value,
                "steps": [
                    {"step": 1, "count": whole, "conversion_from_start": 1.0},
                    {"step": 2, "count": part, "conversion_from_start": part / whole},
                ],
            }
            for value, (part, whole) in counts.items()
        ]
        answer = {"steps": [{}, {}], "breakdown": parts, "definition": {"by": "device"}}
        return cast("DataTable", funnel.breakdown(NOBODY, answer))

    marked, alike = breakdown(DEVICES), breakdown({"desktop": (56, 70), "mobile": (62, 80)})
    assert [row["against"] for row in marked.rows] == ["▲ higher", "▼ lower"]
    assert "Beyond chance" in [column.label for column in marked.columns]
    assert "against all other values together" in marked.note
    assert "Beyond chance" not in [column.label for column in alike.columns]
    assert alike.note == ""


def test_a_period_of_retention_that_differs_from_that_of_the_others_is_marked() -> None:
    """Half of 70 and half of 80 came back in the second period, which is the same."""
    parts = [
        {
            "value": value,
            "totals": [
                {"period": "1", "returned": part, "size": whole, "rate": part / whole},
                {"period": "2", "returned": whole // 2, "size": whole, "rate": 0.5},
            ],
        }
        for value, (part, whole) in DEVICES.items()
    ]
    answer = {"breakdown": parts, "definition": {"by": "device"}}
    chart = cast("Chart", retention.breakdown(NOBODY, answer))
    marks = {(row["value"], row["period"]): row["against"] for row in chart.rows}
    assert marks == {
        ("desktop", "1"): "▲ higher",
        ("desktop", "2"): "",
        ("mobile", "1"): "▼ lower",
        ("mobile", "2"): "",
    }
    assert "Beyond chance" in [column.label for column in chart.columns]


@each(
    "change, said, feeling",
    [
        (0.0006, "+0.1% ▲", "good"),
        (0.0004, "0.0% ■", ""),
        (-0.0004, "0.0% ■", ""),
        (-0.0006, f"{MINUS}0.1% ▼", "bad"),
    ],
)
def test_a_change_that_reads_as_nothing_is_neither_up_nor_down(
    change: float, said: str, feeling: str
) -> None:
    """9.05 % of sessions had a purchase, and before 9.0546 %."""
    tile = Tile("Sessions with a purchase", 0.0905, "rate", "", previous=0.0905, change=change)
    shown = read(
        TEMPLATES.get_template("blocks/tiles.html").render(block=Tiles([tile]), view=NOBODY)
    )
    assert shown.one("span", class_="change").text == said
    assert tile.feeling(change) == feeling


@each(
    "now, before, said",
    [
        ((0.8, 70), (0.6, 80), "from 60.0%, beyond chance"),
        ((0.8, 70), (0.775, 80), "from 77.5%, within chance"),
        ((0.8, 20), (0.6, 80), "from 60.0%"),
        ((0.8, 70), (0.6, 20), "from 60.0%"),
    ],
)
def test_a_tile_of_a_share_says_whether_its_change_is_more_than_chance(
    now: tuple[float, int], before: tuple[float, int], said: str
) -> None:
    """Of fewer than 30, then or now, nothing is said."""
    name = "engagement_rate"
    rows = [{name: rate, "session_count": count} for rate, count in (now, before)]
    tile = Tile(
        "Engagement rate",
        now[0],
        "rate",
        "",
        previous=before[0],
        change=now[0] / before[0] - 1,
        **of_share(behaviour.EngagementNumbers, name, *rows),
    )
    template = TEMPLATES.get_template("blocks/tiles.html")
    shown = read(template.render(block=Tiles([tile]), view=NOBODY))
    assert shown.one("span", class_="muted").text == said
    counted = shown.one("p", class_="counted")
    assert counted.text == f"of {now[1]}"
    assert ("few" in counted.attributes["class"].split()) == (now[1] < 30)


def test_paths_open_on_what_comes_after_the_first_page(client: Client, shop: PlainShop) -> None:
    shown = section(page(client, "paths"), "What comes next")
    expected: Counter[str] = Counter()
    for session in shop.sessions:
        types = [event["event_type"] for event in session.events]
        if "page_view" in types:
            after = [name for name in types[types.index("page_view") :] if name != "page_view"]
            expected[event_name(after[0], {}) if after else "Leave the shop"] += 1
    assert {row["name"]: row["count"] for row in drawn(shown)["rows"]} == dict(expected)


def test_attribution_is_one_entry_with_two_parts(client: Client) -> None:
    for path, label in (("attribution", "Orders"), ("credit", "Purchases")):
        shown = page(client, path)
        entries = [link for link in shown.one("nav").all("a") if "ttribution" in link.text]
        assert [link.text for link in entries] == ["Attribution"]
        assert entries[0].attributes["aria-current"] == "page"
        assert chosen(shown).startswith(label)


def test_the_other_part_of_attribution_has_the_same_days(client: Client) -> None:
    days = "start_date=2026-02-03&end_date=2026-02-09"
    for path, other, begins in (
        ("attribution?time_range=week", "credit", days),
        (f"credit?{days}", "attribution", days),
        ("credit?last=7d", "attribution", "time_range=week"),
    ):
        shown = read(client.get(f"/dashboard/{path}").text)
        (link,) = [
            part.attributes["href"]
            for part in shown.one("ul", class_="ways").all("a")
            if "aria-current" not in part.attributes
        ]
        assert link == f"/dashboard/{other}?{begins}"
