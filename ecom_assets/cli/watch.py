"""`ecom watch`: look at the watched numbers now, or test an alert on the shop's history."""

from typing import Annotated

import typer

from ecom_assets.cli.options import Json
from ecom_assets.cli.terminal import print_answer
from ecom_assets.cli.ui import take_own_data
from ecom_assets.core.settings.settings import load_settings
from ecom_assets.interfaces.boards.incidents import IncidentLog
from ecom_assets.interfaces.boards.model import NumberAlert
from ecom_assets.interfaces.boards.store import BoardStore
from ecom_assets.interfaces.watching.watch import back_test, parts_of_test, watch


def watch_command(
    alert: Annotated[
        str | None,
        typer.Option(
            "--back-test", help="Id of an alert: show what it would have found, and send nothing."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at the numbers that people watch, and send a message for each new incident."""
    settings = load_settings()
    if take_own_data(settings):
        settings = load_settings()
    if alert is not None:
        test = back_test(settings, BoardStore(settings).get(NumberAlert, alert).item)
        incidents = [
            {
                "first_period": episode.first.point.starts_at.isoformat(),
                "is_over": episode.is_over,
                "last_period": episode.last.point.starts_at.isoformat(),
                "reason": episode.first.reason,
            }
            for episode in test.incidents
        ]
        answer = {"title": test.title, "periods": len(test.found), "incidents": incidents}
        print_answer(answer, *parts_of_test(test), as_json=as_json)
        return
    outcome = watch(settings)
    incidents = [
        {
            "alert": incident.alert,
            "first_period": incident.first_period.isoformat(),
            "is_over": incident.over_in is not None,
            **incident.finding,
        }
        for incident in (IncidentLog(settings).incidents() if as_json else ())
    ]
    lines = outcome.lines or ["No number is watched; save an alert on the dashboard's page Alerts."]
    answer = {"incidents": incidents, "failures": outcome.failures}
    print_answer(answer, *lines, as_json=as_json)
    outcome.raise_failures()
