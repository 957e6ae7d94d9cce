"""Ask CONTRIBUTING's questions by command, route and page, in a process whose list of
questions has two lines more.

The arguments are a file of events, one of orders, and a home with published tables;
`test_recipe.py` reads what is written.
"""

import json
import sys
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ecom_assets.core.errors import UsageError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.all_questions import QUESTIONS, QuestionEntry
from ecom_assets_tests.recipes.basket_sizes import answer as basket_sizes
from ecom_assets_tests.recipes.week_hours import answer

LINES = {
    "week-hours": QuestionEntry(
        "ecom_assets.week_hours.answer.WEEK_HOURS", "Count the events of each hour of the week."
    ),
    "basket-sizes": QuestionEntry(
        "ecom_assets.basket_sizes.answer.BASKET_SIZES", "Count orders by their number of lines."
    ),
}


def ecom(*arguments: str) -> str:
    """Return what a command prints."""
    with redirect_stdout(StringIO()) as out:
        import_module("ecom_assets.cli.app").app(arguments, standalone_mode=False)
    return out.getvalue()


def by_command(events: str) -> dict[str, str]:
    """Return what the command prints about a file, and where it is listed."""
    asked = ("week-hours", "--events", events)
    return {
        "text": ecom(*asked),
        "json": ecom(*asked, "--event-type", "purchase", "--json"),
        "help": ecom("--help"),
    }


def of_orders_by_command(orders: str) -> dict[str, str]:
    """Return what the command prints about a file of orders, and that it needs one."""
    try:
        without = ecom("basket-sizes")
    except UsageError as error:
        without = str(error)
    asked = ("basket-sizes", "--orders", orders)
    return {
        "sizes": ecom(*asked),
        "sizes from a day on": ecom(*asked, "--from", "2026-01-06", "--json"),
        "without orders": without,
    }


def by_http(home: str) -> dict[str, Any]:
    """Return what the routes and the pages answer about published tables."""
    app = import_module("ecom_assets.interfaces.dashboard.app").build_dashboard_app(
        Settings(home=Path(home))
    )
    path = "/v1/analytics/week-hours"
    with import_module("ecom_assets_tests.interfaces.api.conftest").served(app) as api:
        return {
            "route": api.post(path, {"event_type": "purchase"}).json(),
            "csv": api.post(path, {}, format="csv").text,
            "refused": api.post(path, {"event_tipe": "purchase"}).json()["detail"],
            "page": api.get("/dashboard/week-hours", event_type="purchase").text,
            "basket sizes": api.post("/v1/analytics/basket-sizes", {}).json(),
            "of a segment": api.post("/v1/analytics/basket-sizes", {"segment": "any"}).json(),
            "page of sizes": api.get("/dashboard/basket-sizes").text,
        }


if __name__ == "__main__":
    sys.modules["ecom_assets.week_hours.answer"] = answer
    sys.modules["ecom_assets.basket_sizes.answer"] = basket_sizes
    events, orders, home = sys.argv[1:]
    with patch.dict(QUESTIONS, LINES):
        result = by_command(events) | of_orders_by_command(orders) | by_http(home)
    sys.stdout.write(json.dumps(result))
