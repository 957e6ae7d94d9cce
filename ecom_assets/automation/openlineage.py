"""Sending the OpenLineage events of runs: by the daemon's sensor, and by `ecom run` for its own.

A tag of the run says how many of its events were delivered, so that a receiver that was down gets the rest later. Each
event is delivered at least once. A receiver that is down, slow or wrong never fails a run: `ecom run` gives up after
some seconds, and leaves the rest to the daemon.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import dagster as dg
import requests
from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport

from ecom_assets.automation.alerts import runs_since
from ecom_assets.automation.lineage_events import ENDS, LineageEvents, Place, Tables
from ecom_assets.clock import Clock, now_utc
from ecom_assets.settings.settings import Settings

REQUEST_TIMEOUT_S: Final = 3.0
ENDPOINT: Final = "api/v1/lineage"
"""Where receivers take events, by the specification."""
RUN_PATIENCE_S: Final = 5.0
"""Seconds that `ecom run` gives the receiver at the end of a run."""
TICK_PATIENCE_S: Final = 40.0
"""The same for a look of the sensor, which Dagster ends after 60."""
INTERVAL_S: Final = 30
TAG: Final = "ecom/openlineage"
ALL: Final = "all"
STATUSES: Final = [dg.DagsterRunStatus.STARTED, *ENDS]
REFUSED: Final = range(400, 500)
"""Responses that reject the event itself: it is skipped, because it would be rejected again."""
MAY_PASS: Final = {408, 429}
"""Of these, the ones that may pass."""


def trouble_of_receiver(settings: Settings) -> str:
    """Return why the receiver would take no event, from an empty request to it; nothing if it answers."""
    key = settings.openlineage_api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = requests.get(
            f"{settings.openlineage_url.rstrip('/')}/{ENDPOINT}", headers=headers, timeout=REQUEST_TIMEOUT_S
        )
    except requests.RequestException as error:
        return f"was not reached ({type(error).__name__})"
    # The address takes events only, so any other refusal of a GET is that of a receiver that is there.
    return f"refuses the key ({response.status_code})" if response.status_code in {401, 403} else ""


@dataclass(frozen=True)
class Delivered:
    """How many events were delivered or refused for good, and what stopped the rest."""

    count: int
    trouble: str = ""


@dataclass(frozen=True)
class Lineage:
    """The receiver, and what makes events for it."""

    url: str
    api_key: str = field(repr=False)
    events: LineageEvents

    @classmethod
    def of(cls, settings: Settings, address: str, tables: Tables) -> "Lineage":
        """Return the lineage that is set, of a warehouse whose address has no secrets."""
        events = LineageEvents(settings.openlineage_namespace, Place.of(address), tables)
        return cls(settings.openlineage_url, settings.openlineage_api_key.get_secret_value(), events)

    def deliver(self, events: Sequence[RunEvent], patience_s: float) -> Delivered:
        """Send events in order, until one does not arrive or the time is over."""
        until = time.monotonic() + patience_s
        config = HttpConfig(url=f"{self.url.rstrip('/')}/", timeout=REQUEST_TIMEOUT_S, retry={"total": 0})
        if self.api_key:
            config.auth = ApiKeyTokenProvider({"api_key": self.api_key})
        transport = HttpTransport(config)
        try:
            for number, event in enumerate(events):
                if time.monotonic() > until:
                    return Delivered(number, f"it took more than {patience_s:g} s")
                if trouble := _emit(transport, event):
                    return Delivered(number, trouble)
        finally:
            transport.close()
        return Delivered(len(events))

    def deliver_run(
        self, instance: dg.DagsterInstance, run: dg.DagsterRun, patience_s: float, *, is_begun: bool = False
    ) -> Delivered:
        """Send the remaining events of a run, and record their number; with `is_begun`, its start was sent."""
        before = _noted(run)
        if before == ALL:
            return Delivered(0)
        before = "1" if is_begun and before == "0" else before
        is_over = run.status in ENDS
        if is_over:
            events = self.events.of_ended(instance, run)
        else:
            began_at = instance.get_run_stats(run.run_id).start_time or time.time()
            events = [self.events.start_of(run.run_id, run.job_name, began_at)]
        result = self.deliver(events[int(before) :], patience_s)
        count = int(before) + result.count
        state = ALL if is_over and count == len(events) else str(count)
        if state != _noted(run):
            instance.add_run_tags(run.run_id, {TAG: f"{state}: {run.run_id}"})
        return result


def _emit(transport: HttpTransport, event: RunEvent) -> str:
    """Send one event; return the error if it may succeed later, else nothing."""
    try:
        transport.emit(event)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        return "" if status in REFUSED and status not in MAY_PASS else f"it answered {status}"
    except requests.RequestException as error:
        return f"it was not reached ({type(error).__name__})"
    return ""


def _noted(run: dg.DagsterRun) -> str:
    """Return how many events of a run were delivered, or `all`; a run that is tried again has its parent's tags."""
    state, _, run_id = run.tags.get(TAG, "").partition(": ")
    return state if run_id == run.run_id else "0"


class OwnRun:
    """The lineage of the run that `ecom run` makes: its start is sent meanwhile, the rest at its end."""

    def __init__(self, lineage: Lineage, run_id: str, job_name: str) -> None:
        """Send the start, without waiting for it."""
        self._lineage = lineage
        self._is_reached = False
        start = lineage.events.start_of(run_id, job_name, time.time())
        self._sending = threading.Thread(target=self._send, args=(start,), daemon=True)
        self._sending.start()

    def _send(self, start: RunEvent) -> None:
        self._is_reached = not self._lineage.deliver([start], REQUEST_TIMEOUT_S).trouble

    def finish(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        """Send the rest, for some seconds at most; return a sentence if the receiver did not take everything."""
        self._sending.join(REQUEST_TIMEOUT_S)
        later = "the daemon, if it runs, sends the rest."
        if not self._is_reached:
            return f"ECOM_OPENLINEAGE_URL={self._lineage.url} does not answer; {later}"
        result = self._lineage.deliver_run(instance, run, RUN_PATIENCE_S, is_begun=True)
        if not result.trouble:
            return ""
        return f"ECOM_OPENLINEAGE_URL={self._lineage.url} did not take all events, as {result.trouble}; {later}"


def lineage_sensor(lineage: Lineage, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that reports runs as they begin and end; the cursor holds up to when all were reported."""

    @dg.sensor(
        name="openlineage",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends the OpenLineage events of each run, also after the receiver was down.",
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        looked_at, until = now(), time.monotonic() + TICK_PATIENCE_S
        since = datetime.fromisoformat(context.cursor) if context.cursor else looked_at
        runs, reached = runs_since(context.instance, STATUSES, since, looked_at)
        sent = 0
        for run in runs:
            noted = _noted(run)
            if noted == ALL or (run.status not in ENDS and noted != "0"):
                continue
            result = lineage.deliver_run(context.instance, run, max(until - time.monotonic(), 0.0))
            sent += result.count
            if result.trouble:
                message = f"{lineage.url} did not take all events of run {run.run_id}, as {result.trouble}."
                return dg.SensorResult(skip_reason=message, cursor=since.isoformat())
        return dg.SensorResult(skip_reason=f"Sent {sent} events." if sent else "No news.", cursor=reached.isoformat())

    return report
