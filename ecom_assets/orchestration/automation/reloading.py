"""Letting Dagster's UI load the definitions again."""

import json
from collections.abc import Callable
from typing import Final

from requests.exceptions import RequestException

from ecom_assets.core.errors import first_line
from ecom_assets.core.http.retry import ResponseBounds, bounded_session
from ecom_assets.core.settings.settings import Settings
from ecom_assets.orchestration.automation.instance.location import LOCATION
from ecom_assets.orchestration.automation.ui_address import dagster_address

RELOAD: Final = "mutation { reloadRepositoryLocation(repositoryLocationName: %s) { __typename } }"
RELOADED: Final = ResponseBounds(120.0, most_mb=1.0)
"""How long Dagster's UI may take to load the definitions, and how much it may say."""


def reload_location(settings: Settings, say: Callable[[str], None]) -> None:
    """Let Dagster's UI load the definitions again, so that partitions, schedules and sensors are
    those of the home as it is now; the daemon follows by itself within a minute.

    Where no UI answers, it reports so: one that starts later has the new definitions.
    """
    name = json.dumps(LOCATION)
    address = dagster_address(settings)
    try:
        with bounded_session(RELOADED) as session:
            answer = session.post(
                f"{address}/graphql", json={"query": RELOAD % name}, timeout=RELOADED.most_s
            )
        answer.raise_for_status()
        kind = answer.json()["data"]["reloadRepositoryLocation"]["__typename"]
    except (RequestException, ValueError, KeyError, TypeError) as error:
        say(f"Dagster's UI at {address} did not load the definitions again: {first_line(error)}.")
        return
    say(f"Dagster's UI at {address} loaded the definitions again: {kind}.")
