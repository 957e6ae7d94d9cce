"""One look at all watched numbers: new periods are evaluated, incidents opened and closed,
and messages sent once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import partial
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ecom_assets.core.clock import Clock, now_utc
from ecom_assets.core.errors import EcomError, MailError, SettingError, WorkError
from ecom_assets.core.settings.settings import Settings
from ecom_assets.core.settings.subjects import webhooks_of
from ecom_assets.interfaces.api.store.served_data import open_store
from ecom_assets.interfaces.api.store.store import StoreReading
from ecom_assets.interfaces.api.visible_saved import asks_about_costs
from ecom_assets.interfaces.boards.incidents import IncidentLog
from ecom_assets.interfaces.boards.model import NumberAlert, SavedQuestion
from ecom_assets.interfaces.boards.store import BoardStore, KeptVersion
from ecom_assets.interfaces.watching.causes import causes
from ecom_assets.interfaces.watching.messages import IncidentMessage, finding_of, post, said_of
from ecom_assets.interfaces.watching.numbers import OF_THE_SHOP, Watched
from ecom_assets.interfaces.watching.rule import (
    AlertFinding,
    Episode,
    ValueFormat,
    WatchedPoint,
    episodes,
    findings,
    when_of,
)
from ecom_assets.orchestration.automation.mail import MailServer, who_may_see_costs

EMAIL, WEBHOOK = "email", "webhook"


@dataclass(frozen=True)
class BackTest:
    """What an alert would have said of the shop's history.

    Attributes:
        title: What people call the number.
        shown: How its values are written.
        points: The number of each period.
        found: What the alert says of each period that it can evaluate.
        incidents: The incidents that there would have been.
    """

    title: str
    shown: ValueFormat
    points: Sequence[WatchedPoint]
    found: Sequence[AlertFinding]
    incidents: Sequence[Episode]


@dataclass
class WatchOutcome:
    """What a look found: a line for each alert, and what failed."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def raise_failures(self) -> None:
        """Raise if an alert could not be evaluated, or a message not be sent.

        Raises:
            WorkError: It names each.
        """
        if self.failures:
            raise WorkError(" ".join(self.failures))


def watched(
    settings: Settings, alert: NumberAlert, reading: StoreReading, request: Request = OF_THE_SHOP
) -> Watched:
    """Return an alert with its saved question, over a published state, as a caller may see it.

    Raises:
        NotKeptError: Its question is deleted.
    """
    saved = BoardStore(settings).get(SavedQuestion, alert.question).item if alert.question else None
    return Watched(alert, saved, reading, settings, request)


def back_test(settings: Settings, alert: NumberAlert) -> BackTest:
    """Return what an alert would have said of the shop's history.

    Raises:
        EcomError: Its number is not known, or nothing is published.
    """
    with closing(open_store(settings)) as store, store.reading() as reading:
        return back_test_in(settings, alert, reading)


def back_test_in(
    settings: Settings, alert: NumberAlert, reading: StoreReading, request: Request = OF_THE_SHOP
) -> BackTest:
    """Return the same, over a published state that is open, as a caller may see it.

    Raises:
        EcomError: The number is not known, or the caller may not see it.
    """
    metric = watched(settings, alert, reading, request)
    points = metric.points()
    found = findings(alert, points, metric.shown)
    return BackTest(metric.title, metric.shown, points, found, episodes(found))


def watch(settings: Settings, now: Clock = now_utc) -> WatchOutcome:
    """Evaluate the new periods of all alerts that are on,
    and send the messages of incidents that are owed.

    Raises:
        NothingPublishedError: Nothing is published yet.
    """
    alerts, look = alerts_on(settings), _Look(settings, now, IncidentLog(settings, now))
    if alerts:
        with closing(open_store(settings)) as store, store.reading() as reading:
            for kept in alerts:
                look.attempt(kept.item.name, partial(look.evaluate, kept, reading))
    for kept in alerts:
        look.send(kept)
    return look.outcome


def alerts_on(settings: Settings) -> list[KeptVersion[NumberAlert]]:
    """Return the alerts that are on."""
    return [kept for kept in BoardStore(settings).newest(NumberAlert) if kept.item.is_on]


def has_unsent(settings: Settings, now: Clock = now_utc) -> bool:
    """Return whether a message is owed that may be sent now."""
    log = IncidentLog(settings, now)
    for kept in alerts_on(settings):
        if is_quiet(kept.item.quiet, _local_time(settings.timezone, now)):
            continue
        channels = _channels(settings, kept.item)
        if any(log.unsent(incident, channels) for incident in log.incidents(kept.slug)):
            return True
    return False


def is_quiet(hours: str | None, at: time) -> bool:
    """Return whether a time of day lies in hours such as `22:00-07:00`, the end not included."""
    if hours is None:
        return False
    first, end = map(time.fromisoformat, hours.split("-"))
    return first <= at < end if first <= end else at >= first or at < end


def _unchanged(metric: Watched, earlier: Sequence[AlertFinding]) -> str:
    if earlier:
        return (
            f"No new {metric.alert.every} is complete since "
            f"{when_of(earlier[-1].point.starts_at, metric.alert.every)}."
        )
    return (
        f"{metric.title} cannot be evaluated yet: too few complete periods are known to compare "
        "with."
    )


@dataclass(frozen=True)
class _Look:
    """A look at all watched numbers, with what it notes in the log and finds."""

    settings: Settings
    now: Clock
    log: IncidentLog
    outcome: WatchOutcome = field(default_factory=WatchOutcome)

    def attempt(self, name: str, act: Callable[[], str]) -> bool:
        """Note what an action returns, or how it fails; return whether it did not."""
        try:
            self.outcome.lines.append(f"{name}: {act()}")
        except EcomError as error:
            self.outcome.failures.append(f"{name}: {error}")
            return False
        return True

    def evaluate(self, kept: KeptVersion[NumberAlert], reading: StoreReading) -> str:
        """Evaluate the periods that are complete and were not evaluated yet;
        of a new alert only the newest one.
        """
        metric = watched(self.settings, kept.item, reading)
        points = metric.points()
        found = findings(kept.item, points, metric.shown)
        state = self.log.state(kept.slug)
        new = (
            [finding for finding in found if finding.point.starts_at > state.last_period]
            if state
            else found[-1:]
        )
        if not new:
            return _unchanged(metric, found)
        evaluated: list[tuple[datetime, dict[str, object] | None]] = [
            (
                finding.point.starts_at,
                finding_of(metric, finding, points, causes(metric, finding))
                if finding.is_breach
                else None,
            )
            for finding in new
        ]
        said = said_of(metric, new[-1])
        self.log.record(kept.slug, evaluated, said)
        return f"{metric.title} {said}"

    def send(self, kept: KeptVersion[NumberAlert]) -> None:
        """Send the messages of an alert that are owed, except in its quiet hours."""
        if is_quiet(kept.item.quiet, _local_time(self.settings.timezone, self.now)):
            return
        for incident in self.log.incidents(kept.slug):
            message = IncidentMessage(
                kept.slug, kept.item, incident, self.settings.dashboard_url.rstrip("/")
            )
            for channel in self.log.unsent(incident, _channels(self.settings, kept.item)):
                if not self.log.begin(incident, channel):
                    continue
                is_sent = self.attempt(
                    kept.item.name, partial(_deliver, self.settings, message, channel)
                )
                self.log.end(incident, channel, is_sent=is_sent)


def _channels(settings: Settings, alert: NumberAlert) -> list[str]:
    """Return where the messages of an alert go: `email`, and `webhook NAME`."""
    has_mail = bool((alert.emails or settings.alert_email) and settings.smtp_url.get_secret_value())
    asked_for = [EMAIL] if has_mail or alert.emails else []
    return [*asked_for, *(f"{WEBHOOK} {name}" for name in alert.webhooks)]


def _deliver(settings: Settings, message: IncidentMessage, channel: str) -> str:
    """Send a message to a channel, and return a line about it.

    Raises:
        MailError: It was not taken.
        SettingError: What it needs is not set.
    """
    if channel == EMAIL:
        return _send_email(settings, message)
    name = channel.removeprefix(f"{WEBHOOK} ")
    webhooks = webhooks_of(settings.webhooks)
    if name not in webhooks:
        raise SettingError(
            f"ECOM_WEBHOOKS has no webhook {name!r}; add it, such as {name}=slack+https://…."
        )
    if name not in settings.costs_webhooks and asks_about_costs(
        message.alert, BoardStore(settings)
    ):
        raise SettingError(
            f"ECOM_COSTS_WEBHOOKS lacks {name!r}, which must be in it to get an alert on costs; "
            "add it if all who read there may see costs."
        )
    post(message, *webhooks[name])
    return f"Posted to {name}: {message.headline}."


def _send_email(settings: Settings, message: IncidentMessage) -> str:
    url = settings.smtp_url.get_secret_value()
    recipients, left_out = recipients_of(settings, message.alert)
    if not url:
        raise SettingError(
            "ECOM_SMTP_URL is not set, which e-mails of alerts need; set it, or remove `emails`."
        )
    if not recipients:
        raise SettingError(
            f"ECOM_COSTS_EMAIL has none of the recipients ({', '.join(left_out)}), who must be in "
            "it to get an alert on costs; add those who may see costs."
        )
    refused = MailServer.parse(url).send(
        message.email(settings.alert_sender or recipients[0], recipients)
    )
    if refused and len(refused) == len(recipients):
        raise MailError(f"The mail server refused every recipient: {', '.join(refused)}.")
    but = f", but not {', '.join(left_out)}, as ECOM_COSTS_EMAIL lacks them" if left_out else ""
    return f"Notified {', '.join(recipients)}{but}: {message.headline}."


def recipients_of(settings: Settings, alert: NumberAlert) -> tuple[list[str], list[str]]:
    """Return who gets the e-mails of an alert, and who does not, as they may not see costs."""
    recipients = alert.emails or settings.alert_email
    if not asks_about_costs(alert, BoardStore(settings)):
        return list(recipients), []
    return who_may_see_costs(recipients, settings.costs_email)


def _local_time(timezone: str, now: Clock) -> time:
    return now().astimezone(ZoneInfo(timezone)).time()


def parts_of_test(test: BackTest) -> Iterator[str]:
    """Yield a back-test as lines for people."""
    count = len(test.incidents)
    first, last = (
        (test.found[0].point.day, test.found[-1].point.day) if test.found else (None, None)
    )
    if not test.found:
        yield f"{test.title}: too few complete periods are known to compare with."
        return
    yield (
        f"{test.title}, {first} to {last}: {count} incident{'' if count == 1 else 's'} in "
        f"{len(test.found)} periods"
    )
    for episode in test.incidents:
        until = (
            ""
            if episode.last is episode.first
            else f" to {episode.last.point.starts_at:%Y-%m-%d %H:%M}"
        )
        yield f"  {episode.first.point.starts_at:%a %Y-%m-%d %H:%M}{until}: {episode.first.reason}"
