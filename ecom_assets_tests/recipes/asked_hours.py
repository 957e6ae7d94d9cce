"""Ask CONTRIBUTING's question by command, route and page, in a process whose list of
questions has a line more.

The arguments are a file of events, and a home with published tables; `test_recipe.py` reads what is
written.
"""

import json
import sys
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ecom_assets.core.settings.settings import Settings
from ecom_assets.interfaces.all_questions import QUESTIONS, QuestionEntry
from ecom_assets_tests.recipes.week_hours import answer

LINE = {
    "week-hours": QuestionEntry(
        "ecom_assets.week_hours.answer.WEEK_HOURS", "Count the events of each hour of the week."
    )
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


def by_http(home: str) -> dict[str, Any]:
    """Return what the route and the page answer about published tables."""
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
        }


if __name__ == "__main__":
    sys.modules["ecom_assets.week_hours.answer"] = answer
    with patch.dict(QUESTIONS, LINE):
        sys.stdout.write(json.dumps(by_command(sys.argv[1]) | by_http(sys.argv[2])))
