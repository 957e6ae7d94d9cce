"""Alerts: one message for each run in which something failed, however often the sensor looks,
and the newest checks.

A tag of the run says whether its message was sent, so that it is neither lost when the mail server
is down nor sent again when the daemon restarts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import dagster as dg

from ecom_assets.commerce.costs.contracts import COST_TABLES
from ecom_assets.commerce.orders.held_days import held_line
from ecom_assets.core.clock import Clock, now_utc, today_in
from ecom_assets.core.errors import MailError, SettingError
from ecom_assets.core.operations.run_notes import error_sentence, message_line
from ecom_assets.core.rows import Row
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.tables.asset import PARTITION, RANGE_END, RANGE_START
from ecom_assets.core.tables.check import HELD_DAYS
from ecom_assets.core.tables.days import span_text
from ecom_assets.core.tables.formats import counted
from ecom_assets.orchestration.automation.mail import MailServer, divided_by_costs, new_message
from ecom_assets.orchestration.automation.ui_address import dagster_address

REPORTED_EVENTS = {
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.RUN_FAILURE,
}


@dataclass(frozen=True)
class FailedCheck:
    """A check that did not hold: what should hold, and what was observed;
    examples are counted, not shown.
    """

    table: str
    name: str
    description: str
    observed: Any = None
    limit: Any = None
    example_count: int = 0
    sentence: str = ""
    """The description of the check, for the person who has to act."""
    is_warning: bool = False

    @property
    def is_about_costs(self) -> bool:
        """Return whether it says what the shop pays, or what its sales leave."""
        return self.table.replace("/", ".") in COST_TABLES


@dataclass(frozen=True)
class RunReport:
    """A run that ended: its days as people write them, and what failed in it."""

    run_id: str
    job_name: str
    days: str
    has_failed: bool
    is_tried_again: bool
    failed_steps: tuple[str, ...] = ()
    failed_checks: tuple[FailedCheck, ...] = ()
    held_days: tuple[str, ...] = ()
    """Lines about the days that are held back, of whatever run;
    that a day is held is no failed check here.
    """

    @property
    def is_well(self) -> bool:
        """Return whether there is nothing to report."""
        return not (self.has_failed or self.failed_checks)


def report_on(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunReport:
    """Read the run's events."""
    events = [
        entry.get_dagster_event()
        for entry in instance.all_logs(run.run_id, of_type=REPORTED_EVENTS)
    ]
    has_failed = run.status == dg.DagsterRunStatus.FAILURE
    evaluations = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    failed = [
        evaluation
        for evaluation in evaluations
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR
    ]
    checks = tuple(
        failed_check_of(evaluation) for evaluation in failed if HELD_DAYS not in evaluation.metadata
    )
    held = tuple(held_line(day) for evaluation in evaluations for day in _held_days(evaluation))
    steps = tuple(
        step_sentence(event)
        for event in events
        if event.is_step_failure and not _is_about_a_check(event)
    )
    if has_failed and not steps and not checks:
        steps = tuple(run_sentence(event) for event in events if event.is_run_failure)
    is_tried_again = run.tags.get("dagster/will_retry") == "true"
    first = run.tags.get(RANGE_START) or run.tags.get(PARTITION) or ""
    last = run.tags.get(RANGE_END) or first
    return RunReport(
        run.run_id,
        run.job_name,
        span_text(first, last),
        has_failed,
        is_tried_again,
        steps,
        checks,
        held,
    )


def step_sentence(event: dg.DagsterEvent) -> str:
    """Return what a failed step failed with, led by the table's name."""
    step = (event.step_key or "").replace("__", "/", 1)
    return f"{step}: {error_sentence(event.step_failure_data.error, event.message)}"


def run_sentence(event: dg.DagsterEvent) -> str:
    """Return what a run failed with that ended outside of any step: a resource could not be had."""
    data = event.event_specific_data  # none where the run's process was lost
    return (
        error_sentence(getattr(data, "error", None), event.message)
        if data
        else message_line(event.message)
    )


def _held_days(evaluation: dg.AssetCheckEvaluation) -> list[Row]:
    entry = evaluation.metadata.get(HELD_DAYS)
    days = entry.value if entry is not None else []
    return days if isinstance(days, list) else []


def _is_about_a_check(event: dg.DagsterEvent) -> bool:
    """Return whether a step failed only because a blocking check did, which has its own alert."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def failed_check_of(evaluation: dg.AssetCheckEvaluation) -> FailedCheck:
    """Return the description of a failed check for people."""
    metadata = {name: value.value for name, value in evaluation.metadata.items()}
    examples = metadata.get("examples")
    return FailedCheck(
        table=evaluation.asset_key.to_user_string(),
        name=evaluation.check_name,
        description=evaluation.description or "",
        observed=metadata.get("observed"),
        limit=metadata.get("limit"),
        example_count=len(examples) if isinstance(examples, list) else 0,
        sentence=str(metadata.get("sentence") or ""),
        is_warning=evaluation.severity == dg.AssetCheckSeverity.WARN,
    )


INTERVAL_S = 30
ALERT_TAG = "ecom/alert"
UNSENT, SENT, LEFT_TO_COMMAND = "unsent", "sent", "left to the command"
"""What the tag says; the latter two with the run's id,
because a run that is tried again inherits its parent's tags.
"""
OVERLAP = timedelta(minutes=5)
"""Runs that ended so long before the last look are looked at again:
their end may have been written late.
"""
HELD_TAG = "ecom/held_days_alerted_on"
"""The tag of a run that the daily message about held days was sent for: its day,
however many runs see held days.
"""
ABOUT_HELD = (
    "Nothing is built on what arrived on these days; the days around them go on. One message a "
    "day says so."
)
MOST_RUNS = 100
"""The maximum number of runs in one tick; others wait for the next."""
ENDED = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]


@dataclass(frozen=True)
class Alerts:
    """Who is alerted of failures, by which server, with links to where."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    dagster_url: str
    timezone: str = "UTC"
    """In which a day begins, of which there is one message about held days."""
    costs_recipients: tuple[str, ...] = ()
    """Who may see what checks of costs say."""

    @classmethod
    def from_settings(cls, settings: Settings) -> "Alerts | None":
        """Return the alerts that are set; None where none are.

        Raises:
            SettingError: The server's address is wrong, or one of two settings is missing.
        """
        if not settings.alerts_are_set:
            return None
        url = settings.smtp_url.get_secret_value()
        if not url or not settings.alert_email:
            configured, missing = (
                ("SMTP_URL", "ALERT_EMAIL") if url else ("ALERT_EMAIL", "SMTP_URL")
            )
            raise SettingError(
                f"ECOM_{configured} is set without ECOM_{missing}; set both to get alerts, or "
                "neither."
            )
        sender = settings.alert_sender or settings.alert_email[0]
        return cls(
            MailServer.parse(url),
            sender,
            settings.alert_email,
            dagster_address(settings),
            settings.timezone,
            settings.costs_email,
        )

    def report_run(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
        """Send the message about a run, if anything failed in it, and note that;
        return a line about what was done.

        Raises:
            MailError: It could not be sent; it is noted that it remains to be.
        """
        report = report_on(instance, run)
        try:
            held = self._report_held_days(instance, report)
            if report.is_well:
                note(instance, run, SENT if held or ALERT_TAG in run.tags else "")
                return held
            refused = [
                address
                for message in self.messages(report)
                for address in self.server.send(message)
            ]
        except MailError:
            note(instance, run, UNSENT)
            raise
        note(instance, run, SENT)
        return " ".join(filter(None, (held, self._outcome_line(f"run {run.run_id}", refused))))

    def report_refusal(self, sentence: str) -> str:
        """Send the message about a run that could not begin; return a line about what was done.

        Raises:
            MailError: It could not be sent.
        """
        lines = f"ecom run did not begin.\n\n  {sentence}\n\nNo table was changed.\n"
        message = self._written("run did not begin", f"{uuid4()}.refused", lines, self.recipients)
        refused = self.server.send(message)
        return self._outcome_line("the run that did not begin", refused)

    def report_overdue(self, sentences: Sequence[str]) -> str:
        """Send the message about publications that are due and did not come; return a line about
        it.

        Raises:
            MailError: It could not be sent.
        """
        headline = f"{counted(len(sentences), 'publication')} did not come"
        shown = "; until then numbers stay as they were published last."
        lines = [f"{headline}{shown}", "", *(f"  {each}" for each in sentences), ""]
        text = "\n".join([*lines, f"Runs: {self.dagster_url}/runs", ""])
        message = self._written(headline, f"{uuid4()}.overdue", text, self.recipients)
        return self._outcome_line(headline, self.server.send(message))

    def messages(self, report: RunReport) -> Iterator[EmailMessage]:
        """Write the message about a run, without what checks of costs say for those who may not see
        costs.
        """
        is_about_costs = any(check.is_about_costs for check in report.failed_checks)
        for addresses, with_costs in divided_by_costs(
            self.recipients, self.costs_recipients, is_about_costs=is_about_costs
        ):
            lines = _lines(report, self._link(report), with_costs=with_costs)
            name = f"{report.run_id}.{'costs.' if with_costs else ''}alert"
            yield self._written(_headline(report), name, "\n".join(lines) + "\n", addresses)

    def _report_held_days(self, instance: dg.DagsterInstance, report: RunReport) -> str:
        """Send today's message about held days, if there are any and it was not sent yet."""
        today = today_in(self.timezone)
        sent_today = dg.RunsFilter(tags={HELD_TAG: today.isoformat()})
        if not report.held_days or instance.get_run_records(sent_today, limit=1):
            return ""
        headline = f"{counted(len(report.held_days), 'day')} held back"
        lines = [f"{headline}.", ABOUT_HELD, "", *(f"  {line}" for line in report.held_days), ""]
        text = "\n".join([*lines, f"Run: {self._link(report)}", ""])
        refused = self.server.send(self._written(headline, f"{today}.held", text, self.recipients))
        instance.add_run_tags(report.run_id, {HELD_TAG: today.isoformat()})
        return self._outcome_line(headline, refused)

    def _written(
        self, headline: str, name: str, text: str, recipients: Sequence[str]
    ) -> EmailMessage:
        return new_message(self.sender, recipients, headline, name, text)

    def _link(self, report: RunReport) -> str:
        return f"{self.dagster_url}/runs/{report.run_id}"

    def _outcome_line(self, subject: str, refused: list[str]) -> str:
        but = f", but the server refused {', '.join(refused)}" if refused else ""
        return f"Notified {', '.join(self.recipients)} of {subject}{but}."


def tag_of(run_id: str, state: str) -> dict[str, str]:
    """Return the tag with the state of a run's message."""
    return {ALERT_TAG: state if state == UNSENT else f"{state}: {run_id}"}


def note(instance: dg.DagsterInstance, run: dg.DagsterRun, state: str) -> None:
    """Note how far a run's message is, if there is something to note."""
    if state:
        instance.add_run_tags(run.run_id, tag_of(run.run_id, state))


def alert_sensor(alerts: Alerts, *, now: Clock = now_utc) -> dg.SensorDefinition:
    """Return the sensor that sends a message for each run that failed, or had a failing check.

    Dagster's own run-failure sensor passes over a failure whose message could not be sent, and
    knows nothing of checks. The cursor holds when this one last looked; its first look begins a few
    minutes back.
    """

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "A failed run or check: sends one message for the run, also when the mail server "
            "was down."
        ),
    )
    def failures(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        unsent = dg.RunsFilter(statuses=ENDED, tags={ALERT_TAG: UNSENT})
        records = context.instance.get_run_records(unsent, limit=MOST_RUNS, ascending=True)
        owed = [record.dagster_run for record in records]
        ended, until = runs_since(context, ENDED, now())
        fresh = [run for run in ended if not _is_noted(run)]
        lines: list[str] = []
        for number, run in enumerate([*owed, *fresh]):
            try:
                lines.append(alerts.report_run(context.instance, run))
            except MailError as error:
                later = _note_unsent(context.instance, [*owed, *fresh][number:])
                lines.append(f"{error} {counted(later, 'message')} to be sent at the next look.")
                break
        line = " ".join(filter(None, lines)) or "Nothing failed."
        return dg.SensorResult(skip_reason=line, cursor=until.isoformat())

    return failures


def runs_since(
    context: dg.SensorEvaluationContext, statuses: Sequence[dg.DagsterRunStatus], now: datetime
) -> tuple[list[dg.DagsterRun], datetime]:
    """Return the runs that reached one of the statuses since a sensor's last look,
    which its cursor has, and when the next look may begin.
    """
    since = datetime.fromisoformat(context.cursor) if context.cursor else now
    filters = dg.RunsFilter(statuses=statuses, updated_after=since - OVERLAP)
    records = context.instance.get_run_records(
        filters, limit=MOST_RUNS, order_by="update_timestamp", ascending=True
    )
    until = (
        records[-1].update_timestamp.replace(tzinfo=UTC) + OVERLAP
        if len(records) == MOST_RUNS
        else now
    )
    return [record.dagster_run for record in records], until


def _is_noted(run: dg.DagsterRun) -> bool:
    state = run.tags.get(ALERT_TAG, "")
    return state == UNSENT or state.endswith(run.run_id)


def _note_unsent(instance: dg.DagsterInstance, runs: list[dg.DagsterRun]) -> int:
    """Note the runs for which an alert is still to be sent, and return how many they are."""
    reports = [(run, report_on(instance, run)) for run in runs]
    owed = [run for run, report in reports if report.held_days or not report.is_well]
    for run in owed:
        note(instance, run, UNSENT)
    return len(owed)


def _headline(report: RunReport) -> str:
    count = len(report.failed_checks)
    checks = f"{counted(count, 'check')} failed"
    problems = " and ".join(
        [*(["run failed"] if report.has_failed else []), *([checks] if count else [])]
    )
    return f"{problems}: {report.job_name}" + (f", {report.days}" if report.days else "")


def _lines(report: RunReport, link: str, *, with_costs: bool) -> Iterator[str]:
    yield f"{_headline(report)[0].upper()}{_headline(report)[1:]}."
    if report.is_tried_again:
        yield "It is tried again by itself."
    yield ""
    yield f"Job:  {report.job_name}"
    yield f"Days: {report.days or 'whole tables'}"
    yield f"Run:  {link}"
    if report.failed_steps:
        yield from ("", "Failed steps", *(f"  {sentence}" for sentence in report.failed_steps))
    if report.failed_checks:
        yield from ("", "Failed checks")
    shown = [check for check in report.failed_checks if with_costs or not check.is_about_costs]
    if len(shown) < len(report.failed_checks):
        hidden = counted(len(report.failed_checks) - len(shown), "check")
        yield f"  {hidden} of costs, which only ECOM_COSTS_EMAIL gets"
    for check in shown:
        yield f"  {check.table}, {check.name}: {check.sentence or check.description}"
        examples = f"; {counted(check.example_count, 'example')} in the run"
        yield (
            f"    observed {check.observed}, limit "
            f"{check.limit}{examples if check.example_count else ''}"
        )
