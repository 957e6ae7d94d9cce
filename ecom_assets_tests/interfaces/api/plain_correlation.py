"""The whole answer about a correlation, field by field, from the small shop's files."""

import math
from collections import defaultdict
from typing import Any, Final

import pytest
import scipy  # loads scipy.stats where it is called

from ecom_assets_tests.interfaces.api.plain_shop import PlainShop, Row

DAY_S: Final = 86_400
CORRELATION: Final[Row] = {
    "funnel": {"steps": ["product_view", "purchase"], "within": "3d"},
    "properties": ["product_category"],
    "limit": 50,
}


def correlation(shop: PlainShop) -> Row:
    """`/analytics/correlation` as `CORRELATION` asks."""
    totals = [0, 0]
    having: dict[tuple[str | None, str], list[int]] = defaultdict(lambda: [0, 0])
    on_the_way = {"add_to_cart", "checkout_start"}
    left_out: set[str] = set()
    streams: dict[str, list[Row]] = defaultdict(list)
    for event in shop.events:
        streams[event["user_id"]].append(event)
    for events in streams.values():
        starts = [event for event in events if event["event_type"] == "product_view"]
        if not starts:
            continue
        start, end, group = _attempt(starts, events)
        totals[group] += 1
        between = {
            event["event_type"]
            for event in events
            if start["at"] < event["at"]
            and (event["at"] < end if group == 0 else _seconds(start, event) < 3 * DAY_S)
        }
        left_out |= between & on_the_way
        for key in [(None, kind) for kind in between - {"product_view", "purchase"} - on_the_way]:
            having[key][group] += 1
        having["product_category", start["product_category"]][group] += 1
    answer = [_row(key, counts, totals) for key, counts in having.items() if counts != totals]
    return {
        "event_count": len(shop.events),
        "converted_count": totals[0],
        "other_count": totals[1],
        "total_count": len(answer),
        "correlations": sorted(answer, key=_order),
        "on_the_way": sorted(left_out),
        "warnings": [],
    }


def _attempt(starts: list[Row], events: list[Row]) -> tuple[Row, Any, int]:
    """Return the first view that a purchase follows in time, when that is, and 0;
    or else the first view, and 1.
    """
    for start in starts:
        for event in events:
            if event["event_type"] == "purchase" and 0 <= _seconds(start, event) <= 3 * DAY_S:
                return start, event["at"], 0
    return starts[0], None, 1


def _seconds(start: Row, event: Row) -> float:
    passed: float = (event["at"] - start["at"]).total_seconds()
    return passed


def _row(key: tuple[str | None, str], counts: list[int], totals: list[int]) -> Row:
    cells = [counts, [totals[0] - counts[0], totals[1] - counts[1]]]
    expected = scipy.stats.contingency.expected_freq(cells)
    if not all(cells[0] + cells[1]):
        cells = [[cell + 0.5 for cell in row] for row in cells]  # type: ignore[misc]
    (a, b), (c, d) = cells
    spread = (1 / a + 1 / b + 1 / c + 1 / d) ** 0.5
    ratio = a * d / b / c
    factor = a / (a + b) / (c / (c + d))
    reach = math.exp(1.959963984540054 * (1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)) ** 0.5)
    return {
        "property": key[0],
        "value": key[1],
        "converted_count": counts[0],
        "other_count": counts[1],
        "factor": _near(factor),
        "factor_low": _near(factor / reach),
        "factor_high": _near(factor * reach),
        "odds_ratio": _near(ratio),
        "low": _near(ratio / math.exp(1.959963984540054 * spread)),
        "high": _near(ratio * math.exp(1.959963984540054 * spread)),
        "is_enough": bool(expected.min() >= 5),
    }


def _near(value: float) -> Any:
    return pytest.approx(value, rel=1e-5)


def _order(row: Row) -> tuple[Any, ...]:
    ratio = row["odds_ratio"].expected
    size = row["converted_count"] + row["other_count"]
    name = (row["property"] or "", row["value"])
    return (0, -max(ratio, 1 / ratio), *name) if row["is_enough"] else (1, -size, *name)
