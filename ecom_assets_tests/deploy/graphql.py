"""Questions to Dagster's webserver in GraphQL, as scripts ask them."""

import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from ecom_assets.core.tables.asset import RANGE_END, RANGE_START
from ecom_assets.orchestration.automation.jobs import EVERYTHING
from ecom_assets_tests.patience import PATIENCE_S

FEW = (
    "raw/events",
    "staging/duplicate_events",
    "staging/quarantined_events",
    "staging/events",
    "mart/session_events",
)
"""Assets for runs whose tables do not matter."""
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}"""
RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { runId status startTime endTime } } }"
RETRY = """
query($root: String!) {
  runsOrError(filter: { tags: [{ key: "dagster/parent_run_id", value: $root }] }) {
    ... on Runs { results { runId } }
  }
}"""
EVENTS = """
query($id: ID!, $after: String) {
  logsForRun(runId: $id, afterCursor: $after) {
    ... on EventConnection {
      cursor
      hasMore
      events {
        __typename
        ... on MessageEvent { message }
        ... on ErrorEvent { error { message causes { message } } }
        ... on MaterializationEvent {
          assetKey { path }
          metadataEntries { label ... on IntMetadataEntry { intValue } }
        }
        ... on AssetCheckEvaluationEvent { evaluation { assetKey { path } checkName success } }
      }
    }
  }
}"""


@dataclass(frozen=True)
class Run:
    """A run as the webserver shows it; times are seconds since 1970, 0 before they have come."""

    id: str
    status: str
    started_s: float
    ended_s: float

    def overlaps(self, other: "Run") -> bool:
        """Return whether both were going on at some moment."""
        return self.started_s < other.ended_s and other.started_s < self.ended_s


@dataclass(frozen=True)
class Webserver:
    """A webserver at an address."""

    address: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask a question and return the data of its answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310 (our own server)
            f"{self.address}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310 (as above)
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def launch(self, first: str, last: str | None = None, assets: Sequence[str] = ()) -> str:
        """Ask for a run of the whole job, or of some of its assets, over days; return its id."""
        tags = {RANGE_START: first, RANGE_END: last or first}
        params = {
            "selector": {
                "repositoryLocationName": "ecom_assets",
                "repositoryName": "__repository__",
                "jobName": EVERYTHING,
                **(
                    {"assetSelection": [{"path": key.split("/")} for key in assets]}
                    if assets
                    else {}
                ),
            },
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        launched = self.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def run(self, run_id: str) -> Run:
        """Return how a run is getting on."""
        actual = self.ask(RUN, id=run_id)["runOrError"]
        return Run(
            actual["runId"], actual["status"], actual["startTime"] or 0, actual["endTime"] or 0
        )

    def wait_for(self, run_id: str, *statuses: str, within_s: float = 500) -> Run:
        """Wait until a run has one of the statuses (by default, until it has ended)."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            run = self.run(run_id)
            if run.status in (statuses or ENDED):
                return run
            assert run.status not in ENDED, "\n".join(self.messages(run_id)[-8:])
            time.sleep(0.2)
        pytest.fail(
            f"the run is {run.status} after {within_s} s:\n" + "\n".join(self.messages(run_id)[-8:])
        )

    def retry_of(self, run_id: str, *, within_s: float = 500) -> str:
        """Wait for the run that Dagster starts in the place of a lost one, and return its id."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if actual := self.ask(RETRY, root=run_id)["runsOrError"]["results"]:
                (only,) = actual
                return str(only["runId"])
            time.sleep(0.2)
        pytest.fail(f"nothing was started in the place of {run_id}")

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Return the events of a run, all pages of them."""
        actual: list[dict[str, Any]] = []
        page = {"cursor": None, "hasMore": True}
        while page["hasMore"]:
            page = self.ask(EVENTS, id=run_id, after=page["cursor"])["logsForRun"]
            actual += page["events"]
        return actual

    def messages(self, run_id: str) -> list[str]:
        """Return what the events of a run say."""
        return [str(event.get("message", "")) for event in self.events(run_id)]

    def failures(self, *run_ids: str) -> list[str]:
        """Return what failed in some runs, in their own words."""
        answer = (event for run_id in run_ids for event in self.events(run_id))
        return [
            f"{event.get('message')} {event.get('error')}"
            for event in answer
            if "Failure" in event["__typename"]
        ]

    def rows_written(self, run_id: str) -> dict[str, int]:
        """Return how many rows a run wrote, by table."""
        return {
            "/".join(event["assetKey"]["path"]): entry["intValue"]
            for event in self.events(run_id)
            if event["__typename"] == "MaterializationEvent"
            for entry in event["metadataEntries"]
            if entry["label"] == "rows_written"
        }

    def checks(self, run_id: str) -> dict[tuple[str, str], bool]:
        """Return whether each check of a run passed, by table and name."""
        evaluations = [
            event["evaluation"] for event in self.events(run_id) if event.get("evaluation")
        ]
        return {
            ("/".join(evaluation["assetKey"]["path"]), evaluation["checkName"]): evaluation[
                "success"
            ]
            for evaluation in evaluations
        }
