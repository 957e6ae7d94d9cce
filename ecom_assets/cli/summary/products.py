"""The parts of a run's summary about journeys, searches and stock. Not here: the rest of it (`run_summary.py`)."""

from typing import Any

from ecom_assets.cli.chart import percent
from ecom_assets.cli.journeys import path_line
from ecom_assets.journeys.contracts import Journeys, SearchPerformance
from ecom_assets.journeys.queries import path_rows
from ecom_assets.products.contracts import ALERTS, InventoryAlerts, RawStock
from ecom_assets.products.stock import newest_stock
from ecom_assets.tables.days import Days
from ecom_assets.tables.portable import can_be_null
from ecom_assets.warehouse.engine import Engine

TOP_PATHS, TOP_TERMS = 5, 3


def summarize_products(engine: Engine, days: Days) -> dict[str, Any]:
    """Return what a run's summary says of journeys and searches on some days, and of the newest stock."""
    return {"journeys": _journeys(engine, days), "search": _search(engine, days), "inventory": _inventory(engine)}


def product_lines(summary: dict[str, Any]) -> list[str]:
    """Write that for people; nothing of what there is nothing of."""
    lines: list[str] = []
    if summary["journeys"] and summary["journeys"]["top_paths"]:
        lines += ["", "Paths through a session", *map(path_line, summary["journeys"]["top_paths"])]
    search = summary["search"]
    if search and search["searches"]:
        terms = ", ".join(f"{one['search_term']} {one['searches']:,}" for one in search["top_terms"])
        clicked = percent(search["click_rate"]).strip()
        lines += ["", f"Searches: {search['searches']:,}, {clicked} with a product viewed after; most for {terms}"]
    stock = summary["inventory"]
    if stock is None:
        return lines
    if stock["products"]:
        alerts = ", ".join(f"{name} {count:,}" for name, count in stock["alerts"].items())
        lines += ["", f"Stock of {stock['products']:,} products on {stock['as_of']}: {alerts}"]
    if stock["unreadable_lines"]:
        lines.append(f"  {stock['unreadable_lines']:,} lines of the catalogue say nothing; see raw.stock")
    return lines


def _journeys(engine: Engine, days: Days) -> dict[str, Any]:
    told = engine.table(Journeys)
    told = told.filter(days.contain(told.started_date), told.dimension == "page_type")
    counted = told.agg(sessions=told.count(), converted=told.is_converted.ifelse(1, 0).sum().fill_null(0))
    row = counted.to_pyarrow().to_pylist()[0]
    return {
        "sessions": int(row["sessions"]),
        "converted_sessions": int(row["converted"]),
        "top_paths": path_rows(told, TOP_PATHS),
    }


def _search(engine: Engine, days: Days) -> dict[str, Any]:
    table = engine.table(SearchPerformance)
    table = table.filter(days.contain(table.started_date))
    terms = table.group_by("search_term").agg(
        searches=table.search_count.sum(), clicked=table.clicked_search_count.sum()
    )
    rows = terms.order_by(terms.searches.desc(), terms.search_term).to_pyarrow().to_pylist()
    searches, clicked = (sum(int(row[name]) for row in rows) for name in ("searches", "clicked"))
    return {
        "searches": searches,
        "click_rate": clicked / searches if searches else None,
        "top_terms": [{**row, "searches": int(row["searches"]), "clicked": int(row["clicked"])} for row in rows][
            :TOP_TERMS
        ],
    }


def _inventory(engine: Engine) -> dict[str, Any]:
    raw, table = engine.table(RawStock), engine.table(InventoryAlerts)
    stock = newest_stock(raw)
    stock = can_be_null(stock, ["received_date"])
    told = stock.agg(products=stock.count(), as_of=stock.received_date.max()).to_pyarrow().to_pylist()[0]
    counts = table.group_by("alert").agg(products=table.count()).to_pyarrow().to_pylist()
    by_alert = {row["alert"]: int(row["products"]) for row in counts}
    unreadable = raw.filter(raw.reject_reason.notnull(), raw.received_date == raw.received_date.max().as_scalar())
    return {
        "as_of": str(told["as_of"]) if told["as_of"] else None,
        "products": int(told["products"]),
        "alerts": {name: by_alert.get(name, 0) for name in ALERTS},
        "unreadable_lines": int(unreadable.count().to_pyarrow().as_py()),
    }
