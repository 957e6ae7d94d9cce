"""Ask CONTRIBUTING's question in a process of its own, in which the list of questions has a line more.

The arguments are a file of events, a home with published tables, and a home for the command.
"""

import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from ecom_assets import all_questions
from ecom_assets_tests.recipes.week_hours import answer

sys.modules["ecom_assets.week_hours.answer"] = answer
LINE = {"week-hours": "week_hours.answer.WEEK_HOURS"}
SUMMARY = {"week-hours": "Count the events of each hour of the week."}


def main(events: str, published: str) -> None:
    """Print what the command, the route and the page answer."""
    from ecom_assets.cli.app import app  # noqa: PLC0415 (after the question is listed)
    from ecom_assets.dashboard.app import build_dashboard_app  # noqa: PLC0415 (after the question is listed)
    from ecom_assets.settings.settings import Settings  # noqa: PLC0415 (after the question is listed)
    from ecom_assets_tests.api.conftest import served  # noqa: PLC0415 (after the question is listed)

    def ecom(*words: str) -> str:
        out = StringIO()
        with redirect_stdout(out):
            app(words, standalone_mode=False)
        return out.getvalue()

    asked = ("week-hours", "--events", events)
    result = {
        "text": ecom(*asked),
        "json": json.loads(ecom(*asked, "--event-type", "purchase", "--json")),
        "help": ecom("--help"),
    }
    with served(build_dashboard_app(Settings(home=Path(published)))) as api:
        result["route"] = api.post("/v1/analytics/week-hours", {"event_type": "purchase"}).json()
        result["csv"] = api.post("/v1/analytics/week-hours", {}, format="csv").text
        result["refused"] = api.post("/v1/analytics/week-hours", {"event_tipe": "purchase"}).json()["detail"]
        result["page"] = api.get("/dashboard/week-hours", event_type="purchase").text
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    with patch.dict(all_questions.PLACES, LINE), patch.dict(all_questions.SUMMARIES, SUMMARY):
        main(*sys.argv[1:])
